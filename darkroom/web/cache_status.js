/* Reads Cache-Status (RFC 9211): which caches an image came through, and whether one had it. */

import { el } from "./dom.js";

/** [{name, hit, stored, fwd}], the cache nearest to us last. */
export function parse(header) {
  return split(header, ",").map((member) => {
    const [name, ...parameters] = split(member, ";");
    const said = Object.fromEntries(parameters.map((parameter) => {
      const [key, value = "true"] = parameter.split("=");
      return [key.trim().toLowerCase(), unquoted(value)];
    }));
    return { name: unquoted(name), hit: "hit" in said, stored: "stored" in said, fwd: said.fwd ?? "" };
  });
}

/** What the badge says: short, and a sentence. Null where no cache spoke. */
export function describe(header) {
  const caches = header ? parse(header) : [];
  const nearest = caches.at(-1);
  if (!nearest) return null;
  const edge = nearest.name;
  if (nearest.hit) return { hit: true, edge, text: "hit", sentence: "kept at this edge, and given from there" };
  const before = caches.at(-2);
  const from = before ? `fetched by way of ${before.name}` : "fetched from its home region";
  const kept = nearest.stored ? "and kept here for the next look" : "and not kept here";
  return { hit: false, edge, text: "miss", sentence: `${from}, ${kept}` };
}

/** A badge that fills itself once `image` has loaded. */
export function badge(image) {
  const place = el("p", { class: "badge", hidden: true });
  const fill = async () => {
    const said = describe(await headerOf(image.currentSrc));
    if (!said) return;
    place.replaceChildren(
      el("span", { class: said.hit ? "dot hit" : "dot" }),
      el("strong", {}, said.edge), ` ${said.text}`, el("span", { class: "hint" }, ` ${said.sentence}`));
    place.hidden = false;
  };
  image.addEventListener("load", fill, { once: true });
  return place;
}

/** The header of the answer that the image was made of: the browser's copy of it where it kept one. */
async function headerOf(url) {
  const leaving = new AbortController();
  try {
    const response = await fetch(url, { cache: "force-cache", signal: leaving.signal });
    return response.headers.get("Cache-Status");
  } catch {
    return null;
  } finally {
    leaving.abort();
  }
}

function split(text, separator) {
  const parts = text.match(separator === "," ? /(?:"(?:[^"\\]|\\.)*"|[^,"])+/g : /(?:"(?:[^"\\]|\\.)*"|[^;"])+/g) ?? [];
  return parts.map((part) => part.trim()).filter(Boolean);
}

function unquoted(text) {
  return text.trim().replace(/^"(.*)"$/s, "$1").replace(/\\(.)/g, "$1");
}
