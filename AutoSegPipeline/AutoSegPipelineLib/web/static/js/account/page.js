// One's own account: password, second factor, logins, tokens.
import { address, ask, getJson, part } from "../api.js";
import { button, byId, el, toast } from "../dom.js";
import { startFactor } from "./factor.js";
import { askProved } from "./proof.js";
import { browserName, moment, row, sub, trying } from "./tables.js";

const password = document.getElementById("password");

if (password) {
  const said = password.querySelector("[data-said]");
  const fields = [password.elements.old, password.elements.new];
  const { code } = password.elements;
  byId("password-shown").addEventListener("change", (event) => {
    for (const field of fields) field.type = event.target.checked ? "text" : "password";
  });
  password.addEventListener("submit", async (event) => {
    event.preventDefault();
    said.hidden = true;
    try {
      await ask("PUT", "api/v1/account/password", { old: fields[0].value, new: fields[1].value, code: code.value });
      // The page's proof belongs to the login that has just ended; the new page brings the new one.
      location.assign(`${address("account")}?changed`);
    } catch (error) {
      if (error.code?.startsWith("account.code")) {
        code.parentElement.hidden = false;
        code.focus();
      }
      said.className = "notice bad";
      said.textContent = `${error.message} ${error.hint ?? ""}`;
      said.hidden = false;
    }
  });
  if (location.search === "?changed") {
    history.replaceState(null, "", location.pathname);
    said.className = "notice good";
    said.textContent = "The password was changed. Your other logins and your tokens have ended.";
    said.hidden = false;
  }
  startFactor();
}

async function showSessions() {
  const { sessions } = await getJson("api/v1/account/sessions");
  byId("sessions-end").hidden = sessions.length < 2;
  byId("sessions").replaceChildren(...sessions.map((one) => row(
    [browserName(one.agent), sub(one.current ? `${one.address}, this one` : one.address)],
    moment(one.created), moment(one.used),
    one.current ? "" : button("End", () => trying(async () => {
      await ask("DELETE", `api/v1/account/sessions/${part(one.id)}`);
      await showSessions();
      byId("sessions-title").closest("section").querySelector("button:not([hidden])")?.focus();
    }), "small danger"))));
}

byId("sessions-end").addEventListener("click", () => trying(async () => {
  await ask("DELETE", "api/v1/account/sessions");
  toast("All other logins have ended.");
  await showSessions();
}));

async function showTokens() {
  const now = Date.now();
  const { tokens } = await getJson("api/v1/account/tokens");
  const holding = tokens.filter((one) => !one.revoked && Date.parse(one.expires) > now).reverse();
  byId("tokens-table").hidden = !holding.length;
  byId("tokens").replaceChildren(...holding.map((one) => row(
    [one.label, sub(`${one.id}, ${one.role}`)], moment(one.used), moment(one.expires),
    button("Revoke", () => trying(async () => {
      await ask("DELETE", `api/v1/account/tokens/${part(one.id)}`);
      await showTokens();
      byId("token-label").focus();
    }), "small danger"))));
}

byId("token").addEventListener("submit", (event) => {
  event.preventDefault();
  const { label, role, days } = event.target.elements;
  trying(async () => {
    const answer = await askProved("POST", "api/v1/account/tokens", { label: label.value, role: role.value, days: Number(days.value) });
    if (answer === null) return;
    const made = await answer.json();
    const field = el("input", { type: "text", readonly: true, id: "token-secret", value: made.secret });
    byId("token-made").replaceChildren(el("label", { for: "token-secret", text: "The token, shown only now" }), field,
      el("p", { class: "hint", text: "Programs send it in the header Authorization: Bearer." }));
    field.select();
    field.focus();
    event.target.reset();
    await showTokens();
  });
});

trying(showSessions);
trying(showTokens);
