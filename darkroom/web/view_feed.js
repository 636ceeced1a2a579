/* The feed: photos of the people whom the user follows, newest first. */

import { backoffMs, feed, pause } from "./api.js";
import { announce, el } from "./dom.js";
import { gallery } from "./images.js";
import { session } from "./session.js";

const POLL_EVERY_MS = 6000;
const POLL_WHILE_EMPTY_MS = 1000;

export async function feedView(signal) {
  const me = session().id;
  const view = el("section", {}, el("h1", {}, "Feed"));
  const content = el("div");
  view.append(content);
  const show = (page) => content.replaceChildren(filled(page, (before) => feed(me, before, signal)));
  const first = await feed(me, null, signal);
  show(first);
  watch(me, first, show, signal);
  return view;
}

function filled(page, more) {
  const unavailable = page.unavailable?.length ?? 0;
  if (!page.items.length && !unavailable) return empty();
  return el("div", {},
    unavailable > 0 && el("p", { class: "hint" },
      `${unavailable === 1 ? "One photo is" : `${unavailable} photos are`} temporarily unavailable: `,
      "the home region does not respond."),
    gallery(page, more, { owners: true }));
}

function empty() {
  return el("div", { class: "empty" },
    el("p", { class: "big" }, "There are no photos yet."),
    el("p", {}, "Photos of the people you follow will appear here."),
    el("div", { class: "row middle" },
      el("a", { class: "button", href: "#/people" }, "Follow someone"),
      el("a", { class: "button quiet", href: "#/upload" }, "Upload a photo")));
}

/** Polls for newer photos. An empty feed shows them at once; otherwise a button offers them. */
async function watch(me, first, show, signal) {
  let newest = first.items[0]?.id ?? "";
  for (;;) {
    try {
      await pause((first.items.length ? POLL_EVERY_MS : POLL_WHILE_EMPTY_MS) + backoffMs(3), signal);
      if (document.hidden) continue;
      const page = await feed(me, null, signal);
      const fresh = page.items.filter(({ id }) => id > newest);
      if (!fresh.length) continue;
      newest = page.items[0].id;
      if (!first.items.length) show((first = page));
      else offer(page, show);
      announce(fresh.length === 1 ? "A new photo has arrived." : `${fresh.length} new photos have arrived.`);
    } catch {
      // The view was left, or the server is unavailable: then the feed stays as it is, and the next poll tries again.
      if (signal.aborted) return;
    }
  }
}

function offer(page, show) {
  document.querySelector(".fresh")?.remove();
  const button = el("button", { type: "button", class: "fresh", onclick: () => (button.remove(), show(page)) },
    "Show new photos");
  document.querySelector("#main h1")?.after(button);
}
