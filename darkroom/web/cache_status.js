/* Parses Cache-Status (RFC 9211): through which caches an image came, and whether one of them had it. */

import { el } from "./dom.js";

/** [{name, hit, stored, fwd}]; the cache nearest to the browser is the last. */
export function parse(header) {
  return split(header, ",").map((member) => {
    const [name, ...parameters] = split(member, ";");
    const values = Object.fromEntries(parameters.map((parameter) => {
      const [key, value = "true"] = parameter.split("=");
      return [key.trim().toLowerCase(), unquoted(value)];
    }));
    return { name: unquoted(name), hit: "hit" in values, stored: "stored" in values, fwd: values.fwd ?? "" };
  });
}

/** The badge's content: a short text and a sentence. Null if the header is missing. */
export function describe(header) {
  const caches = header ? parse(header) : [];
  const nearest = caches.at(-1);
  if (!nearest) return null;
  const edge = nearest.name;
  if (nearest.hit) return { hit: true, edge, text: "hit", sentence: "served from this edge's cache" };
  const before = caches.at(-2);
  const from = before ? `fetched through ${before.name}` : "fetched from its home region";
  const cached = nearest.stored ? "and cached here for the next time" : "and not cached here";
  return { hit: false, edge, text: "miss", sentence: `${from}, ${cached}` };
}

/** A badge that appears once `image` has loaded. */
export function badge(image) {
  const element = el("p", { class: "badge", hidden: true });
  const fill = async () => {
    const status = describe(await headerOf(image.currentSrc));
    if (!status) return;
    element.replaceChildren(
      el("span", { class: status.hit ? "dot hit" : "dot" }),
      el("strong", {}, status.edge), ` ${status.text}`, el("span", { class: "hint" }, ` ${status.sentence}`));
    element.hidden = false;
  };
  image.addEventListener("load", fill, { once: true });
  return element;
}

/** The header of the response with the image. `force-cache` reads it from the browser's cache if possible. */
async function headerOf(url) {
  const controller = new AbortController();
  try {
    const response = await fetch(url, { cache: "force-cache", signal: controller.signal });
    return response.headers.get("Cache-Status");
  } catch {
    return null;
  } finally {
    controller.abort();
  }
}

function split(text, separator) {
  const parts = text.match(separator === "," ? /(?:"(?:[^"\\]|\\.)*"|[^,"])+/g : /(?:"(?:[^"\\]|\\.)*"|[^;"])+/g) ?? [];
  return parts.map((part) => part.trim()).filter(Boolean);
}

function unquoted(text) {
  return text.trim().replace(/^"(.*)"$/s, "$1").replace(/\\(.)/g, "$1");
}
