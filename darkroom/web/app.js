/* Starts the page: maps each address to a view, and handles events that every view shares. */

import { Problem, signInAs } from "./api.js";
import { el } from "./dom.js";
import { errorView } from "./problems.js";
import { idIn, session } from "./session.js";
import { accountView } from "./view_account.js";
import { feedView } from "./view_feed.js";
import { meView, peopleView, personView } from "./view_people.js";
import { photoView } from "./view_photo.js";
import { addFiles, isUploading, uploadView } from "./view_upload.js";
import { welcomeView } from "./view_welcome.js";

const main = document.getElementById("main");
const nav = document.getElementById("nav");
const drop = document.getElementById("drop");
let currentView = new AbortController();
let afterSignUp = "#/feed";

/* [address, view, visible without signing up?]; other addresses lead to the feed. */
const ROUTES = [
  [/^#\/feed$/, (signal) => feedView(signal), false],
  [/^#\/me$/, (signal) => meView(signal), false],
  [/^#\/account$/, () => accountView(), false],
  [/^#\/people$/, (signal) => peopleView(signal), false],
  [/^#\/upload$/, () => uploadView(), false],
  [/^#\/u\/(u_[0-9A-Za-z]{11})$/, (signal, id) => personView(id, signal), true],
  [/^#\/p\/(p_[0-9A-Za-z]{11})$/, (signal, id) => photoView(id, signal), true],
];

function viewOf(hash, signal) {
  const found = ROUTES.find(([address]) => address.test(hash));
  if (found && !session()) afterSignUp = hash;
  if (found && (found[2] || session())) return found[1](signal, hash.match(found[0])[1]);
  if (hash === "#/welcome" && !session()) return welcomeView(idIn(afterSignUp), afterSignUp);
  location.replace(session() ? "#/feed" : "#/welcome");
  return new Promise(() => {}); // the new address shows another view
}

async function show() {
  currentView.abort();
  currentView = new AbortController();
  const { signal } = currentView;
  markCurrentTab(location.hash);
  const slow = setTimeout(() => signal.aborted || main.replaceChildren(loading()), 150);
  try {
    const view = await viewOf(location.hash, signal);
    if (!signal.aborted) put(view);
  } catch (error) {
    if (!signal.aborted) put(errorView(error, show));
  } finally {
    clearTimeout(slow);
  }
}

function put(view) {
  main.replaceChildren(view);
  window.scrollTo(0, 0);
  const heading = view.querySelector("h1");
  document.title = heading ? `${heading.textContent} · Darkroom` : "Darkroom";
  heading?.setAttribute("tabindex", "-1");
  heading?.focus({ preventScroll: true });
}

function loading() {
  return el("section", { class: "loading", "aria-busy": "true" }, el("p", { role: "status" }, "Loading …"));
}

function markCurrentTab(hash) {
  nav.hidden = !session();
  for (const link of nav.querySelectorAll("a")) {
    if (link.getAttribute("href") === hash) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

/* People share the link `/?follow=u_…`. It leads to the page of the user who shared it. */
function acceptInvitation() {
  const inviter = idIn(new URLSearchParams(location.search).get("follow") ?? "");
  if (location.search) history.replaceState(null, "", inviter ? `/#/u/${inviter}` : `/${location.hash}`);
}

/* The link `/#sign-in=HANDLE/PASSPHRASE`, with `&to=me` at most, signs in: the demo makes such links for its people.
   What it has is in the fragment, which no browser sends. */
async function acceptLink() {
  if (!location.hash.startsWith("#sign-in=")) return;
  const [, handle, passphrase, to] =
    location.hash.match(/^#sign-in=([a-z0-9_]+@[\w-]+)\/([\w.~-]+)(?:&to=(me|feed))?$/) ?? [];
  history.replaceState(null, "", `/#/${to ?? "feed"}`);
  if (!handle) throw new Problem(401, { detail: "this link is not complete" });
  if (session()?.handle === handle) return;
  if (session() && !window.confirm(`Sign out, and sign in as ${handle} with this link?`)) return;
  await signInAs(handle, passphrase);
}

async function start() {
  acceptInvitation();
  try {
    await acceptLink();
  } catch (error) {
    put(errorView(error, show));
    return;
  }
  show();
}

function onDrag(event) {
  if (!session() || ![...event.dataTransfer.types].includes("Files")) return;
  event.preventDefault();
  drop.hidden = event.type !== "dragover";
}

window.addEventListener("hashchange", start);
window.addEventListener("dragover", onDrag);
window.addEventListener("dragleave", (event) => event.relatedTarget === null && (drop.hidden = true));
window.addEventListener("drop", (event) => {
  onDrag(event);
  if (session() && event.dataTransfer.files.length) {
    addFiles(event.dataTransfer.files);
    location.hash = "#/upload";
  }
});
window.addEventListener("beforeunload", (event) => isUploading() && event.preventDefault());
document.querySelector(".skip").addEventListener("click", (event) => (event.preventDefault(), main.focus()));
document.addEventListener("session", () => markCurrentTab(location.hash));
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, dialog");
  if (event.key === "Escape" && !typing && location.hash.startsWith("#/p/")) history.back();
});

start();
