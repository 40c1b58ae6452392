// The second factor: turned on with an authenticator app, off, and its recovery codes.
import { getJson } from "../api.js";
import { button, byId, el } from "../dom.js";
import { askProved } from "./proof.js";
import { trying } from "./tables.js";

export function startFactor() {
  trying(show);
}

async function show() {
  const state = await getJson("api/v1/account/second-factor");
  byId("factor-state").textContent = state.on ? `on; ${state.codes_left} recovery codes left` : "off";
  byId("factor").replaceChildren(...(state.on ? [
    el("div", { class: "row" },
      button("New recovery codes", () => trying(renew)),
      button("Turn it off", () => trying(turnOff), "danger")),
  ] : [
    el("p", { text: "With it, logging in needs a code of an authenticator app besides the password." }),
    el("div", { class: "row" }, button("Set it up", () => trying(begin), "primary")),
  ]));
}

async function begin() {
  const answer = await askProved("POST", "api/v1/account/second-factor");
  if (answer === null) return;
  const made = await answer.json();
  const code = el("input", { type: "text", id: "factor-code", inputmode: "numeric", autocomplete: "one-time-code", required: true, maxlength: 7 });
  const said = el("p", { class: "notice bad", role: "alert", hidden: true });
  const form = el("form", { class: "stack narrow-form" },
    el("p", { text: "1. Scan this with an authenticator app, or type the secret into it." }),
    el("img", { src: made.picture, alt: "QR code of the secret; the text below says the same", class: "qr" }),
    el("p", {}, el("code", { class: "secret", text: made.secret.match(/.{1,4}/g).join(" ") })),
    el("div", {}, el("label", { for: "factor-code", text: "2. The code that the app shows" }), code),
    said,
    el("div", { class: "row" }, el("button", { type: "submit", class: "button primary", text: "Turn it on" }),
      button("Cancel", () => trying(show))));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const confirmed = await askProved("PUT", "api/v1/account/second-factor", { code: code.value });
      if (confirmed !== null) showCodes((await confirmed.json()).codes);
    } catch (error) {
      said.textContent = `${error.message} ${error.hint ?? ""}`;
      said.hidden = false;
      code.focus();
    }
  });
  byId("factor").replaceChildren(form);
  code.focus();
}

async function renew() {
  const answer = await askProved("POST", "api/v1/account/second-factor/codes");
  if (answer !== null) showCodes((await answer.json()).codes);
}

async function turnOff() {
  if (await askProved("DELETE", "api/v1/account/second-factor") !== null) await show();
}

function showCodes(codes) {
  byId("factor-state").textContent = "on";
  const done = button("I have kept them", () => trying(show), "primary");
  byId("factor").replaceChildren(
    el("p", { text: "Recovery codes: each logs you in once when the app is not at hand. They are shown only now; keep them where you keep passwords." }),
    el("ul", { class: "codes", id: "recovery-codes" }, ...codes.map((code) => el("li", {}, el("code", { text: code })))),
    el("div", { class: "row" }, done));
  done.focus();
}
