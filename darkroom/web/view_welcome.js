/* The welcome view: signing up, and signing in with a key. */

import * as api from "./api.js";
import { countrySelect } from "./countries.js";
import { busy, el, field } from "./dom.js";
import { messageFor } from "./problems.js";
import { idInToken, session, signIn } from "./session.js";

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
    el("div", { class: "card" }, signUpForm((person) => view.replaceChildren(welcome(person, next))), keyForm(next)));
  return view;
}

function signUpForm(done) {
  const name = el("input", { required: true, maxlength: 80, name: "name", autocomplete: "nickname" });
  const country = countrySelect();
  const button = el("button", { class: "wide" }, "Sign up");
  const problem = el("p", { class: "problem", role: "alert" });
  const submit = (event) => {
    event.preventDefault();
    problem.textContent = "";
    busy(button, async () => {
      const made = await api.signUp(name.value, country.value);
      const person = { ...made, name: name.value.trim() };
      signIn(person);
      done(person);
    }, (error) => (problem.textContent = messageFor(error)));
  };
  return el("form", { onsubmit: submit },
    field("Name", name, "Other people see this name."),
    field("Country", country, "It decides in which region your photos are stored. You can't change it later."),
    button, problem);
}

/** Shows where the photos will be stored. */
function welcome(person, next) {
  const view = el("div", { class: "welcomed" },
    el("p", { class: "lamp large", "aria-hidden": "true" }),
    el("h1", { tabindex: "-1" }, `Welcome, ${person.name}`),
    el("p", { class: "big" }, "Your photos will be stored in ", el("strong", {}, person.home_region), "."),
    el("p", { class: "hint" },
      "The key to your account is stored only in this browser. Copy it under “Mine” to use it in another one."),
    el("div", { class: "row middle" },
      el("a", { class: "button", href: next }, next === "#/feed" ? "Go to your feed" : "Continue"),
      el("a", { class: "button quiet", href: "#/upload" }, "Upload a photo")));
  requestAnimationFrame(() => view.querySelector("h1").focus());
  document.dispatchEvent(new Event("session"));
  return view;
}

function keyForm(next) {
  const key = el("input", { required: true, type: "password", autocomplete: "current-password" });
  const button = el("button", { class: "quiet" }, "Sign in");
  const problem = el("p", { class: "problem", role: "alert" });
  const submit = (event) => {
    event.preventDefault();
    problem.textContent = "";
    busy(button, async () => {
      await enter(key.value.trim());
      document.dispatchEvent(new Event("session"));
      location.hash = next;
    }, (error) => (problem.textContent = messageFor(error)));
  };
  return el("details", {},
    el("summary", {}, "I already have a key"),
    el("form", { class: "line", onsubmit: submit }, field("Your key", key), button, problem));
}

/** Signs in with a key. Throws a Problem if it is not valid; then the session is as before. */
export async function enter(token) {
  const id = idInToken(token);
  if (!id) throw new api.Problem(401, { detail: "this is not a key: a key begins with eyJ and has two dots" });
  const before = session();
  signIn({ id, token, name: id });
  try {
    await api.following(id, null);
    const person = await api.user(id);
    signIn({ id, token, name: person.name, home_region: person.home_region });
  } catch (error) {
    signIn(before);
    throw error;
  }
}
