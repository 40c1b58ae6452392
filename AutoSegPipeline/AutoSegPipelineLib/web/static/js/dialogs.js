// Questions and longer texts in front of the page. `dialog` keeps the focus inside and gives it back.
import { ask, getJson, part, address } from "./api.js";
import { bar, button, el, setText, toast } from "./dom.js";
import { bytes, clockTime, many } from "./words.js";

let count = 0;

export function open(title, body, buttons) {
  const id = `dialog-${(count += 1)}`;
  const dialog = el("dialog", { "aria-labelledby": id },
    el("div", { class: "dialog-body" }, el("h2", { id, text: title }), ...body, el("div", { class: "dialog-foot" }, ...buttons)));
  const before = document.activeElement;
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (before?.isConnected) before.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** Ask before something that cannot be undone; whether it was confirmed. */
export function confirm(title, text, yes, no = "Keep it") {
  return new Promise((resolve) => {
    const stay = button(no, () => dialog.close());
    const go = button(yes, () => { resolve(true); dialog.close(); }, "danger");
    const dialog = open(title, [el("p", { text })], [stay, go]);
    dialog.addEventListener("close", () => resolve(false));
    stay.focus();
  });
}

/** What a person thinks of one result or of several: {mark, remark}, or null; `said` of an earlier review. */
export function askReview(title, { mark = "good", remark: before = "", said = "" } = {}) {
  return new Promise((resolve) => {
    const marks = [["good", "Good"], ["bad", "Bad"], ["", "No mark"]].map(([value, text]) => {
      const radio = el("input", { type: "radio", name: "review-mark", value, checked: value === mark });
      return [radio, el("label", { class: "check" }, radio, text)];
    });
    const remark = el("textarea", { id: "review-remark", rows: 3, maxlength: 2000, text: before });
    const keep = button("Keep the review", () => {
      resolve({ mark: marks.find(([radio]) => radio.checked)[0].value, remark: remark.value.trim() });
      dialog.close();
    }, "primary");
    const dialog = open(title, [
      el("fieldset", {}, el("legend", { text: "The segmentation is" }), ...marks.map(([, label]) => label)),
      el("div", {}, el("label", { for: "review-remark", text: "Remark" }), remark),
      el("p", { class: "hint", text: `${said} No mark and no remark take an earlier review back.`.trim() }),
    ], [button("Close", () => dialog.close()), keep]);
    dialog.addEventListener("close", () => resolve(null));
  });
}

/** How far something has come that takes a while; `stopped` when the person had enough. */
export function progressDialog(title) {
  const shown = bar(title);
  const words = el("p", { class: "number", role: "status" });
  const stop = button("Stop", () => dialog.close());
  const dialog = open(title, [shown, words], [stop]);
  const state = { stopped: false, show: (fraction, text) => { shown.set(fraction); setText(words, text); }, close: () => dialog.close() };
  shown.set(0);
  dialog.addEventListener("close", () => { state.stopped = true; });
  return state;
}

/** The log of one job, read again while the dialog is open. */
export async function showLog(job) {
  const text = el("pre", { class: "log", tabindex: 0, "aria-label": "Log", text: "Reading ..." });
  const dialog = open(`Log of ${job.label || job.name}`, [text], [button("Close", () => dialog.close(), "primary")]);
  const read = async () => {
    try {
      const response = await ask("GET", `api/v1/jobs/${part(job.id)}/log`);
      const found = (await response.text()).split("\n").filter(Boolean).map(line).join("\n");
      const atEnd = text.scrollTop + text.clientHeight > text.scrollHeight - 30;
      if (text.textContent !== found) text.textContent = found || "The log is empty.";
      if (atEnd) text.scrollTop = text.scrollHeight;
    } catch (error) {
      text.textContent = error.message;
    }
  };
  await read();
  const timer = setInterval(read, 2000);
  dialog.addEventListener("close", () => clearInterval(timer));
}

/** A line of the log, which is JSON, for people. */
function line(text) {
  try {
    const { at, level, text: words } = JSON.parse(text);
    return `${(at ?? "").slice(11, 19)}  ${level && level !== "info" ? `${level}: ` : ""}${words ?? ""}`;
  } catch {
    return text;
  }
}

const KINDS = {
  gltf: "3D, opens everywhere", glb: "3D, small", seg: "Segmentation for 3D Slicer", labels: "Label map on the scan's grid",
  statistics: "Volumes and intensities", picture: "Picture", report: "Report to read", stl: "STL, one per structure",
  obj: "OBJ, one per structure", usdz: "3D for phones and tablets", manifest: "How it was made",
};

export function fileAddress(job, name, inline = false) {
  return address(`api/v1/results/${part(job.id)}/files/${part(name)}${inline ? "?inline=true" : ""}`);
}

// Quick Look of iPhone and iPad opens a link of this kind in the room; it must hold one picture and nothing else.
function roomLink(job, output) {
  if (output.kind !== "usdz" || !document.createElement("a").relList.supports("ar")) return "";
  return el("a", { rel: "ar", href: fileAddress(job, output.name) },
    el("img", { src: address("static/icon.svg"), alt: "Show in the room", width: 24, height: 24 }));
}

/** A table of the result files, each a link. */
export function fileTable(job) {
  return el("table", { class: "files", "aria-label": `Files of ${job.name}` }, el("tbody", {}, ...job.outputs.map((output) =>
    el("tr", {},
      el("th", { scope: "row" }, el("a", { href: fileAddress(job, output.name), download: output.name, text: output.name }), roomLink(job, output)),
      el("td", { class: "soft", text: KINDS[output.kind] ?? output.kind }),
      el("td", { class: "number", text: bytes(output.size) })))));
}

export function showFiles(job) {
  const all = el("a", { class: "button primary", href: address(`api/v1/results/${part(job.id)}.zip`), download: `${job.name}.zip`,
    text: "Download all as zip" });
  const dialog = open(`Files of ${job.name}`, [fileTable(job)], [button("Close", () => dialog.close()), all]);
}

const DAYS = [[1, "1 day"], [7, "7 days"], [30, "30 days"]];

function daysField() {
  return el("select", { id: "share-days" }, ...DAYS.map(([value, text]) => el("option", { value, text, selected: value === 7 })));
}

async function newLink(job, days, names) {
  const answer = await (await ask("POST", "api/v1/links", { job: job.id, hours: days * 24, names })).json();
  return { expires: answer.expires, url: new URL(answer.url, location.href).href, embed: answer.embed };
}

/** A button that copies what stands in `field`. */
function copyButton(field) {
  const copy = button("Copy", async () => {
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
      copy.textContent = "Copied";
    } catch {
      document.execCommand("copy");
    }
  });
  return copy;
}

