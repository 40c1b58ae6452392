// Accounts, share links and the audit log, for admins.
import { address, ask, getJson, part, userName as me } from "../api.js";
import { confirm, open } from "../dialogs.js";
import { button, byId, el, toast } from "../dom.js";
import { askProved } from "./proof.js";
import { moment, row, sub, trying } from "./tables.js";

// --- accounts -------------------------------------------------------------------------------------

async function showUsers() {
  const { users } = await getJson("api/v1/users");
  byId("users").replaceChildren(...users.map(userRow));
}

function userRow(user) {
  const about = [user.disabled && "disabled", user.second_factor && "second factor", user.provider && "single sign-on"];
  const role = el("select", { "aria-label": `Role of ${user.name}`, disabled: user.name === me || user.provider },
    ...["viewer", "operator", "admin"].map((one) => el("option", { text: one, selected: one === user.role })));
  role.addEventListener("change", () => change(user, { role: role.value }, `${user.name} is ${role.value} now.`));
  const tools = el("div", { class: "row" });
  if (!user.provider) tools.append(button("Set password", () => setPassword(user), "small"));
  if (user.second_factor) {
    tools.append(button("Turn second factor off", async () => {
      const yes = await confirm(`Turn off the second factor of ${user.name}?`, "Do so only when you know that it is them who ask: afterwards their password is enough.", "Turn it off");
      if (yes) await change(user, { second_factor: false }, `The second factor of ${user.name} is off.`);
    }, "small"));
  }
  if (user.name !== me) {
    tools.append(button(user.disabled ? "Let in again" : "Disable", async () => {
      const yes = user.disabled || await confirm(`Disable ${user.name}?`, "Every login, token and link of the account ends at once. Its cases stay.", "Disable");
      if (yes) await change(user, { disabled: !user.disabled }, `${user.name} is ${user.disabled ? "let in again" : "disabled"}.`);
    }, user.disabled ? "small" : "small danger"));
  }
  return row([user.name, sub(about.filter(Boolean).join(", "))], role, moment(user.last_login), tools);
}

async function change(user, what, said) {
  const answer = await trying(() => askProved("PATCH", `api/v1/users/${part(user.name)}`, what));
  if (answer) toast(said);
  await trying(showUsers);
}

function setPassword(user) {
  const field = el("input", { type: "text", id: "reset-password", autocomplete: "off", spellcheck: "false", minlength: byId("user-password").minLength });
  const yes = button("Set it", async () => {
    const answer = await trying(() => askProved("PATCH", `api/v1/users/${part(user.name)}`, { password: field.value }));
    if (!answer) return;
    dialog.close();
    toast(`${user.name} has a new password.`);
  }, "primary");
  const dialog = open(`A new password for ${user.name}`, [
    el("p", { text: "Every login and token of the account ends." }),
    el("div", {}, el("label", { for: "reset-password", text: "New password" }), field),
  ], [button("Cancel", () => dialog.close()), yes]);
  field.focus();
}

byId("user").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const { name, role, password } = form.elements;
  const answer = await trying(() => askProved("POST", "api/v1/users", { name: name.value, role: role.value, password: password.value }));
  if (!answer) return;
  toast(`${name.value} has an account.`);
  form.reset();
  await trying(showUsers);
});

// --- links ----------------------------------------------------------------------------------------

async function showLinks() {
  const { links } = await getJson("api/v1/links");
  const holding = links.filter((one) => !one.revoked && Date.parse(one.expires) > Date.now()).reverse();
  byId("links-table").hidden = !holding.length;
  byId("links-none").hidden = holding.length > 0;
  byId("links").replaceChildren(...holding.map((one) => row(
    [one.id, sub(`by ${one.user}${one.names ? ", shows names" : ""}${one.note ? `: ${one.note}` : ""}`),
      el("a", { class: "small", href: address(`view/${part(one.job)}`), text: "its result" })],
    moment(one.used), moment(one.expires),
    button("Revoke", () => trying(async () => {
      await ask("DELETE", `api/v1/links/${part(one.id)}`);
      await showLinks();
      byId("main").focus();
    }), "small danger"))));
}

// --- the audit log --------------------------------------------------------------------------------

let before = null;

function filters() {
  const given = new FormData(byId("audit"));
  return new URLSearchParams([...given].filter(([, value]) => value));
}

async function showAudit(more = false) {
  const query = filters();
  byId("audit-export").href = `${address("api/v1/audit.csv")}?${query}`;
  if (more && before) query.set("before", before);
  const found = await getJson(`api/v1/audit?${query}`);
  before = found.before;
  const rows = found.lines.map((line) => row(
    moment(line.at), [line.who || "nobody", sub(line.via)],
    [line.what, line.ok ? null : el("strong", { text: " refused" }), sub([line.detail, line.job && `case ${line.job.slice(0, 8)}`].filter(Boolean).join(", "))],
    line.address));
  byId("audit-lines")[more ? "append" : "replaceChildren"](...rows);
  byId("audit-more").hidden = before === null;
  byId("audit-said").textContent = rows.length || more ? "" : "No line is like that.";
}

byId("audit").addEventListener("submit", (event) => {
  event.preventDefault();
  trying(() => showAudit());
});
byId("audit-more").addEventListener("click", () => trying(() => showAudit(true)));

trying(showUsers);
trying(showLinks);
trying(() => showAudit());
