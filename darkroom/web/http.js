/* One HTTP request and its errors. Every failed request throws a Problem. */

const DEADLINE_MS = 20_000;
const ATTEMPTS = 4;
const LONGEST_PAUSE_MS = 3000;
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

/** Calls `once` again while it fails because a server is unavailable. What it requests must be idempotent. */
export async function repeated(once, signal) {
  // A server that asks for a longer wait is not asked again here: the user decides, or the upload waits.
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await once();
    } catch (error) {
      const again = error instanceof Problem && TRANSIENT.has(error.status) && attempt < ATTEMPTS
        && (error.retryAfterMs ?? 0) <= LONGEST_PAUSE_MS;
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

/** Sends one request. `headers` are added; `token` is an access token. */
export async function send(method, url, { body, signal, token, headers } = {}) {
  const sent = { Accept: "application/json", ...headers };
  if (token) sent.Authorization = `Bearer ${token}`;
  if (body !== undefined) sent["Content-Type"] = "application/json";
  const signals = [AbortSignal.timeout(DEADLINE_MS), ...(signal ? [signal] : [])];
  let response, text;
  try {
    const options = { method, headers: sent, body: body && JSON.stringify(body), signal: AbortSignal.any(signals) };
    response = await fetch(url, options);
    text = await response.text();
  } catch (error) {
    signal?.throwIfAborted();
    throw new Problem(0, { detail: error.message });
  }
  if (response.ok) return text ? parsed(text, response.status) : null;
  const problem = new Problem(response.status, parsed(text, response.status));
  problem.retryAfterMs = Math.max(0, Number(response.headers.get("Retry-After")) || 0) * 1000;
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
