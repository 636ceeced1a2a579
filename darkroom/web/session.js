/* The user who is signed in: {id, token, name, home_region}. It is stored only in this browser. */

const KEY = "darkroom";
let current = read();

export function session() {
  return current;
}

export function signIn(person) {
  current = person;
  write(JSON.stringify(person));
}

export function signOut() {
  current = null;
  write(null);
}

/** The user id in a key (only a server can verify it), or null if the text is not a key. */
export function idInToken(token) {
  try {
    const payload = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const { sub } = JSON.parse(atob(payload));
    return idIn(String(sub));
  } catch {
    return null;
  }
}

/** The user id in a link or a text, or null if there is none. */
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
    // The browser allows no storage: the user stays signed in until they leave the page.
  }
}
