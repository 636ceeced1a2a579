/* Access tokens: one for each region that the page meets, in memory, renewed by the home's own edge (its shield).

A refresh token is good once, and one that is used twice ends the session. So tabs take turns, and each refresh has a
key that is stored first: a tab that dies, or loses the answer, sends the same request again, and gets the same answer. */

import { Problem, repeated, send } from "./http.js";
import { reload, session, signIn, signOut } from "./session.js";

const RENEW_BEFORE_MS = 60_000;
const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const LOCK = "darkroom refresh";
const tokens = new Map();
let homes = null;
let turn = Promise.resolve();

/** Keeps what a sign-in or a refresh has answered. */
export function keep(answer) {
  const until = Date.now() + answer.expires_in_s * 1000 - RENEW_BEFORE_MS;
  for (const [region, token] of Object.entries(answer.tokens)) tokens.set(region, { token, until });
}

/** After signing out, or when the server refuses one. */
export function forget() {
  tokens.clear();
}

/** The access token for a request to this page's edge; null for what everybody may read in another region. */
export async function tokenFor(method, path) {
  const me = session();
  if (!me) return null;
  const id = path.split("?")[0].split("/").find((segment) => /^[puc]_[0-9A-Za-z]{11}$/.test(segment));
  const number = id ? regionNumber(id) : regionNumber(me.id);
  if (number === regionNumber(me.id)) return token(me.home_region);
  if (method === "GET") return null;
  const region = (await allHomes()).find((home) => home.number === number)?.region;
  return region ? token(region) : null;
}

/** A request about the user's own account, by their home's edge. `token` replaces the usual one. */
export async function atHome(method, path, { body, token: other } = {}) {
  const home = await homeOf({ region: session().home_region });
  return send(method, home.url + path, { body, token: other ?? (await token(session().home_region)) });
}

/** {region, number, url} of the home of people from a `country`, or of a `region` by name. */
export function homeOf(query) {
  return repeated(() => send("GET", `/v1/homes?${new URLSearchParams(query)}`));
}

/** By the first 47 of 63 bits of an id: 41 of time, and 6 of its region. */
export function regionNumber(id) {
  let number = 0n;
  for (const digit of id.slice(2)) number = number * 62n + BigInt(DIGITS.indexOf(digit));
  return Number((number >> 16n) & 63n);
}

function allHomes() {
  homes ??= repeated(() => send("GET", "/v1/homes")).then((page) => page.items, (error) => {
    homes = null;
    throw error;
  });
  return homes;
}

async function token(region) {
  const usable = () => tokens.get(region)?.until > Date.now() && tokens.get(region).token;
  return usable() || inTurn(async () => usable() || refresh(region));
}

async function refresh(region) {
  const me = reload();
  if (!me) throw new Problem(401, { detail: "you are signed out" });
  if (!me.pending_key) signIn({ ...me, pending_key: randomKey() });
  const { refresh_token, pending_key } = session();
  const home = await homeOf({ region: me.home_region });
  const body = { refresh_token, regions: [...new Set([region, ...tokens.keys()])] };
  const headers = { "Idempotency-Key": pending_key };
  try {
    const answer = await repeated(() => send("POST", `${home.url}/v1/sessions/refresh`, { body, headers }));
    signIn({ ...session(), refresh_token: answer.refresh_token, pending_key: null });
    keep(answer);
    return answer.tokens[region];
  } catch (error) {
    if (error.status === 401) signOut();
    throw error;
  }
}

/** One after the other, also among the tabs of this browser where it can do that. */
function inTurn(work) {
  if (navigator.locks) return navigator.locks.request(LOCK, work);
  const mine = turn.then(work, work);
  turn = mine.catch(() => {});
  return mine;
}

export function randomKey() {
  return [...crypto.getRandomValues(new Uint8Array(24))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
