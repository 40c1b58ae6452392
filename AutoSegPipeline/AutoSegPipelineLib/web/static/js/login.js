// Logs in without leaving the page, so that a mistake is reported beside the fields.
import { address, problemOf } from "./api.js";
import { byId } from "./dom.js";

const form = byId("login");
const told = byId("login-problem");
const codeRow = byId("login-code-row");
codeRow.hidden = true; // until the server asks for it
// The fragment stays in the browser: the provider and the server never see it.
sessionStorage.setItem("autoseg fragment", location.hash);

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  told.hidden = true;
  const button = form.querySelector("button[type=submit]");
  button.disabled = true;
  try {
    const response = await fetch(form.action, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify({ name: form.elements.name.value, password: form.elements.password.value, code: form.elements.code.value }),
    });
    if (!response.ok) throw await problemOf(response);
    location.assign(safe(form.elements.next.value) + location.hash);
  } catch (error) {
    told.textContent = error.status === undefined ? "The server does not answer." : `${error.message} ${error.hint ?? ""}`;
    told.hidden = false;
    if (error.code?.startsWith("account.code")) {
      codeRow.hidden = false;
      form.elements.code.value = "";
      form.elements.code.focus();
    } else {
      form.elements.password.value = "";
      told.focus();
    }
  } finally {
    button.disabled = false;
  }
});

/** Only an address of this page's own server and path. */
function safe(next) {
  const home = `${address("")}`;
  try {
    const url = new URL(next || home, location.origin);
    return url.origin === location.origin && url.pathname.startsWith(home) ? url.href : home;
  } catch {
    return home;
  }
}
