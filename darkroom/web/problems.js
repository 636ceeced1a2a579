/* What went wrong, in words for people, and what to do next. */

import { Problem } from "./api.js";
import { el } from "./dom.js";
import { signOut } from "./session.js";

const WORDS = {
  "bad-request": ["That did not come across", "Look at what was typed, and try again."],
  unauthenticated: ["You need a valid key for this", "Sign up, or sign in again with your key."],
  forbidden: ["This is not yours to change", "Only its owner can do that."],
  "not-found": ["There is nothing here",
    "It may have been deleted, or the link was cut short. Your feed is a good way back."],
  conflict: ["Not at this moment", "Give it a few seconds, then try again."],
  gone: ["That took too long and is over", "Nothing is broken: begin it once more."],
  "too-large": ["That is too big", "A photo may have 100 MB, a text a few thousand letters."],
  misdirected: ["Another region looks after this", "Reload the page; the way there will be found."],
  unprocessable: ["That can't be done with this", "Change what the line above says, then try again."],
  "bad-gateway": ["A server farther on gave no answer", "Nothing is lost. Try again in a moment."],
  unavailable: ["Darkroom is temporarily unavailable", "Nothing is lost. Try again in a moment."],
  "lease-lost": ["Darkroom is temporarily unavailable", "Nothing is lost. Try again in a moment."],
  residency: ["The residency rules do not allow this", "It is not a fault: the rule named above says where this may be."],
  unreachable: ["No answer from this edge", "Look at your connection, then try again."],
};
const BY_STATUS = { 400: "bad-request", 401: "unauthenticated", 403: "forbidden", 404: "not-found", 409: "conflict",
  410: "gone", 413: "too-large", 421: "misdirected", 422: "unprocessable", 429: "unavailable", 451: "residency",
  502: "bad-gateway", 503: "unavailable", 504: "bad-gateway" };
const OURS = ["Something went wrong on our side", "It has been written down. Try again in a moment."];

/** {title, detail, next}: what happened, what the server says of it, and what to do. */
export function explain(error) {
  if (!(error instanceof Problem)) {
    console.error(error);
    return { title: "This page made a mistake", detail: "", next: "Reload it, and try again." };
  }
  const [title, next] = WORDS[error.slug] ?? WORDS[BY_STATUS[error.status]] ?? OURS;
  const rule = error.document.rule ? ` (${error.document.rule})` : "";
  return { title, detail: error.status ? sentence(error.message) + rule : "", next };
}

/** Instead of what could not be shown. */
export function trouble(error, again) {
  const { title, detail, next } = explain(error);
  return el("section", { class: "note", role: "alert" },
    el("h1", {}, title),
    detail && el("p", {}, detail),
    el("p", { class: "hint" }, next),
    el("div", { class: "row" },
      wayOut(error, again),
      el("a", { href: "#/feed", class: "button quiet" }, "To the feed")));
}

/** One line, for beside a form or a button. */
export function told(error) {
  const { title, detail, next } = explain(error);
  return [title, detail, next].filter(Boolean).map((part) => part.replace(/[.]?$/, ".")).join(" ");
}

function wayOut(error, again) {
  if (error.status === 404) return null;
  if (error.status !== 401) return el("button", { type: "button", onclick: again }, "Try again");
  return el("a", { href: "#/welcome", class: "button", onclick: signOut }, "Sign up or in");
}

function sentence(text) {
  return text && text[0].toUpperCase() + text.slice(1);
}
