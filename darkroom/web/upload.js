/* One photo's way up: init, the parts straight to objects, complete, and waiting until it is developed. */

import { abortUpload, backoffMs, beginUpload, completeUpload, pause, photo, Problem, uploadOf } from "./api.js";

export const MAX_SIZE_BYTES = 100 * 1024 * 1024;
const PARTS_AT_ONCE = 3;
const ATTEMPTS = 5;
const PART_DEADLINE_MS = 120_000;
const POLL_FOR_MS = 180_000;
const TYPES = { jpg: "image/jpeg", jpeg: "image/jpeg", png: "image/png", webp: "image/webp", heic: "image/heic",
  heif: "image/heif", avif: "image/avif" };

/** What is wrong with the file already; null where nothing is. */
export function objection(file) {
  if (file.size === 0) return "The file is empty.";
  if (file.size > MAX_SIZE_BYTES) return "The file is over 100 MB. Choose a smaller one.";
  if (!typeOf(file)) return "This is no photo we can read: JPEG, PNG, WebP, HEIC and AVIF are.";
  return null;
}

/** The photo's id once all of the file is there. `progress(bytes)` hears how much has gone, of `file.size`. */
export async function send(file, caption, progress, signal) {
  const said = { filename: file.name.slice(0, 255), size_bytes: file.size, content_type: typeOf(file) };
  const sum = await sha256(file);
  const body = { ...said, ...(sum ? { sha256: sum } : {}), ...(caption ? { caption } : {}) };
  try {
    return await sendOnce(file, body, progress, signal);
  } catch (error) {
    if (error.status !== 410) throw error;
  }
  // The region was turned off in mid-upload, or the upload is too old: there is only beginning again.
  return sendOnce(file, body, progress, signal);
}

/** The photo once it is ready, failed or rejected; still `processing` where that takes longer than we watch. */
export async function developed(photoId, signal) {
  const until = performance.now() + POLL_FOR_MS;
  for (let attempt = 0; ; attempt += 1) {
    const seen = await photo(photoId, signal);
    if (seen.status !== "processing" || performance.now() > until) return seen;
    await pause(backoffMs(attempt, 2000), signal);
  }
}

async function sendOnce(file, body, progress, signal) {
  const upload = await beginUpload(body, signal);
  try {
    const parts = await sendParts(file, upload, progress, signal);
    await completeUpload(upload.upload_id, parts, signal);
  } catch (error) {
    if (signal.aborted) abortUpload(upload.upload_id).catch(() => {}); // it expires by itself otherwise
    throw error;
  }
  return upload.photo_id;
}

/** The list that `complete` wants. The first part that fails for good stops the others. */
async function sendParts(file, upload, progress, signal) {
  const waiting = [...upload.parts];
  const done = [];
  const gone = new Map();
  const failing = new AbortController();
  const either = AbortSignal.any([signal, failing.signal]);
  const heard = (number, bytes) => {
    gone.set(number, bytes);
    progress([...gone.values()].reduce((sum, each) => sum + each, 0));
  };
  const worker = async () => {
    for (let part = waiting.shift(); part; part = waiting.shift()) {
      done.push({ number: part.number, etag: await sendPart(file, upload, part, heard, either) });
    }
  };
  const workers = Array.from({ length: PARTS_AT_ONCE }, () =>
    worker().catch((error) => {
      failing.abort(error);
      throw error;
    }));
  await Promise.all(workers);
  return done.sort((a, b) => a.number - b.number);
}

/** The part's ETag. After a failure the upload is asked: the part may have arrived, or need a new URL. */
async function sendPart(file, upload, part, heard, signal) {
  const start = (part.number - 1) * upload.part_size;
  const blob = file.slice(start, start + upload.part_size);
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await put(part, blob, (bytes) => heard(part.number, bytes), signal);
    } catch (error) {
      heard(part.number, 0);
      if (signal.aborted || attempt === ATTEMPTS) throw error;
      await pause(backoffMs(attempt), signal);
      const now = await uploadOf(upload.upload_id, signal);
      const arrived = now.parts.find(({ number, size_bytes }) => number === part.number && size_bytes === blob.size);
      if (arrived) return heard(part.number, blob.size), arrived.etag;
      part = now.missing.find(({ number }) => number === part.number) ?? part;
    }
  }
}

/** XMLHttpRequest, since fetch does not tell how much of a body has gone. */
function put(part, blob, heard, signal) {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const request = new XMLHttpRequest();
    const leave = () => request.abort();
    const failed = (detail) => reject(new Problem(0, { detail }));
    request.open("PUT", part.url);
    request.timeout = PART_DEADLINE_MS;
    for (const [name, value] of Object.entries(part.headers ?? {})) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded }) => heard(loaded);
    request.onerror = () => failed("the store did not answer");
    request.ontimeout = () => failed("the store took too long");
    request.onabort = () => reject(signal.reason);
    request.onloadend = () => signal.removeEventListener("abort", leave);
    request.onload = () => {
      const etag = request.getResponseHeader("ETag");
      if (request.status >= 200 && request.status < 300 && etag) resolve(etag);
      else reject(new Problem(request.status, { detail: `the store answered ${request.status}` }));
    };
    signal.addEventListener("abort", leave, { once: true });
    request.send(blob);
  });
}

/** Hex, or null where the browser has no `crypto.subtle` (a page that did not come over HTTPS or from this machine). */
async function sha256(file) {
  if (!crypto.subtle) return null;
  const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function typeOf(file) {
  if (Object.values(TYPES).includes(file.type)) return file.type;
  return file.type ? null : TYPES[file.name.split(".").at(-1).toLowerCase()] ?? null;
}