/** What to put into a page of a site that may show the viewer; nothing where there is none. */
function frameText(url) {
  if (!url) return [];
  const text = `<iframe src="${url}" title="Segmentation in 3D" width="1100" height="760" allow="fullscreen" loading="lazy"></iframe>`;
  const field = el("textarea", { readonly: true, id: "share-frame", rows: 3, "aria-describedby": "share-frame-hint", text });
  return [el("label", { for: "share-frame", text: "For a page of an allowed site" }),
    el("div", { class: "row" }, el("div", { class: "grow" }, field), copyButton(field)),
    el("p", { class: "hint", id: "share-frame-hint", text: "Whoever sees that page sees this result." })];
}

/** Make a link for each of several results. */
export function shareMany(jobs) {
  const days = daysField();
  const names = el("input", { type: "checkbox", id: "share-names" });
  const answer = el("div", { class: "stack", "aria-live": "polite" });
  const make = button("Create the links", async () => {
    make.disabled = true;
    const lines = [];
    try {
      for (const job of jobs) lines.push(`${job.name}\t${(await newLink(job, Number(days.value), names.checked)).url}`);
    } catch (error) {
      toast(error.message, "bad", error.hint);
    }
    const field = el("textarea", { readonly: true, id: "share-links", rows: Math.min(10, lines.length + 1), text: lines.join("\n") });
    answer.replaceChildren(el("label", { for: "share-links", text: `${many(lines.length, "link")} (shown only now)` }), field, copyButton(field));
    field.select();
  }, "primary");
  const dialog = open(`Share ${many(jobs.length, "result")}`, [
    el("p", { text: "Anyone with a link can see its one result, its files and the viewer, without an account, until it expires." }),
    el("div", {}, el("label", { for: "share-days", text: "Work for" }), days),
    el("label", { class: "row" }, names, "Show the files' names and who uploaded them"), answer,
  ], [button("Close", () => dialog.close()), make]);
}

/** Make a link that shows one result to somebody without an account. */
export function share(job) {
  const days = daysField();
  const told = el("div", { class: "stack", "aria-live": "polite" });
  const names = el("input", { type: "checkbox", id: "share-names" });
  const make = button("Create the link", async () => {
    make.disabled = true;
    try {
      const made = await newLink(job, Number(days.value), names.checked);
      const field = el("input", { type: "text", readonly: true, id: "share-link", value: made.url });
      const copy = copyButton(field);
      told.replaceChildren(el("label", { for: "share-link", text: "Link (shown only now)" }),
        el("div", { class: "row" }, el("div", { class: "grow" }, field), copy),
        el("p", { class: "hint", text: `Works until ${clockTime(made.expires)}. You can revoke it in the list below.` }),
        ...frameText(made.embed));
      field.select();
      await list();
    } catch (error) {
      told.replaceChildren(el("p", { class: "notice bad", text: `${error.message} ${error.hint ?? ""}` }));
    } finally {
      make.disabled = false;
    }
  }, "primary");
  const links = el("div", { class: "stack" });
  const list = async () => {
    const found = await getJson("api/v1/links").catch(() => ({ links: [] }));
    const mine = found.links.filter((link) => link.job === job.id && !link.revoked && Date.parse(link.expires) > Date.now());
    links.replaceChildren(...(mine.length ? [el("h3", { text: "Links to this result" })] : []), ...mine.map((link) =>
      el("div", { class: "row" },
        el("span", { class: "grow small", text: `${link.id.slice(0, 8)}, made by ${link.user}, until ${clockTime(link.expires)}` }),
        button("Take back", async () => {
          await ask("DELETE", `api/v1/links/${part(link.id)}`).catch((error) => toast(error.message, "bad", error.hint));
          await list();
        }, "small danger"))));
  };
  const dialog = open(`Share ${job.name}`, [
    el("p", { text: "Anyone with the link can see this one result, its files and the viewer, without an account, until it expires." }),
    el("div", {}, el("label", { for: "share-days", text: "Works for" }), days),
    el("label", { class: "row" }, names, "Show the file's name and who uploaded it"), told, links,
  ], [button("Close", () => dialog.close()), make]);
  list();
}
