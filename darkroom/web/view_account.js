/* The user's account: where they are signed in, recovery codes, the passphrase, and the end of the account. */

import * as api from "./api.js";
import { announce, busy, confirmed, el, field, when } from "./dom.js";
import { messageFor } from "./problems.js";
import { session, signOut } from "./session.js";
import { passphraseInput, recoveryCodes } from "./view_welcome.js";

export async function accountView() {
  const me = session();
  const list = el("ul", { class: "people", "aria-label": "Sessions" });
  await fill(list);
  const others = el("button", { type: "button", class: "quiet", onclick: () => end(others, list, api.endOtherSessions) },
    "End all others");
  return el("section", { class: "narrow" },
    el("h1", {}, "Your account"),
    el("p", {}, "You sign in as ", el("strong", {}, me.handle), "."),
    el("h2", {}, "Where you are signed in"), list, others,
    el("h2", {}, "Recovery codes"),
    form("Make new codes", [], async (passphrase) =>
      recoveryCodes((await api.newRecoveryCodes(passphrase)).recovery_codes)),
    el("h2", {}, "Passphrase"),
    form("Change it", [field("New passphrase", passphraseInput("new-password"))], async (passphrase, changed) => {
      await api.changePassphrase(passphrase, changed);
      await fill(list);
      return el("p", { role: "status" }, "You have a new passphrase. All other sessions have ended.");
    }),
    el("h2", {}, "Delete the account"),
    el("p", { class: "hint" }, "Your photos, likes and comments are erased. Nobody can undo this, and nobody gets your handle."),
    form("Delete my account", [], deleteAccount, "danger"));
}

/** Where the user leaves this browser. */
export async function confirmSignOut() {
  const { handle } = session();
  const agreed = await confirmed(
    "Sign out of this browser?", `You can sign in again as ${handle}, with your passphrase.`, "Sign out");
  if (!agreed) return;
  try {
    await api.endSession(session().session);
    announce("You are signed out.");
  } catch (error) {
    announce(`You are signed out here. ${messageFor(error)}`);
  }
  signOut();
  location.hash = "#/welcome";
}

async function fill(list) {
  const { items } = await api.sessions();
  list.replaceChildren(...items.map((one) => row(one, list)));
}

function row(one, list) {
  const label = `${one.label || "Without a name"}${one.is_script ? ` (script: ${one.scope.join(", ")})` : ""}`;
  const button = el("button", { type: "button", class: "quiet small", "aria-label": `End ${label}` }, "End");
  button.addEventListener("click", () => end(button, list, () => api.endSession(one.id)));
  return el("li", {},
    el("span", {}, label, " · ", when(one.used_at), one.ends_at ? [" · until ", when(one.ends_at)] : ""),
    one.is_current ? el("span", { class: "hint" }, "this browser") : button);
}

function end(button, list, work) {
  busy(button, async () => {
    await work();
    await fill(list);
    announce("Ended. It is refused everywhere within seconds.");
  }, (error) => announce(messageFor(error)));
}

/** A form that asks for the passphrase anew. `work(passphrase, …values)` returns what is shown instead of it. */
function form(label, fields, work, kind = "quiet") {
  const passphrase = passphraseInput("current-password");
  const button = el("button", { class: kind }, label);
  const problem = el("p", { class: "problem", role: "alert" });
  const made = el("form", {
    onsubmit: (event) => {
      event.preventDefault();
      problem.textContent = "";
      const values = fields.map((one) => one.querySelector("input").value);
      busy(button, async () => {
        const shown = await work(passphrase.value, ...values);
        if (shown) made.replaceWith(shown);
      }, (error) => (problem.textContent = messageFor(error)));
    },
  }, field(`Your passphrase, to ${label[0].toLowerCase()}${label.slice(1)}`, passphrase), ...fields, button, problem);
  return made;
}

async function deleteAccount(passphrase) {
  const agreed = await confirmed("Delete your account?", "This can't be undone.", "Delete it");
  if (!agreed) return null;
  await api.deleteAccount(passphrase);
  signOut();
  announce("Your account is deleted.");
  location.hash = "#/welcome";
  return null;
}
