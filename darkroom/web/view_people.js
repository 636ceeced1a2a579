/* People: the user's own page, the people whom they follow, and another user's page. */

import * as api from "./api.js";
import { announce, busy, copyButton, el, field } from "./dom.js";
import { gallery } from "./images.js";
import { messageFor } from "./problems.js";
import { idIn, session } from "./session.js";
import { confirmSignOut } from "./view_account.js";

const MAX_PAGES = 10;

/** The user's own photos, their home region, and the ways to their account and out. */
export async function meView(signal) {
  const me = session();
  const page = await api.photosOf(me.id, null, signal);
  const mine = page.items.length
    ? gallery(page, (before) => api.photosOf(me.id, before, signal))
    : el("div", { class: "empty" },
        el("p", { class: "big" }, "You have no photos yet."),
        el("p", {}, "Photos that you upload will appear here."),
        el("a", { class: "button", href: "#/upload" }, "Upload a photo"));
  return el("section", {},
    el("header", { class: "head" },
      el("div", {}, el("h1", {}, me.name), homeRegion(me.home_region, "Your photos are stored in")),
      el("div", { class: "row" },
        el("a", { class: "button quiet", href: "#/account" }, "Account"),
        el("button", { type: "button", class: "quiet", onclick: confirmSignOut }, "Sign out"))),
    mine);
}

/** The people whom the user follows, a form to follow someone, and the link for others to follow the user. */
export async function peopleView(signal) {
  const ids = await followedIds(signal);
  const list = el("ul", { class: "people" }, ids.map((id) => person(id, (item) => item.remove())));
  return el("section", { class: "narrow" },
    el("h1", {}, "People"),
    followForm(),
    el("h2", {}, "Your link"),
    ownLink(),
    el("h2", {}, "You follow"),
    ids.length ? list : el("p", { class: "hint" }, "Nobody yet. Ask a friend for their link."));
}

/** The page of a user. */
export async function personView(id, signal) {
  if (session()?.id === id) return meView(signal);
  const [person, page, ids] = await Promise.all([
    api.user(id, signal), api.photosOf(id, null, signal), session() ? followedIds(signal) : [],
  ]);
  return el("section", {},
    el("header", { class: "head" },
      el("div", {}, el("h1", {}, person.name), homeRegion(person.home_region, "Photos are stored in")),
      session()
        ? followButton(id, person.name, ids.includes(id))
        : el("a", { class: "button", href: "#/welcome" }, `Sign up to follow ${person.name}`)),
    page.items.length
      ? gallery(page, (before) => api.photosOf(id, before, signal))
      : el("div", { class: "empty" }, el("p", { class: "big" }, `${person.name} has no photos yet.`)));
}

function homeRegion(region, words) {
  return el("p", { class: "home-region" }, `${words} `, el("strong", {}, region), ".");
}

function followForm() {
  const input = el("input",
    { required: true, autocomplete: "off", spellcheck: "false", placeholder: "u_… or a link" });
  const problem = el("p", { class: "problem", role: "alert" });
  const button = el("button", {}, "Find");
  const find = (event) => {
    event.preventDefault();
    const id = idIn(input.value);
    if (id) location.hash = `#/u/${id}`;
    else problem.textContent = "There is no id in this text. An id has eleven letters and digits after u_.";
  };
  return el("form", { class: "line", onsubmit: find },
    field("Follow by id or link", input), button, problem);
}

function ownLink() {
  const link = `${location.origin}/?follow=${session().id}`;
  return el("div", { class: "share" },
    el("input", { readonly: true, value: link, "aria-label": "Your link", onfocus: (event) => event.target.select() }),
    copyButton("Copy", link),
    el("p", { class: "hint" }, "Anyone who opens this link can follow you. It works on every edge."));
}

function person(id, onUnfollowed) {
  const link = el("a", { href: `#/u/${id}` }, id);
  const button = el("button", { type: "button", class: "quiet small" }, "Unfollow");
  const item = el("li", {}, link, button);
  api.nameOf(id).then((name) => {
    link.textContent = name;
    button.setAttribute("aria-label", `Unfollow ${name}`);
  });
  button.addEventListener("click", () =>
    busy(button, async () => {
      await api.unfollow(session().id, id);
      announce(`You no longer follow ${link.textContent}.`);
      onUnfollowed(item);
    }, (error) => announce(messageFor(error))));
  return item;
}

function followButton(id, name, follows) {
  const button = el("button", { type: "button" });
  const note = el("p", { class: "hint" });
  const show = () => {
    button.textContent = follows ? `Unfollow ${name}` : `Follow ${name}`;
    button.className = follows ? "quiet" : "";
  };
  button.addEventListener("click", () =>
    busy(button, async () => {
      await (follows ? api.unfollow : api.follow)(session().id, id);
      follows = !follows;
      show();
      announce(follows
        ? `You follow ${name}. Their photos will appear in your feed.`
        : `You no longer follow ${name}.`);
    }, (error) => (note.textContent = messageFor(error))));
  show();
  return el("div", {}, button, note);
}

async function followedIds(signal) {
  const ids = [];
  for (let page = 0, next = null; page === 0 || (next && page < MAX_PAGES); page += 1) {
    const response = await api.following(session().id, next, signal);
    ids.push(...response.items);
    next = response.next;
  }
  return ids;
}
