/* The API of the edge that served this page. Whatever goes wrong is a Problem. */

import { session } from "./session.js";

const DEADLINE_MS = 20_000;
const TRIES = 4;
const TRANSIENT = new Set([0, 429, 502, 503, 504]);

/** A refusal: `slug` says which (RFC 9457 `type`), `status` 0 means that nobody answered. */
export class Problem extends Error {
  constructor(status, document = {}) {
    super(String(document.detail || document.title || "there was no answer"));
    this.status = status;
    this.slug = String(document.type ?? "").split(":").at(-1) || (status ? "" : "unreachable");
    this.document = document;
  }
}

/** `repeatable` calls are tried again when a server is away: asking twice does no more than asking once. */
export async function call(method, path, { body, signal, repeatable = method !== "POST" } = {}) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await once(method, path, body, signal);
    } catch (error) {
      const again = error instanceof Problem && TRANSIENT.has(error.status) && repeatable && attempt < TRIES;
      if (!again) throw error;
      await pause(Math.max(backoffMs(attempt), error.retryAfterMs ?? 0), signal);
    }
  }
}

export function backoffMs(attempt, mostMs = 5000) {
  return Math.min(mostMs, 200 * 2 ** attempt) * (0.5 + Math.random() / 2);
}

/** Rejects with the signal's reason when that comes first. */
export function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const left = () => (clearTimeout(timer), reject(signal.reason));
    const timer = setTimeout(() => (signal?.removeEventListener("abort", left), resolve()), ms);
    signal?.addEventListener("abort", left, { once: true });
  });
}

async function once(method, path, body, signal) {
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
    throw new Problem(502, { detail: "the answer is not JSON" });
  }
}

const at = (...parts) => `/v1/${parts.map(encodeURIComponent).join("/")}`;
const list = (path, before, limit) => `${path}?${new URLSearchParams({ limit, ...(before ? { before } : {}) })}`;

export const signUp = (name, country) => call("POST", "/v1/users", { body: { name, country } });
export const user = (id, signal) => call("GET", at("users", id), { signal });
export const photosOf = (id, before, signal) => call("GET", list(at("users", id, "photos"), before, 30), { signal });
export const feed = (id, before, signal) => call("GET", list(at("users", id, "feed"), before, 30), { signal });
export const following = (id, before, signal) =>
  call("GET", list(at("users", id, "following"), before, 100), { signal });
export const follow = (me, id) => call("PUT", at("users", me, "following", id));
export const unfollow = (me, id) => call("DELETE", at("users", me, "following", id));
export const photo = (id, signal) => call("GET", at("photos", id), { signal });
export const deletePhoto = (id) => call("DELETE", at("photos", id));
export const like = (id) => call("PUT", at("photos", id, "like"));
export const unlike = (id) => call("DELETE", at("photos", id, "like"));
export const likes = (id, signal) => call("GET", list(at("photos", id, "likes"), null, 100), { signal });
export const comments = (id, before, signal) => call("GET", list(at("photos", id, "comments"), before, 30), { signal });
export const addComment = (id, text) => call("POST", at("photos", id, "comments"), { body: { text } });
// Asked twice, it costs an upload that nobody goes on with and that expires.
export const beginUpload = (body, signal) => call("POST", "/v1/uploads/init", { body, signal, repeatable: true });
export const uploadOf = (id, signal) => call("GET", at("uploads", id), { signal });
export const completeUpload = (id, parts, signal) =>
  call("POST", at("uploads", id, "complete"), { body: { parts }, signal, repeatable: true });
export const abortUpload = (id) => call("DELETE", at("uploads", id));

const names = new Map();

/** A person's name, asked once; the id where it can't be had. */
export function nameOf(id) {
  if (session()?.id === id) return Promise.resolve(session().name);
  if (names.size > 500) names.clear();
  if (!names.has(id)) {
    const asked = user(id).then((person) => person.name, () => (names.delete(id), id));
    names.set(id, asked);
  }
  return names.get(id);
}
