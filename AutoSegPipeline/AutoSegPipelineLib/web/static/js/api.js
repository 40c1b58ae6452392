// The one place that speaks HTTP with the server. Addresses are relative to where the page is served.

const page = document.documentElement.dataset;
export const base = page.base || "";
export const role = page.role || "viewer";
export const csrf = page.csrf || "";
export const via = page.via || "";
export const userName = page.name || "";
const RANK = { viewer: 0, operator: 1, admin: 2 };

export function mayDo(wanted) {
  return (RANK[role] ?? -1) >= RANK[wanted];
}

/** What went wrong, in the server's words: `message`, `hint`, `code`, `status` (0: no answer came). */
export class Problem extends Error {
  constructor(status, message, code = "", hint = "") {
    super(message);
    this.status = status;
    this.code = code;
    this.hint = hint;
  }
}

export function address(path) {
  return `${base}/${path}`;
}

export function headers(more = {}) {
  return csrf ? { "X-CSRF-Token": csrf, ...more } : more;
}

/** To the login page, which comes back to this page, its query and its fragment. */
export function logInAgain() {
  const next = encodeURIComponent(location.pathname + location.search);
  location.assign(`${address("login")}?next=${next}${location.hash}`);
}

/** The problem of a failed answer. */
export async function problemOf(response) {
  let told = {};
  try {
    told = await response.json();
  } catch {
    told = {};
  }
  const detail = told.detail || told.title || `The server answered ${response.status}.`;
  return new Problem(response.status, detail, told.code, told.hint);
}

/** Ask the server; JSON in, the response out. Throws Problem. */
export async function ask(method, path, body, signal) {
  const init = { method, signal, credentials: "same-origin", cache: "no-store", headers: { Accept: "application/json" } };
  if (method !== "GET") init.headers = headers(init.headers);
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers["Content-Type"] = "application/json";
  }
  let response;
  try {
    response = await fetch(address(path), init);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "The server does not answer.", "", "Is it still running? Your work is kept; try again.");
  }
  if (response.status === 401) {
    logInAgain();
  }
  if (!response.ok) throw await problemOf(response);
  return response;
}

export async function getJson(path, signal) {
  return (await ask("GET", path, undefined, signal)).json();
}

export function part(text) {
  return encodeURIComponent(text);
}
