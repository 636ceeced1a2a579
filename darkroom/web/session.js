/* The user who is signed in: {id, handle, name, home_region, session, refresh_token, pending_key}.

It is stored in this browser only, and shared by its tabs. Access tokens are not: they stay in the memory of a tab. */

const KEY = "darkroom";
let current = read();

export function session() {
  return current;
}

export function signIn(person) {
  current = person;
  write(person && JSON.stringify(person));
}

export function signOut() {
  signIn(null);
}

/** Reads again what another tab may have changed. Returns the session. */
export function reload() {
  const stored = read();
  if (stored && stored.id === current?.id) current = stored;
  return current;
}

/** The user id in a link or a text, or null if there is none. */
export function idIn(text) {
  return text.match(/(?<![0-9A-Za-z])u_[0-9A-Za-z]{11}(?![0-9A-Za-z])/)?.[0] ?? null;
}

function read() {
  try {
    const person = JSON.parse(localStorage.getItem(KEY));
    return person?.id && person?.refresh_token ? person : null;
  } catch {
    return null;
  }
}

function write(text) {
  try {
    if (!text) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, text);
  } catch {
    // The browser allows no storage: the user stays signed in until they leave the page.
  }
}
