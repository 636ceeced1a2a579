/* The API of the edge that served this page. Every failed request throws a Problem. */

import { session } from "./session.js";

const DEADLINE_MS = 20_000;
const ATTEMPTS = 4;
const TRANSIENT = new Set([0, 429, 502, 503, 504]);

/** A failed request. `slug` is the last part of the RFC 9457 `type`; `status` is 0 if there was no response. */
export class Problem extends Error {
  constructor(status, document = {}) {
    super(String(document.detail || document.title || "there was no response"));
    this.status = status;
    this.slug = String(document.type ?? "").split(":").at(-1) || (status ? "" : "unreachable");
    this.document = document;
  }
}

/** A `repeatable` request is idempotent, so it is sent again if a server is unavailable. */
export async function call(method, path, { body, signal, repeatable = method !== "POST" } = {}) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await callOnce(method, path, body, signal);
    } catch (error) {
      const again = error instanceof Problem && TRANSIENT.has(error.status) && repeatable && attempt < ATTEMPTS;
      if (!again) throw error;
      await pause(Math.max(backoffMs(attempt), error.retryAfterMs ?? 0), signal);
    }
  }
}

export function backoffMs(attempt, mostMs = 5000) {
  return Math.min(mostMs, 200 * 2 ** attempt) * (0.5 + Math.random() / 2);
}

/** Waits. Rejects with the signal's reason if it is aborted first. */
export function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const aborted = () => (clearTimeout(timer), reject(signal.reason));
    const timer = setTimeout(() => (signal?.removeEventListener("abort", aborted), resolve()), ms);
    signal?.addEventListener("abort", aborted, { once: true });
  });
}

async function callOnce(method, path, body, signal) {
  const headers = { Accept: "application/json" };
  if (session()) headers.Authorization = `Bearer ${session().token}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const signals = [AbortSignal.timeout(DEADLINE_MS), ...(signal ? [signal] : [])];
  let response, text;
  try {
    const options = { method, headers, body: body && JSON.stringify(body), signal: AbortSignal.any(signals) };
    response = await fetch(path, options);
    text = await response.text();
  } catch (error) {
    signal?.throwIfAborted();
    throw new Problem(0, { detail: error.message });
  }
  if (response.ok) return text ? parsed(text, response.status) : null;
  const problem = new Problem(response.status, parsed(text, response.status));
  problem.retryAfterMs = Math.min(10, Number(response.headers.get("Retry-After")) || 0) * 1000;
  throw problem;
}

function parsed(text, status) {
  try {
    return JSON.parse(text);
  } catch {
    if (status >= 400) return {};
    throw new Problem(502, { detail: "the response is not JSON" });
  }
}

const path = (...parts) => `/v1/${parts.map(encodeURIComponent).join("/")}`;
const list = (of, before, limit) => `${of}?${new URLSearchParams({ limit, ...(before ? { before } : {}) })}`;

export const signUp = (name, country) => call("POST", "/v1/users", { body: { name, country } });
export const user = (id, signal) => call("GET", path("users", id), { signal });
export const photosOf = (id, before, signal) => call("GET", list(path("users", id, "photos"), before, 30), { signal });
export const feed = (id, before, signal) => call("GET", list(path("users", id, "feed"), before, 30), { signal });
export const following = (id, before, signal) =>
  call("GET", list(path("users", id, "following"), before, 100), { signal });
export const follow = (me, id) => call("PUT", path("users", me, "following", id));
export const unfollow = (me, id) => call("DELETE", path("users", me, "following", id));
export const photo = (id, signal) => call("GET", path("photos", id), { signal });
export const deletePhoto = (id) => call("DELETE", path("photos", id));
export const like = (id) => call("PUT", path("photos", id, "like"));
export const unlike = (id) => call("DELETE", path("photos", id, "like"));
export const likes = (id, signal) => call("GET", list(path("photos", id, "likes"), null, 100), { signal });
export const comments = (id, before, signal) =>
  call("GET", list(path("photos", id, "comments"), before, 30), { signal });
export const addComment = (id, text) => call("POST", path("photos", id, "comments"), { body: { text } });
// If this is sent twice, it creates a second upload, which nobody continues and which expires.
export const beginUpload = (body, signal) => call("POST", "/v1/uploads/init", { body, signal, repeatable: true });
export const getUpload = (id, signal) => call("GET", path("uploads", id), { signal });
export const completeUpload = (id, parts, signal) =>
  call("POST", path("uploads", id, "complete"), { body: { parts }, signal, repeatable: true });
export const abortUpload = (id) => call("DELETE", path("uploads", id));

const names = new Map();

/** A user's name, requested only once; the id if the request fails. */
export function nameOf(id) {
  if (session()?.id === id) return Promise.resolve(session().name);
  if (names.size > 500) names.clear();
  if (!names.has(id)) {
    names.set(id, user(id).then((person) => person.name, () => (names.delete(id), id)));
  }
  return names.get(id);
}
