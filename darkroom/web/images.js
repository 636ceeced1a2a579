/* How photos are shown: an image in all its sizes, and a grid of photos with a button for older ones. */

import { nameOf } from "./api.js";
import { announce, busy, el } from "./dom.js";
import { messageFor } from "./problems.js";

/** An `<img>` of the photo. It is loaded from the edge that served this page, whichever host the photo's URLs name. */
export function image(photo, sizes, attributes = {}) {
  const offered = widths(photo);
  const path = (size) => new URL(photo.variants[size], location.href).pathname;
  const shown = el("img", {
    src: path(offered.at(-1)[0]),
    srcset: offered.map(([size, width]) => `${path(size)} ${width}w`).join(", "),
    sizes,
    width: photo.width,
    height: photo.height,
    alt: photo.caption || "A photo without a caption",
    decoding: "async",
    ...attributes,
  });
  if (photo.placeholder) {
    shown.style.backgroundColor = averageColour(photo.placeholder);
    shown.addEventListener("load", () => (shown.style.backgroundColor = ""), { once: true });
  }
  return shown;
}

/** [size, width in pixels] of the useful variants. None is larger than the raw file, so larger sizes add nothing. */
function widths(photo) {
  const all = Object.keys(photo.variants).map(Number).sort((a, b) => a - b);
  const most = photo.width || Infinity;
  // A variant is at most four times as high as its size says (MAX_VARIANT_RATIO).
  const width = (size) => Math.round(Math.min(size, most, (4 * size * photo.width) / photo.height || size));
  const enough = all.findIndex((size) => width(size) >= most);
  return (enough < 0 ? all : all.slice(0, enough + 1)).map((size) => [size, width(size)]);
}

/** The average colour in a ThumbHash: 6 bits each of lightness, yellow-blue and red-green (evanw.github.io/thumbhash). */
function averageColour(placeholder) {
  const [low, middle, high] = atob(placeholder).slice(0, 3).split("").map((byte) => byte.charCodeAt(0));
  const bits = low | (middle << 8) | (high << 16);
  const l = (bits & 63) / 63;
  const p = ((bits >> 6) & 63) / 31.5 - 1;
  const q = ((bits >> 12) & 63) / 31.5 - 1;
  const b = l - (2 / 3) * p;
  const r = (3 * l - b + q) / 2;
  return `rgb(${[r, r - q, b].map((value) => Math.round(255 * Math.min(1, Math.max(0, value)))).join(" ")})`;
}

/** A grid with one page of photos, and a button for older ones. `more(before)` resolves to {items, next}. */
export function gallery(page, more, { owners = false } = {}) {
  const grid = el("ul", { class: "grid" });
  const older = el("button", { type: "button", class: "quiet older" }, "Older photos");
  let next = null;
  const add = ({ items, next: cursor }) => {
    grid.append(...items.map((photo) => tile(photo, owners)));
    next = cursor;
    older.hidden = !next;
  };
  older.addEventListener("click", () =>
    busy(older, async () => {
      const count = grid.childElementCount;
      add(await more(next));
      grid.children[count]?.querySelector("a").focus();
    }, (error) => announce(messageFor(error))));
  add(page);
  return el("div", {}, grid, older);
}

function tile(photo, owners) {
  const ratio = Math.min(2.4, Math.max(0.6, photo.width / photo.height || 1));
  const owner = el("span", { class: "owner" });
  if (owners) nameOf(photo.owner).then((name) => owner.append(name));
  const item = el("li", { class: "tile" },
    el("a", { href: `#/p/${photo.id}` },
      image(photo, `(max-width: 40rem) 60vw, ${Math.ceil(ratio * 18)}rem`, { loading: "lazy" }),
      el("span", { class: "label" }, el("span", {}, photo.caption), owners ? owner : null)));
  item.style.setProperty("--ratio", ratio);
  return item;
}
