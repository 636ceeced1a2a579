/* Creates elements, announces messages, and asks for confirmation. Users' text only ever becomes text nodes. */

/** An element. Attributes `on…` that are functions become listeners; those that are false or null are left out. */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value == null) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child != null && child !== false));
  return element;
}

/** Announces a text to screen readers only. */
export function readOut(text) {
  document.getElementById("announcements").textContent = text;
}

/** Shows a message for a few seconds, and announces it to screen readers. */
export function announce(text) {
  readOut(text);
  const toast = el("p", { class: "toast" }, text);
  document.getElementById("toasts").replaceChildren(toast);
  setTimeout(() => toast.remove(), 5000);
}

/** Asks for confirmation; resolves to true if the user agrees. `extra` is shown above the buttons. */
export function confirmed(question, detail, yes, extra = null) {
  return new Promise((resolve) => {
    const dialog = el(
      "dialog",
      {
        "aria-labelledby": "question",
        onclose: () => {
          dialog.remove();
          resolve(dialog.returnValue === "yes");
        },
      },
      el("form", { method: "dialog" },
        el("h2", { id: "question" }, question),
        el("p", {}, detail),
        extra,
        el("div", { class: "row end" },
          el("button", { value: "no", class: "quiet", autofocus: true }, "Cancel"),
          el("button", { value: "yes", class: "danger" }, yes))),
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** A field with its label. */
export function field(label, input, hint = null) {
  const id = `f-${crypto.getRandomValues(new Uint32Array(1))[0].toString(36)}`;
  input.id = id;
  if (hint) input.setAttribute("aria-describedby", `${id}-hint`);
  return el("div", { class: "field" },
    el("label", { for: id }, label),
    input,
    hint && el("p", { id: `${id}-hint`, class: "hint" }, hint));
}

export function copyButton(label, text) {
  return el("button", {
    type: "button",
    class: "quiet",
    onclick: async () => {
      try {
        await navigator.clipboard.writeText(text);
        announce("Copied.");
      } catch {
        announce("Your browser did not allow copying. Select the text and copy it yourself.");
      }
    },
  }, label);
}

/** Runs `work`; until it ends, the button can't be pressed again. Passes an error to `failed`. */
export async function busy(button, work, failed) {
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  try {
    await work();
  } catch (error) {
    failed(error);
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

export function when(rfc3339) {
  const at = new Date(rfc3339);
  const format = { dateStyle: "medium", timeStyle: "short" };
  return el("time", { datetime: rfc3339 }, Number.isNaN(at.getTime()) ? rfc3339 : at.toLocaleString(undefined, format));
}

/** An estimate in words: `about 20 seconds`. */
export function about(seconds) {
  if (seconds < 100) return `about ${seconds} ${seconds === 1 ? "second" : "seconds"}`;
  return `about ${Math.round(seconds / 60)} minutes`;
}
