/* Error messages for people: what went wrong, and what to do next. */

import { Problem } from "./api.js";
import { el } from "./dom.js";
import { MAX_SIZE } from "./image_limits.js";
import { signOut } from "./session.js";

const WORDS = {
  "bad-request": ["The request was not understood", "Check what you entered, and try again."],
  unauthenticated: ["You are not signed in any more", "Sign in again."],
  "sign-in-failed": ["This did not sign you in", "Check the handle and the passphrase, or sign in again."],
  forbidden: ["You can't change this", "Only its owner can do that."],
  "not-found": ["There is nothing here",
    "It may have been deleted, or the link is incomplete."],
  conflict: ["This is not possible right now", "Wait a few seconds, then try again."],
  gone: ["This took too long and has expired", "Please start again."],
  "too-large": ["This is too large", `A photo can have up to ${MAX_SIZE}, a text a few thousand characters.`],
  misdirected: ["This belongs to another region", "Reload the page, and try again."],
  unprocessable: ["This can't be accepted", "Correct what the message names, then try again."],
  "too-many-requests": ["That was too much at once", "Nothing is lost. Wait a little, then try again."],
  "bad-gateway": ["Another server did not respond", "Nothing is lost. Try again in a moment."],
  unavailable: ["Darkroom is temporarily unavailable", "Nothing is lost. Try again in a moment."],
  "lease-lost": ["Darkroom is temporarily unavailable", "Nothing is lost. Try again in a moment."],
  residency: ["The residency rules do not allow this",
    "This is not an error: the rule named above decides where this may be stored."],
  unreachable: ["The server can't be reached", "Check your connection, then try again."],
};
const BY_STATUS = { 400: "bad-request", 401: "unauthenticated", 403: "forbidden", 404: "not-found", 409: "conflict",
  410: "gone", 413: "too-large", 421: "misdirected", 422: "unprocessable", 429: "too-many-requests", 451: "residency",
  502: "bad-gateway", 503: "unavailable", 504: "bad-gateway" };
const OURS = ["Something went wrong on our side", "The error has been logged. Try again in a moment."];

/** {title, detail, next}: what happened, the server's explanation, and what to do. */
export function explain(error) {
  if (!(error instanceof Problem)) {
    console.error(error);
    return { title: "There is an error in this page", detail: "", next: "Reload it, and try again." };
  }
  const [title, next] = WORDS[error.slug] ?? WORDS[BY_STATUS[error.status]] ?? OURS;
  const rule = error.document.rule ? ` (${error.document.rule})` : "";
  return { title, detail: error.status ? sentence(error.message) + rule : "", next };
}

/** The view that replaces one that could not be loaded. `retry` loads it again. */
export function errorView(error, retry) {
  const { title, detail, next } = explain(error);
  return el("section", { class: "note", role: "alert" },
    el("h1", {}, title),
    detail && el("p", {}, detail),
    el("p", { class: "hint" }, next),
    el("div", { class: "row" },
      wayOut(error, retry),
      el("a", { href: "#/feed", class: "button quiet" }, "To the feed")));
}

/** A message of one line, for a form or a button. */
export function messageFor(error) {
  const { title, detail, next } = explain(error);
  return [title, detail, next].filter(Boolean).map((part) => part.replace(/[.]?$/, ".")).join(" ");
}

function wayOut(error, retry) {
  if (error.status === 404) return null;
  if (error.status !== 401) return el("button", { type: "button", onclick: retry }, "Try again");
  return el("a", { href: "#/welcome", class: "button", onclick: signOut }, "Sign up or in");
}

function sentence(text) {
  return text && text[0].toUpperCase() + text.slice(1);
}
