// Asks for the password again where the server wants it, then does what was meant.
import { address, ask, Problem } from "../api.js";
import { open } from "../dialogs.js";
import { byId, el } from "../dom.js";

/** As `ask`; gives the password first where the login is not fresh. Null where it was not given. */
export async function askProved(method, path, body) {
  try {
    return await ask(method, path, body);
  } catch (error) {
    if (error.code !== "account.reauthenticate") throw error;
  }
  if (byId("main").dataset.provider !== undefined) {
    // Who has no password here shows again to the provider who it is, and then does this once more.
    location.assign(`${address("login/provider")}?again=true&next=${encodeURIComponent(location.pathname)}`);
    return null;
  }
  return (await prove()) ? ask(method, path, body) : null;
}

function prove() {
  return new Promise((resolve) => {
    const password = el("input", { type: "password", id: "proof-password", autocomplete: "current-password", required: true });
    const code = el("input", { type: "text", id: "proof-code", autocomplete: "one-time-code", inputmode: "numeric", spellcheck: "false" });
    const codeRow = el("div", { hidden: true }, el("label", { for: "proof-code", text: "Code of your authenticator app" }), code);
    const said = el("p", { class: "notice bad", role: "alert", hidden: true });
    let proved = false;
    const form = el("form", { class: "stack", id: "proof" },
      el("p", { text: "Before this is changed, show again that it is you." }),
      el("div", {}, el("label", { for: "proof-password", text: "Your password" }), password), codeRow, said);
    const yes = el("button", { type: "submit", class: "button primary", form: "proof", text: "Go on" });
    const no = el("button", { type: "button", class: "button", text: "Cancel", onclick: () => dialog.close() });
    const dialog = open("Your password, please", [form], [no, yes]);
    dialog.addEventListener("close", () => resolve(proved));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      yes.disabled = true;
      try {
        await ask("POST", "api/v1/account/proof", { password: password.value, code: code.value });
        proved = true;
        dialog.close();
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        codeRow.hidden = codeRow.hidden && !error.code.startsWith("account.code");
        said.textContent = `${error.message} ${error.hint ?? ""}`;
        said.hidden = false;
        (error.code.startsWith("account.code") ? code : password).focus();
      } finally {
        yes.disabled = false;
      }
    });
    password.focus();
  });
}
