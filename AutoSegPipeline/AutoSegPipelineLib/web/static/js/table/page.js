// The table over all cases: the server sorts, filters and pages; here it is shown.
import { address, getJson, part } from "../api.js";
import { announce, byId, el, setText, toast } from "../dom.js";
import { many } from "../words.js";
import { reviewCell } from "./review.js";

const ROWS = 50;
const COLUMNS = [
  ["case", "Case", "text"], ["structure", "Structure", "text"], ["volume_ml", "Volume ml", "number"],
  ["volume_z", "z", "number"], ["mean", "Mean", "number"], ["mean_z", "z of mean", "number"],
  ["outlier", "Notes", "flags"], ["review", "Review", "review"],
];
const state = { sort: "", descending: false, offset: 0, total: 0 };
let asked = 0;

function query(more = {}) {
  const found = new URLSearchParams();
  const given = {
    search: byId("table-search").value.trim(), structure: byId("table-structure").value,
    flag: byId("table-flag").value, review: byId("table-review").value, sort: state.sort,
    descending: state.sort && state.descending ? "true" : "", ...more,
  };
  for (const [name, value] of Object.entries(given)) if (value !== "") found.set(name, value);
  return found.toString();
}

function number(value, digits) {
  // Adding zero: a rounded -0.04 would be shown as "-0.0".
  return value === null ? "" : (Number(value.toFixed(digits)) + 0).toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function flags(row) {
  const found = [];
  if (row.outlier) found.push("outlier");
  if (row.touches_border) found.push("cut off at the border");
  if (row.absent) found.push("absent");
  if (row.side_check === "swapped") found.push("sides look swapped");
  if (row.side_check === "unverified") found.push("side not verified");
  return found.join(", ");
}

function line(row) {
  const mean = row.mean === null ? "" : `${number(row.mean, 1)}${row.intensity_unit ? ` ${row.intensity_unit}` : ""}`;
  return el("tr", { class: row.outlier ? "outlier" : "" },
    el("th", { scope: "row" }, el("a", { href: address(`view/${part(row.job)}`), text: row.case, title: row.label })),
    el("td", { text: row.title || row.structure }),
    el("td", { class: "number", text: number(row.volume_ml, 2) }),
    el("td", { class: "number", text: number(row.volume_z, 1) }),
    el("td", { class: "number", text: mean }),
    el("td", { class: "number", text: number(row.mean_z, 1) }),
    el("td", { class: "flags", text: flags(row) }),
    el("td", {}, reviewCell(row, look)));
}

function head() {
  byId("table-head").replaceChildren(...COLUMNS.map(([name, title, kind]) => {
    const sorted = state.sort === name;
    const button = el("button", { type: "button", onclick: () => sortBy(name) }, title, sorted ? (state.descending ? " ↓" : " ↑") : "");
    return el("th", { scope: "col", class: kind === "number" ? "number" : "",
      "aria-sort": sorted ? (state.descending ? "descending" : "ascending") : "none" }, button);
  }));
}

function sortBy(name) {
  state.descending = state.sort === name ? !state.descending : name !== "case" && name !== "structure";
  state.sort = name;
  state.offset = 0;
  look().then(() => [...byId("table-head").querySelectorAll("button")][COLUMNS.findIndex((one) => one[0] === name)].focus());
}

async function look() {
  const mine = ++asked;
  setText(byId("table-count"), "Reading ...");
  let found;
  try {
    found = await getJson(`api/v1/table?${query({ limit: ROWS, offset: state.offset })}`);
  } catch (error) {
    setText(byId("table-count"), "");
    toast(error.message, "bad", error.hint);
    return;
  }
  if (mine !== asked) return; // a later question is under way
  head(); // together with the rows that are in this order
  state.total = found.total;
  setText(byId("table-count"), `${many(found.total, "row")} of ${many(found.cases, "case")}`);
  byId("table-body").replaceChildren(...found.rows.map(line));
  const none = found.rows.length === 0;
  byId("table-empty").hidden = !none;
  setText(byId("table-empty-text"), found.cases ? "No row is like that." : "Finished cases appear here, a row for each structure.");
  const last = Math.min(state.offset + ROWS, found.total);
  setText(byId("table-place"), none ? "" : `${(state.offset + 1).toLocaleString("en")} to ${last.toLocaleString("en")} of ${found.total.toLocaleString("en")}`);
  byId("table-before").disabled = state.offset === 0;
  byId("table-after").disabled = last >= found.total;
  byId("table-parquet").hidden = !found.parquet;
  for (const kind of ["csv", "parquet"]) byId(`table-${kind}`).href = address(`api/v1/table.${kind}?${query()}`);
  structures(found.structures);
}

function structures(names) {
  const select = byId("table-structure");
  if (select.options.length === names.length + 1) return;
  const chosen = select.value;
  select.replaceChildren(el("option", { value: "", text: "all" }),
    ...names.map((name) => el("option", { value: name, text: name.replaceAll("_", " "), selected: name === chosen })));
}

async function writeMethods() {
  byId("methods-button").disabled = true;
  try {
    const found = await getJson("api/v1/table/methods");
    setText(byId("methods-text"), found.paragraph);
    byId("methods-bib").value = found.bibtex;
    byId("methods").hidden = false;
    announce("The methods paragraph is below.");
  } catch (error) {
    toast(error.message, "bad", error.hint);
  } finally {
    byId("methods-button").disabled = false;
  }
}

let typing = 0;
byId("table-filters").addEventListener("submit", (event) => event.preventDefault());
byId("table-filters").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => { state.offset = 0; look(); }, 250);
});
byId("table-before").addEventListener("click", () => { state.offset = Math.max(0, state.offset - ROWS); look(); });
byId("table-after").addEventListener("click", () => { state.offset += ROWS; look(); });
byId("methods-button").addEventListener("click", writeMethods);
head();
look();
