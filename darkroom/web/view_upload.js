/* The upload bench: choose or drop photos, give each a caption, see each go up and develop. */

import { announce, el, field, readOut } from "./dom.js";
import { image } from "./images.js";
import { told } from "./problems.js";
import { developed, objection, send } from "./upload.js";

const AT_ONCE = 2;
const MAX_FILES = 50;

/* The rows outlive the view, so that one may look at the feed while photos go up. */
const rows = el("ul", { class: "uploads", "aria-label": "Photos to upload" });
const start = el("button", { type: "button", class: "wide", hidden: true, onclick: startAll }, "Upload");
const waiting = [];
let running = 0;

export async function uploadView() {
  const input = el("input", { type: "file", multiple: true, accept: "image/*", class: "unseen", id: "files",
    onchange: () => (addFiles(input.files), (input.value = "")) });
  return el("section", { class: "narrow" },
    el("h1", {}, "Upload"),
    el("div", { class: "bench" },
      input,
      el("label", { for: "files" },
        el("span", { class: "big" }, "Choose photos"),
        el("span", { class: "hint" },
          "or drop them anywhere on this page. JPEG, PNG, WebP, HEIC or AVIF, up to 100 MB each."))),
    start,
    rows);
}

/** Puts files on the bench; from there the person starts them. */
export function addFiles(files) {
  const room = MAX_FILES - rows.querySelectorAll("[data-state=chosen]").length;
  if (files.length > room) announce(`${MAX_FILES} photos at a time; the first ${Math.max(0, room)} were taken.`);
  rows.prepend(...[...files].slice(0, Math.max(0, room)).map((file) => new Row(file).element));
  countChosen();
}

/** True while something is going up that leaving the page would lose. */
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

/** One file's row: chosen → waiting → sending → developing → ready, failed or slow; or refused from the start. */
class Row {
  constructor(file) {
    this.file = file;
    this.preview = URL.createObjectURL(file);
    this.picture = el("div", { class: "picture" },
      el("img", { src: this.preview, alt: "", onerror: (event) => event.target.remove() }));
    this.caption = el("textarea", { maxlength: 2200, rows: 2 });
    this.captionField = field("Caption (may be left out)", this.caption);
    this.bar = el("progress", { max: file.size, value: 0, "aria-label": `${file.name}: sent`, hidden: true });
    this.note = el("p", { class: "state" });
    this.actions = el("div", { class: "row" });
    this.element = el("li", { onbegin: () => this.enqueue() },
      this.picture,
      el("div", { class: "about" },
        el("p", { class: "name" }, file.name), this.captionField, this.bar, this.note, this.actions));
    const refusal = objection(file);
    if (refusal) this.become("refused", refusal, this.button("Remove", () => this.remove()));
    else this.become("chosen", size(file.size), this.button("Remove", () => this.remove()));
  }

  become(state, text, ...actions) {
    this.element.dataset.state = state;
    this.note.textContent = text;
    this.actions.replaceChildren(...actions);
    this.captionField.hidden = state !== "chosen";
    this.bar.hidden = state !== "sending";
    if (state === "failed" || state === "refused") tell(`${this.file.name}: ${text}`);
    countChosen();
  }

  button(text, onclick) {
    const attributes = { type: "button", class: "quiet small", "aria-label": `${text}: ${this.file.name}`, onclick };
    return el("button", attributes, text);
  }

  enqueue() {
    this.leaving = new AbortController();
    this.become("waiting", "Waiting its turn …", this.button("Cancel", () => this.cancel()));
    waiting.push(this);
    runWaiting();
  }

  async run() {
    const { signal } = this.leaving;
    try {
      signal.throwIfAborted();
      this.become("sending", "Going up …", this.button("Cancel", () => this.cancel()));
      const sent = (bytes) => this.sent(bytes);
      const photoId = await send(this.file, this.caption.value.trim(), sent, signal);
      this.become("developing", "Developing …");
      this.finish(await developed(photoId, signal));
    } catch (error) {
      if (signal.aborted) return;
      const again = this.button("Try again", () => this.enqueue());
      this.become("failed", told(error), again, this.button("Remove", () => this.remove()));
    }
  }

  sent(bytes) {
    this.bar.value = Math.min(bytes, this.file.size);
    const percent = Math.floor((100 * bytes) / this.file.size);
    this.note.textContent = percent < 100 ? `Going up, ${percent} %` : "All there, one moment …";
  }

  finish(photo) {
    if (photo.status === "ready") return this.ready(photo);
    const away = this.button("Remove", () => this.remove());
    if (photo.status === "processing") {
      return this.become("slow", "It is all there and takes longer than usual. It will hang under “Mine”.", away);
    }
    const reason = photo.reason?.detail ?? "No reason was given.";
    this.become("failed", `It did not come out: ${reason.replace(/[.]?$/, ".")} Choose another photo.`, away);
  }

  ready(photo) {
    this.become("ready", "Ready.", el("a", { href: `#/p/${photo.id}`, class: "button quiet small" }, "Look at it"));
    this.picture.replaceChildren(image(photo, "8rem", { alt: "" }));
    URL.revokeObjectURL(this.preview);
    tell(`${this.file.name} is ready.`);
  }

  cancel() {
    this.leaving.abort(new DOMException("cancelled", "AbortError"));
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

/** Whoever looks at the bench sees it; others get a note. */
function tell(text) {
  (rows.isConnected ? readOut : announce)(text);
}

function size(bytes) {
  return bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1000))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
