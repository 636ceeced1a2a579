/* The API of the edge that served this page, and of the user's home. Every failed request throws a Problem. */

import { Problem, repeated, send } from "./http.js";
import { session, signIn } from "./session.js";
import { atHome, forget, homeOf, keep, randomKey, tokenFor } from "./tokens.js";

export { backoffMs, pause, Problem } from "./http.js";

const LABEL = "Web page";

/** A `repeatable` request is sent again if a server is unavailable; a POST then has a key, so that it counts once. */
export function call(method, path, { body, signal, repeatable = method !== "POST" } = {}) {
  const headers = repeatable && method === "POST" ? { "Idempotency-Key": randomKey() } : {};
  const once = () => callOnce(method, path, { body, signal, headers });
  return repeatable ? repeated(once, signal) : once();
}

async function callOnce(method, path, options) {
  const token = await tokenFor(method, path);
  try {
    return await send(method, path, { ...options, token });
  } catch (error) {
    if (error.status !== 401 || !token) throw error;
  }
  // Nothing was done: the token had run out, perhaps because this computer slept.
  forget();
  return send(method, path, { ...options, token: await tokenFor(method, path) });
}

/** A passphrase goes to the home's own edge and to no other. */
async function begin(query, path, body) {
  const home = await homeOf(query);
  const answer = await send("POST", home.url + path, { body: { ...body, label: LABEL } });
  forget();
  keep(answer);
  return answer;
}

function stored({ id, handle, home_region, session, refresh_token }, name) {
  return { id, handle, home_region, session, refresh_token, name };
}

/** Returns the answer, with the recovery codes that are shown this once. */
export async function signUp(name, country, handle, passphrase) {
  const answer = await begin({ country }, "/v1/users", { name, country, handle, passphrase });
  signIn(stored(answer, name));
  return answer;
}

export async function signInAs(handle, passphrase) {
  await enter(await begin({ region: regionOf(handle) }, "/v1/sessions", { handle, passphrase }));
}

export async function recover(handle, recovery_code, new_passphrase) {
  const body = { handle, recovery_code, new_passphrase };
  await enter(await begin({ region: regionOf(handle) }, "/v1/sessions/recovery", body));
}

async function enter(answer) {
  signIn(stored(answer, answer.handle));
  signIn(stored(answer, (await user(answer.id)).name));
}

function regionOf(handle) {
  const region = handle.split("@")[1];
  if (!region) throw new Problem(400, { detail: "write your handle with its region, such as ana@eu-west" });
  return region;
}

const path = (...parts) => `/v1/${parts.map(encodeURIComponent).join("/")}`;
const list = (of, before, limit) => `${of}?${new URLSearchParams({ limit, ...(before ? { before } : {}) })}`;

export const user = (id, signal) => call("GET", path("users", id), { signal });
export const photosOf = (id, before, signal) => call("GET", list(path("users", id, "photos"), before, 30), { signal });
export const feed = (id, before, signal) => call("GET", list(path("users", id, "feed"), before, 30), { signal });
export const following = (id, before, signal) =>
  call("GET", list(path("users", id, "following"), before, 100), { signal });
export const follow = (me, id) => call("PUT", path("users", me, "following", id));
export const unfollow = (me, id) => call("DELETE", path("users", me, "following", id));
export const photo = (id, signal) => call("GET", path("photos", id), { signal });
export const deletePhoto = (id) => call("DELETE", path("photos", id));
export const like = (id) => call("PUT", path("photos", id, "like"));
export const unlike = (id) => call("DELETE", path("photos", id, "like"));
export const likes = (id, signal) => call("GET", list(path("photos", id, "likes"), null, 100), { signal });
export const comments = (id, before, signal) =>
  call("GET", list(path("photos", id, "comments"), before, 30), { signal });
export const addComment = (id, text) => call("POST", path("photos", id, "comments"), { body: { text }, repeatable: true });
// If this is sent twice, it creates a second upload, which nobody continues and which expires.
export const beginUpload = (body, signal) => call("POST", "/v1/uploads/init", { body, signal, repeatable: true });
export const getUpload = (id, signal) => call("GET", path("uploads", id), { signal });
export const completeUpload = (id, parts, signal) =>
  call("POST", path("uploads", id, "complete"), { body: { parts }, signal, repeatable: true });
export const abortUpload = (id) => call("DELETE", path("uploads", id));

const mine = (...parts) => path("users", session().id, ...parts);

export const sessions = () => atHome("GET", mine("sessions"));
export const endSession = (id) => atHome("DELETE", mine("sessions", id));
export const endOtherSessions = () => atHome("DELETE", mine("sessions"));

/** A change of the account, for which the passphrase is given anew. */
async function confirmed(passphrase, method, what, body) {
  const { token } = await atHome("POST", mine("confirmation"), { body: { passphrase } });
  return atHome(method, mine(...what), { body, token });
}
export const newRecoveryCodes = (passphrase) => confirmed(passphrase, "POST", ["recovery-codes"]);
export const changePassphrase = (passphrase, changed) =>
  confirmed(passphrase, "PUT", ["passphrase"], { passphrase: changed });
export const deleteAccount = (passphrase) => confirmed(passphrase, "DELETE", []);

const names = new Map();

/** A user's name, requested only once; the id if the request fails. */
export function nameOf(id) {
  if (session()?.id === id) return Promise.resolve(session().name);
  if (names.size > 500) names.clear();
  if (!names.has(id)) {
    names.set(id, user(id).then((person) => person.name, () => (names.delete(id), id)));
  }
  return names.get(id);
}
