/* The welcome view: signing up, signing in, and recovery. */

import * as api from "./api.js";
import { countrySelect } from "./countries.js";
import { busy, copyButton, el, field } from "./dom.js";
import { messageFor } from "./problems.js";

/** `invitedBy` is the id of the user whose link was opened, or null; `next` is the address to show afterwards. */
export async function welcomeView(invitedBy, next) {
  const inviter = invitedBy && await api.nameOf(invitedBy);
  const view = el("section", { class: "welcome" });
  view.append(
    el("div", { class: "pitch" },
      el("h1", {}, inviter ? `${inviter} shares photos here` : "Every photo has a home"),
      el("p", {}, inviter
        ? "Sign up to follow them."
        : "Share photos with people anywhere. A rule that you can read decides where the originals are stored.")),
    el("div", { class: "card" },
      signUpForm((name, made) => view.replaceChildren(welcome(name, made, next))), signInForm(next)));
  return view;
}

function signUpForm(done) {
  const name = el("input", { required: true, maxlength: 80, name: "name", autocomplete: "nickname" });
  const handle = el("input", {
    required: true, minlength: 2, maxlength: 30, pattern: "[a-z0-9_]{2,30}", name: "handle", autocomplete: "username",
    autocapitalize: "none", spellcheck: "false", title: "2 to 30 small letters, digits and _",
  });
  const passphrase = passphraseInput("new-password");
  const country = countrySelect();
  const button = el("button", { class: "wide" }, "Sign up");
  const problem = el("p", { class: "problem", role: "alert" });
  let chosen = false;
  handle.addEventListener("input", () => (chosen = handle.value !== ""));
  name.addEventListener("input", () => chosen || (handle.value = proposed(name.value)));
  const submit = (event) => {
    event.preventDefault();
    problem.textContent = "";
    busy(button, async () => {
      const made = await api.signUp(name.value.trim(), country.value, handle.value, passphrase.value);
      done(name.value.trim(), made);
    }, (error) => (problem.textContent = messageFor(error)));
  };
  return el("form", { onsubmit: submit },
    field("Name", name, "Other people see this name."),
    field("Handle", handle, "You sign in with it. Small letters, digits and _."),
    field("Passphrase", passphrase, "At least 10 characters, such as four words."),
    field("Country", country, "It decides in which region your photos are stored. You can't change it later."),
    button, problem);
}

/** A handle for a name: `ana_sofia` for `Ana Sofía`. */
export function proposed(name) {
  const plain = name.normalize("NFKD").replace(/[^\x00-\x7f]/g, "").toLowerCase();
  return plain.replace(/[^a-z0-9]+/g, "_").replace(/^_+|_+$/g, "").slice(0, 24);
}

/** Shows where the photos will be stored, and the recovery codes, which are shown nowhere else. */
function welcome(name, made, next) {
  const view = el("div", { class: "welcomed" },
    el("p", { class: "lamp large", "aria-hidden": "true" }),
    el("h1", { tabindex: "-1" }, `Welcome, ${name}`),
    el("p", { class: "big" }, "Your photos will be stored in ", el("strong", {}, made.home_region), "."),
    el("p", {}, "You sign in as ", el("strong", {}, made.handle), "."),
    recoveryCodes(made.recovery_codes),
    el("div", { class: "row middle" },
      el("a", { class: "button", href: next }, next === "#/feed" ? "Go to your feed" : "Continue"),
      el("a", { class: "button quiet", href: "#/upload" }, "Upload a photo")));
  requestAnimationFrame(() => view.querySelector("h1").focus());
  document.dispatchEvent(new Event("session"));
  return view;
}

export function recoveryCodes(codes) {
  return el("section", { class: "codes", "aria-label": "Recovery codes" },
    el("p", {}, "Keep these recovery codes. They are shown this once. Each sets a new passphrase, should you forget yours."),
    el("ol", {}, codes.map((code) => el("li", {}, el("code", {}, code)))),
    copyButton("Copy the codes", codes.join("\n")));
}

function signInForm(next) {
  const handle = el("input", {
    required: true, autocomplete: "username", autocapitalize: "none", spellcheck: "false", placeholder: "ana@eu-west",
  });
  const passphrase = passphraseInput("current-password");
  const code = el("input", { autocomplete: "off", autocapitalize: "none", spellcheck: "false" });
  const button = el("button", { class: "quiet" }, "Sign in");
  const problem = el("p", { class: "problem", role: "alert" });
  const submit = (event) => {
    event.preventDefault();
    problem.textContent = "";
    busy(button, async () => {
      const [who, secret] = [handle.value.trim(), passphrase.value];
      await (code.value.trim() ? api.recover(who, code.value.trim(), secret) : api.signInAs(who, secret));
      document.dispatchEvent(new Event("session"));
      location.hash = next;
    }, (error) => (problem.textContent = messageFor(error)));
  };
  return el("details", {},
    el("summary", {}, "I already have an account"),
    el("form", { onsubmit: submit },
      field("Your handle", handle, "With its region, as it was shown when you signed up."),
      field("Your passphrase", passphrase),
      el("details", {},
        el("summary", {}, "I forgot it"),
        field("Recovery code", code, "Then what you write above becomes your new passphrase, and all other sessions end.")),
      button, problem));
}

export function passphraseInput(autocomplete) {
  const least = autocomplete === "new-password" ? { minlength: 10 } : {};
  return el("input", { required: true, type: "password", maxlength: 256, autocomplete, ...least });
}
