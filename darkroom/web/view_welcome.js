/* The door: signing up, and coming back with a key. */

import * as api from "./api.js";
import { countrySelect } from "./countries.js";
import { busy, el, field } from "./dom.js";
import { told } from "./problems.js";
import { idInToken, session, signIn } from "./session.js";

/** `invitedBy` is the id of whoever's link led here, or null; `next` is where to go afterwards. */
export async function welcomeView(invitedBy, next) {
  const inviter = invitedBy && await api.nameOf(invitedBy);
  const view = el("section", { class: "door" });
  view.append(
    el("div", { class: "pitch" },
      el("h1", {}, inviter ? `${inviter} shares photos here` : "Every photo has a home"),
      el("p", {}, inviter
        ? "Sign up, and follow."
        : "Share with people anywhere. Where the originals may lie is a rule that you can read, and that is kept.")),
    el("div", { class: "card" }, signUpForm((person) => view.replaceChildren(settled(person, next))), keyForm(next)));
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
    }, (error) => (problem.textContent = told(error)));
  };
  return el("form", { onsubmit: submit },
    field("Name", name, "As others see it."),
    field("Country", country, "It decides, once and for all, in which region your photos live."),
    button, problem);
}

/** Says where the photos will live. */
function settled(person, next) {
  const view = el("div", { class: "settled" },
    el("p", { class: "lamp large", "aria-hidden": "true" }),
    el("h1", { tabindex: "-1" }, `Welcome, ${person.name}`),
    el("p", { class: "big" }, "Your photos will live in ", el("strong", {}, person.home_region), "."),
    el("p", { class: "hint" },
      "The key to your account is kept in this browser only. Under “Mine” you can copy it for another one."),
    el("div", { class: "row middle" },
      el("a", { class: "button", href: next }, next === "#/feed" ? "To your feed" : "Go on"),
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
    }, (error) => (problem.textContent = told(error)));
  };
  return el("details", {},
    el("summary", {}, "I have a key already"),
    el("form", { class: "line", onsubmit: submit }, field("Your key", key), button, problem));
}

async function enter(token) {
  const id = idInToken(token);
  if (!id) throw new api.Problem(401, { detail: "this is not a key; it begins with eyJ and has two dots" });
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
