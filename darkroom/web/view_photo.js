/* One photo, large, with likes and comments. */

import * as api from "./api.js";
import { badge } from "./cache_status.js";
import { about, announce, busy, confirmed, el, field, readOut, when } from "./dom.js";
import { image } from "./images.js";
import { messageFor } from "./problems.js";
import { session } from "./session.js";

export async function photoView(id, signal) {
  const photo = await api.photo(id, signal);
  if (photo.status !== "ready") return notReady(photo);
  const name = await api.nameOf(photo.owner);
  const shown = image(photo, "(max-width: 60rem) 100vw, 68vw", { fetchpriority: "high" });
  if (!photo.caption) shown.alt = `A photo by ${name}`;
  return el("article", { class: "photo" },
    el("div", { class: "frame" }, shown),
    el("aside", {},
      el("h1", {}, photo.caption || "Untitled"),
      el("p", { class: "by" }, el("a", { href: `#/u/${photo.owner}` }, name), " · ", when(photo.created_at)),
      taken(photo),
      badge(shown),
      el("div", { class: "row" }, likeButton(photo, signal), photo.owner === session()?.id && deleteButton(photo)),
      conversation(photo, signal)));
}

/** What the camera wrote, which only the owner's own requests are answered with; null for others. */
function taken(photo) {
  const { latitude, longitude } = photo.location ?? {};
  const at = latitude === undefined ? "" : `${latitude.toFixed(4)}, ${longitude.toFixed(4)}`;
  const time = photo.taken_at?.slice(0, 16).replace("T", " ") ?? "";
  const facts = [time, photo.camera ?? "", at].filter(Boolean).join(" · ");
  return facts ? el("p", { class: "hint" }, `${facts} (only you see this)`) : null;
}

function notReady(photo) {
  const reason = photo.reason?.detail ?? "";
  return el("section", { class: "note" },
    el("h1", {}, { failed: "This photo could not be processed", rejected: "This photo was rejected" }[photo.status]
      ?? "This photo is being processed"),
    el("p", {}, reason || `Come back in ${photo.ready_in_s ? about(photo.ready_in_s) : "a moment"}.`),
    el("div", { class: "row" },
      photo.owner === session()?.id && photo.status !== "uploading" && deleteButton(photo),
      el("a", { class: "button quiet", href: "#/upload" }, "Upload another")));
}

function likeButton(photo, signal) {
  const count = el("span", {}, "…");
  const button = el("button", { type: "button", class: "quiet like", "aria-pressed": "false", "aria-label": "Like" },
    el("span", { class: "heart", "aria-hidden": "true" }), count);
  let total = 0;
  let more = false;
  const show = (liked) => {
    button.setAttribute("aria-pressed", String(liked));
    count.textContent = more ? "100+" : String(total);
    button.setAttribute("aria-label", `${liked ? "Unlike" : "Like"}, ${count.textContent} so far`);
  };
  api.likes(photo.id, signal).then(({ items, next }) => {
    total = items.length;
    more = next !== null;
    show(items.includes(session()?.id));
  }, () => (count.textContent = ""));
  button.addEventListener("click", () =>
    busy(button, async () => {
      if (!session()) return (location.hash = "#/welcome");
      const liked = button.getAttribute("aria-pressed") === "true";
      await (liked ? api.unlike : api.like)(photo.id);
      total += liked ? -1 : 1;
      show(!liked);
    }, (error) => announce(messageFor(error))));
  return button;
}

function deleteButton(photo) {
  const button = el("button", { type: "button", class: "quiet danger" }, "Delete");
  button.addEventListener("click", () =>
    busy(button, async () => {
      const sure = await confirmed("Delete this photo?",
        "It is deleted from every region, every edge and every feed. This can't be undone.", "Delete it");
      if (!sure) return;
      await api.deletePhoto(photo.id);
      announce("Deleted everywhere.");
      location.hash = "#/me";
    }, (error) => announce(messageFor(error))));
  return button;
}

function conversation(photo, signal) {
  const list = el("ol", { class: "comments" });
  const note = el("p", { class: "hint" }, "Loading …");
  const older = el("button", { type: "button", class: "quiet small", hidden: true }, "Older comments");
  let next = null;
  const load = async () => {
    const page = await api.comments(photo.id, next, signal);
    list.append(...page.items.map(commentItem));
    next = page.next;
    older.hidden = !next;
    note.textContent = list.childElementCount ? "" : "There are no comments yet.";
  };
  older.addEventListener("click", () => busy(older, load, (error) => announce(messageFor(error))));
  load().catch((error) => signal.aborted || (note.textContent = messageFor(error)));
  const added = (comment) => (list.prepend(commentItem(comment)), (note.textContent = ""));
  return el("section", { class: "conversation" },
    el("h2", {}, "Comments"),
    session()
      ? commentForm(photo, added)
      : el("p", { class: "hint" }, el("a", { href: "#/welcome" }, "Sign up"), " to comment."),
    note, list, older);
}

function commentForm(photo, added) {
  const text = el("textarea", { required: true, maxlength: 2000, rows: 2 });
  const button = el("button", { class: "small" }, "Comment");
  const problem = el("p", { class: "problem", role: "alert" });
  const submit = (event) => {
    event.preventDefault();
    problem.textContent = "";
    busy(button, async () => {
      added(await api.addComment(photo.id, text.value));
      text.value = "";
      readOut("Your comment was added.");
    }, (error) => (problem.textContent = messageFor(error)));
  };
  return el("form", { onsubmit: submit }, field("Add a comment", text), button, problem);
}

function commentItem(comment) {
  const author = el("a", { href: `#/u/${comment.author}` }, "…");
  api.nameOf(comment.author).then((name) => (author.textContent = name));
  return el("li", {},
    el("p", { class: "by" }, author, " · ", when(comment.created_at)),
    el("p", { class: "text" }, comment.text));
}
