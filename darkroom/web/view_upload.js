/* The upload view: choose or drop photos, write captions, and watch them being uploaded and processed. */

import { about, announce, el, field, readOut } from "./dom.js";
import { image } from "./images.js";
import { FORMATS, MAX_SIZE } from "./image_limits.js";
import { messageFor } from "./problems.js";
import { problemWith, send, waitUntilProcessed } from "./upload.js";

const AT_ONCE = 2;
const MAX_FILES = 50;

/* The rows stay when the view is left, so the user can look at the feed during uploads. */
const rows = el("ul", { class: "uploads", "aria-label": "Photos to upload" });
const start = el("button", { type: "button", class: "wide", hidden: true, onclick: startAll }, "Upload");
const waiting = [];
let running = 0;

export async function uploadView() {
  const input = el("input", { type: "file", multiple: true, accept: "image/*", class: "visually-hidden", id: "files",
    onchange: () => (addFiles(input.files), (input.value = "")) });
  return el("section", { class: "narrow" },
    el("h1", {}, "Upload"),
    el("div", { class: "chooser" },
      input,
      el("label", { for: "files" },
        el("span", { class: "big" }, "Choose photos"),
        el("span", { class: "hint" },
          `or drop them anywhere on this page: ${FORMATS}, up to ${MAX_SIZE} each.`))),
    start,
    rows);
}

/** Adds files to the list. The user starts the uploads. */
export function addFiles(files) {
  const room = Math.max(0, MAX_FILES - rows.querySelectorAll("[data-state=chosen]").length);
  if (files.length > room) announce(`You can upload ${MAX_FILES} photos at a time: only the first ${room} were added.`);
  rows.prepend(...[...files].slice(0, room).map((file) => new Row(file).element));
  countChosen();
}

/** True while there are uploads that leaving the page would interrupt. */
export function isUploading() {
  return running > 0 || waiting.length > 0;
}

function countChosen() {
  const count = rows.querySelectorAll("[data-state=chosen]").length;
  start.hidden = count === 0;
  start.textContent = count === 1 ? "Upload this photo" : `Upload these ${count} photos`;
}

function startAll() {
  for (const element of rows.querySelectorAll("[data-state=chosen]")) element.dispatchEvent(new Event("begin"));
  countChosen();
}

async function runWaiting() {
  while (running < AT_ONCE && waiting.length) {
    running += 1;
    waiting.shift().run().finally(() => {
      running -= 1;
      runWaiting();
    });
  }
}

/** One file's row: chosen → waiting → sending → processing → ready, failed or slow; or rejected at once. */
class Row {
  constructor(file) {
    this.file = file;
    this.preview = URL.createObjectURL(file);
    this.picture = el("div", { class: "picture" },
      el("img", { src: this.preview, alt: "", onerror: (event) => event.target.remove() }));
    this.caption = el("textarea", { maxlength: 2200, rows: 2 });
    this.captionField = field("Caption (optional)", this.caption);
    this.bar = el("progress", { max: file.size, value: 0, "aria-label": `${file.name}: sent`, hidden: true });
    this.note = el("p", { class: "state" });
    this.actions = el("div", { class: "row" });
    this.element = el("li", { onbegin: () => this.enqueue() },
      this.picture,
      el("div", { class: "about" },
        el("p", { class: "name" }, file.name), this.captionField, this.bar, this.note, this.actions));
    const problem = problemWith(file);
    if (problem) this.become("rejected", problem, this.button("Remove", () => this.remove()));
    else this.become("chosen", size(file.size), this.button("Remove", () => this.remove()));
  }

  become(state, text, ...actions) {
    this.element.dataset.state = state;
    this.note.textContent = text;
    this.actions.replaceChildren(...actions);
    this.captionField.hidden = state !== "chosen";
    this.bar.hidden = state !== "sending";
    if (state === "failed" || state === "rejected") notify(`${this.file.name}: ${text}`);
    countChosen();
  }

  button(text, onclick) {
    const attributes = { type: "button", class: "quiet small", "aria-label": `${text}: ${this.file.name}`, onclick };
    return el("button", attributes, text);
  }

  enqueue() {
    this.controller = new AbortController();
    this.become("waiting", "Waiting …", this.button("Cancel", () => this.cancel()));
    waiting.push(this);
    runWaiting();
  }

  async run() {
    const { signal } = this.controller;
    try {
      signal.throwIfAborted();
      this.become("sending", "Uploading …", this.button("Cancel", () => this.cancel()));
      const on = { onProgress: (bytes) => this.sent(bytes), onThrottled: (seconds) => this.throttled(seconds) };
      const photoId = await send(this.file, this.caption.value.trim(), on, signal);
      this.become("processing", "Processing …");
      this.finish(await waitUntilProcessed(photoId, (photo) => this.waits(photo), signal));
    } catch (error) {
      if (signal.aborted) return;
      const again = this.button("Try again", () => this.enqueue());
      this.become("failed", messageFor(error), again, this.button("Remove", () => this.remove()));
    }
  }

  sent(bytes) {
    this.bar.value = Math.min(bytes, this.file.size);
    const percent = Math.floor((100 * bytes) / this.file.size);
    this.note.textContent = percent < 100 ? `Uploading, ${percent} %` : "Finishing …";
  }

  throttled(seconds) {
    this.note.textContent = `Too many uploads at once: going on in ${about(seconds)} …`;
  }

  waits(photo) {
    if (photo.ready_in_s) this.note.textContent = `Processing, ready in ${about(photo.ready_in_s)} …`;
  }

  finish(photo) {
    if (photo.status === "ready") return this.ready(photo);
    const remove = this.button("Remove", () => this.remove());
    if (photo.status === "processing") {
      return this.become("slow", "Processing takes longer than usual. The photo will appear under “Mine”.", remove);
    }
    const reason = photo.reason?.detail ?? "no reason was given";
    this.become("failed", `The photo could not be processed: ${reason.replace(/[.]?$/, ".")} Choose another one.`, remove);
  }

  ready(photo) {
    this.become("ready", "Ready.", el("a", { href: `#/p/${photo.id}`, class: "button quiet small" }, "View photo"));
    this.picture.replaceChildren(image(photo, "8rem", { alt: "" }));
    URL.revokeObjectURL(this.preview);
    notify(`${this.file.name} is ready.`);
  }

  cancel() {
    this.controller.abort(new DOMException("cancelled", "AbortError"));
    if (waiting.includes(this)) waiting.splice(waiting.indexOf(this), 1);
    this.become("chosen", "Cancelled.", this.button("Remove", () => this.remove()));
  }

  remove() {
    URL.revokeObjectURL(this.preview);
    this.element.remove();
    countChosen();
    document.getElementById("files")?.focus();
  }
}

/** The upload view shows the text in the row, so there it is only read out; other views show a message. */
function notify(text) {
  (rows.isConnected ? readOut : announce)(text);
}

function size(bytes) {
  return bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1000))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
