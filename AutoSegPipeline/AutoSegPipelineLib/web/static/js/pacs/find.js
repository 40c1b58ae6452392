// The search: a form, the studies that match, the series of each.
import { ask } from "../api.js";
import { announce, byId, el, icon, setText, toast } from "../dom.js";
import { many } from "../words.js";

const FIELDS = ["patient", "name", "accession", "study", "description"];

function day(date) {
  return date.length === 8 ? `${date.slice(0, 4)}-${date.slice(4, 6)}-${date.slice(6)}` : date;
}

function button(text, onclick, kind = "") {
  return el("button", { type: "button", class: `button small ${kind}`, text, onclick });
}

export class Find {
  constructor(changed) {
    this.changed = changed;
    this.asked = null;
    this.peers = "";
    this.entries = "";
    byId("find").addEventListener("submit", (event) => { event.preventDefault(); this.search(); });
    byId("find-when").addEventListener("change", () => {
      for (const box of document.querySelectorAll(".between")) box.hidden = byId("find-when").value !== "between";
    });
  }

  show(pacs) {
    byId("find-card").hidden = !pacs.peers.length;
    this.choices("peers", byId("find-peer"), pacs.peers.map((peer) => peer.name));
    this.choices("entries", byId("find-entry"), pacs.entries);
    byId("find-entry-box").hidden = pacs.entries.length < 2;
    byId("find-button").disabled = !pacs.running || this.asked !== null;
  }

  choices(what, select, names) {
    const now = JSON.stringify(names);
    if (this[what] === now) return;
    this[what] = now;
    const chosen = select.value;
    select.replaceChildren(...names.map((name) => el("option", { text: name, value: name, selected: name === chosen })));
  }

  match() {
    const found = {};
    for (const field of FIELDS) {
      const value = byId(`find-${field}`).value.trim();
      if (value) found[field] = value;
    }
    const when = byId("find-when").value;
    const [from, to] = [byId("find-from").value, byId("find-to").value];
    if (when === "between") {
      if (from || to) found.date = `${from}..${to}`;
    } else if (when) found.date = when;
    const modality = byId("find-modality").value;
    // "CT or MR" alone would list the complete archive.
    if (!modality.includes(",") || Object.keys(found).length) found.modality = modality;
    return found;
  }

  async search() {
    const peer = byId("find-peer").value;
    this.asked = peer;
    byId("find-button").disabled = true;
    setText(byId("find-said"), `Asking ${peer} ...`);
    byId("find-table").hidden = true;
    try {
      const answer = await (await ask("POST", "api/v1/pacs/find", { peer, match: this.match() })).json();
      this.list(peer, answer);
    } catch (error) {
      setText(byId("find-said"), "");
      toast(error.message, "bad", error.hint);
    } finally {
      this.asked = null;
      byId("find-button").disabled = false;
    }
  }

  list(peer, { studies, more }) {
    const text = studies.length ? `${many(studies.length, "study", "studies")}${more ? ", and there are more: narrow the search" : ""}` : "No study matches.";
    setText(byId("find-said"), text);
    byId("find-table").hidden = !studies.length;
    byId("find-body").replaceChildren(...studies.flatMap((study) => this.rows(peer, study)));
  }

  rows(peer, study) {
    const scan = !study.modalities.length || study.modalities.some((one) => one === "CT" || one === "MR");
    const below = el("tr", { class: "below", hidden: true });
    const who = study.name || study.patient || "no name";
    const open = button("Series", async () => {
      below.hidden = !below.hidden;
      open.setAttribute("aria-expanded", String(!below.hidden));
      if (!below.hidden && !below.children.length) await this.series(peer, study, below);
    });
    open.setAttribute("aria-expanded", "false");
    open.setAttribute("aria-label", `Series of ${who}, ${study.description || "study"}`);
    const get = button("Fetch", () => this.fetch(peer, study, [], get), "primary");
    get.disabled = !scan;
    get.setAttribute("aria-label", `Fetch the study of ${who}, ${study.description || "study"}`);
    if (!scan) get.title = "There is no CT or MR in it.";
    const row = el("tr", {},
      el("th", { scope: "row" }, who, el("span", { class: "sub", text: [study.name ? study.patient : "", study.accession].filter(Boolean).join(" · ") })),
      el("td", {}, study.description || "(no description)",
        el("span", { class: "sub", text: [day(study.date), study.modalities.join(", ")].filter(Boolean).join(" · ") })),
      el("td", { class: "number", text: study.instances === null ? "" : many(study.instances, "image") }),
      el("td", { class: "tools" }, el("div", {}, open, get)));
    return [row, below];
  }

  async series(peer, study, below) {
    const cell = el("td", { colspan: 4, text: "Asking ..." });
    below.replaceChildren(cell);
    try {
      const { series } = await (await ask("POST", "api/v1/pacs/series", { peer, study: study.uid })).json();
      cell.replaceChildren(el("ul", { class: "series" }, ...series.map((one) => {
        const name = `${one.modality} ${one.number ?? ""} ${one.description}`.trim();
        const get = button("Fetch", () => this.fetch(peer, study, [one.uid], get));
        get.setAttribute("aria-label", `Fetch series ${name}`);
        return el("li", {}, el("span", { class: "grow", text: name }),
          el("span", { class: "soft number", text: one.instances === null ? "" : many(one.instances, "image") }), one.is_scan ? get : null);
      })));
    } catch (error) {
      cell.replaceChildren(el("p", { class: "notice bad", text: error.message }));
    }
  }

  async fetch(peer, study, series, pressed) {
    pressed.disabled = true;
    const order = { peer, study: study.uid, series, label: study.label, entry: byId("find-entry").value };
    try {
      await ask("POST", "api/v1/pacs/fetches", order);
      pressed.replaceChildren(icon("check"), "Asked for");
      announce("The study is being fetched.");
      this.changed();
    } catch (error) {
      pressed.disabled = false;
      toast(error.message, "bad", error.hint);
    }
  }
}
