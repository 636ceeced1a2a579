/* Uploads one photo: init, the parts directly to the object store, complete, then waiting until it is processed. */

import { abortUpload, backoffMs, beginUpload, completeUpload, getUpload, pause, photo, Problem } from "./api.js";
import { contentTypeOf, FORMATS, MAX_RAW_BYTES, MAX_SIZE } from "./image_limits.js";

const PARTS_AT_ONCE = 3;
const ATTEMPTS = 5;
const PART_DEADLINE_MS = 120_000;
const POLL_FOR_MS = 180_000;
const PATIENCE_MS = 3_600_000;

/** Why the file can't be uploaded, or null if it can. */
export function problemWith(file) {
  if (file.size === 0) return "The file is empty.";
  if (file.size > MAX_RAW_BYTES) return `The file is larger than ${MAX_SIZE}. Choose a smaller one.`;
  if (!contentTypeOf(file)) return `Choose a photo in one of these formats: ${FORMATS}.`;
  return null;
}

/**
 * Uploads the file; resolves to the photo's id. `onProgress(bytes)` gets the number of bytes sent of `file.size`,
 * `onThrottled(seconds)` how long it waits before it begins, if there were too many uploads.
 */
export async function send(file, caption, { onProgress, onThrottled }, signal) {
  const description = { filename: file.name.slice(0, 255), size_bytes: file.size, content_type: contentTypeOf(file) };
  const digest = await sha256(file);
  const body = { ...description, ...(digest ? { sha256: digest } : {}), ...(caption ? { caption } : {}) };
  const sendIt = async () => sendOnce(file, await begin(body, onThrottled, signal), onProgress, signal);
  try {
    return await sendIt();
  } catch (error) {
    if (error.status !== 410) throw error;
  }
  // The region was turned off during the upload, or the upload has expired: it has to start over.
  return sendIt();
}

/**
 * The photo when it is ready, failed or rejected; after three minutes, even if it is still `processing`.
 * `onWait(photo)` gets it each time that it is not.
 */
export async function waitUntilProcessed(photoId, onWait, signal) {
  const deadline = performance.now() + POLL_FOR_MS;
  for (let attempt = 0; ; attempt += 1) {
    const current = await photo(photoId, signal);
    if (current.status !== "processing" || performance.now() > deadline) return current;
    onWait(current);
    await pause(backoffMs(attempt, 2000), signal);
  }
}

/** Waits for up to an hour where the server says that there were too many uploads for a while. */
async function begin(body, onThrottled, signal) {
  for (let patienceMs = PATIENCE_MS; ; ) {
    try {
      return await beginUpload(body, signal);
    } catch (error) {
      patienceMs -= error.retryAfterMs;
      if (error.status !== 429 || !(error.retryAfterMs > 0) || patienceMs < 0) throw error;
      onThrottled(error.retryAfterMs / 1000);
      await pause(error.retryAfterMs, signal);
    }
  }
}

async function sendOnce(file, upload, onProgress, signal) {
  try {
    const parts = await sendParts(file, upload, onProgress, signal);
    await completeUpload(upload.upload_id, parts, signal);
  } catch (error) {
    if (signal.aborted) abortUpload(upload.upload_id).catch(() => {}); // without this, it expires by itself
    throw error;
  }
  return upload.photo_id;
}

/** The list of parts for `complete`. If one part fails on every attempt, the others are stopped. */
async function sendParts(file, upload, onProgress, signal) {
  const waiting = [...upload.parts];
  const done = [];
  const sent = new Map();
  const failing = new AbortController();
  const either = AbortSignal.any([signal, failing.signal]);
  const onPartProgress = (number, bytes) => {
    sent.set(number, bytes);
    onProgress([...sent.values()].reduce((sum, each) => sum + each, 0));
  };
  const worker = async () => {
    for (let part = waiting.shift(); part; part = waiting.shift()) {
      done.push({ number: part.number, etag: await sendPart(file, upload, part, onPartProgress, either) });
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

/** The part's ETag. After a failure, requests the upload's state: the part may have arrived, or may need a new URL. */
async function sendPart(file, upload, part, onPartProgress, signal) {
  const start = (part.number - 1) * upload.part_size;
  const blob = file.slice(start, start + upload.part_size);
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await put(part, blob, (bytes) => onPartProgress(part.number, bytes), signal);
    } catch (error) {
      onPartProgress(part.number, 0);
      if (signal.aborted || attempt === ATTEMPTS) throw error;
      await pause(backoffMs(attempt), signal);
      const now = await getUpload(upload.upload_id, signal);
      const arrived = now.parts.find(({ number, size_bytes }) => number === part.number && size_bytes === blob.size);
      if (arrived) return onPartProgress(part.number, blob.size), arrived.etag;
      part = now.missing.find(({ number }) => number === part.number) ?? part;
    }
  }
}

/** Sends one part. Uses XMLHttpRequest, because fetch does not report how much of a body has been sent. */
function put(part, blob, onProgress, signal) {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    const failed = (detail) => reject(new Problem(0, { detail }));
    request.open("PUT", part.url);
    request.timeout = PART_DEADLINE_MS;
    for (const [name, value] of Object.entries(part.headers ?? {})) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded }) => onProgress(loaded);
    request.onerror = () => failed("the store did not answer");
    request.ontimeout = () => failed("the store took too long");
    request.onabort = () => reject(signal.reason);
    request.onloadend = () => signal.removeEventListener("abort", abort);
    request.onload = () => {
      const etag = request.getResponseHeader("ETag");
      if (request.status >= 200 && request.status < 300 && etag) resolve(etag);
      else reject(new Problem(request.status, { detail: `the store answered ${request.status}` }));
    };
    signal.addEventListener("abort", abort, { once: true });
    request.send(blob);
  });
}

/** In hex; null without `crypto.subtle`, which exists only on pages from HTTPS or from this machine. */
async function sha256(file) {
  if (!crypto.subtle) return null;
  const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
