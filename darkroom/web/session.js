/* Who is signed in here: {id, token, name, home_region}, kept in this browser only. */

const KEY = "darkroom";
let present = read();

export function session() {
  return present;
}

export function signIn(person) {
  present = person;
  write(JSON.stringify(person));
}

export function signOut() {
  present = null;
  write(null);
}

/** Whose key this is, as it says itself (a server checks it); null where it is no key at all. */
export function idInToken(token) {
  try {
    const payload = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const { sub } = JSON.parse(atob(payload));
    return idIn(String(sub));
  } catch {
    return null;
  }
}

/** The user id in a link or a text; null where there is none. */
export function idIn(text) {
  return text.match(/(?<![0-9A-Za-z])u_[0-9A-Za-z]{11}(?![0-9A-Za-z])/)?.[0] ?? null;
}

function read() {
  try {
    const person = JSON.parse(localStorage.getItem(KEY));
    return person?.id && person?.token ? person : null;
  } catch {
    return null;
  }
}

function write(text) {
  try {
    if (text === null) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, text);
  } catch {
    // A browser that keeps nothing for us: signed in until the page is left.
  }
}
