// What is on its way from the archives, and what became of it.
import { address, ask } from "../api.js";
import { bar, byId, el, icon, iconButton, setText, toast } from "../dom.js";
import { clockTime, many } from "../words.js";

const STATES = {
  waiting: ["Waiting", "", "clock"],
  running: ["Fetching", "run", "download"],
  done: ["Fetched", "done", "check"],
  failed: ["Failed", "bad", "alert"],
  cancelled: ["Cancelled", "", "cancel"],
};

export function time(seconds) {
  return clockTime(new Date(seconds * 1000).toISOString());
}

class Row {
  constructor(cancel) {
    this.label = el("span");
    this.sub = el("span", { class: "sub" });
    this.badge = el("span", { class: "badge" });
    this.count = el("span", { class: "soft small number" });
    this.bar = bar("How much has come");
    this.note = el("div", { class: "reason soft" });
    this.jobs = el("a", { class: "small", href: address(""), hidden: true });
    this.when = el("td", { class: "when" });
    this.cancel = iconButton("cancel", "Fetch no further", () => cancel(this.fetch));
    this.row = el("tr", {},
      el("th", { scope: "row" }, this.label, this.sub),
      el("td", { class: "state" }, el("div", { class: "state-line" }, this.badge, this.count, this.jobs), this.bar, this.note),
      this.when,
      el("td", { class: "tools" }, el("div", {}, this.cancel)));
  }

  show(fetch) {
    this.fetch = fetch;
    const [title, kind, drawing] = STATES[fetch.state];
    setText(this.label, fetch.label || "Study");
    setText(this.sub, [`from ${fetch.peer}`, fetch.series.length ? many(fetch.series.length, "series", "series") : "", fetch.watch ? `watch ${fetch.watch}` : fetch.by ? `by ${fetch.by}` : ""].filter(Boolean).join(" · "));
    if (this.badge.dataset.state !== fetch.state) {
      this.badge.dataset.state = fetch.state;
      this.badge.className = `badge ${kind}`;
      this.badge.replaceChildren(icon(drawing), title);
    }
    const open = fetch.state === "waiting" || fetch.state === "running";
    setText(this.count, fetch.done ? `${fetch.done}${fetch.total ? ` of ${fetch.total}` : ""} images` : "");
    this.bar.hidden = fetch.state !== "running";
    this.bar.set(fetch.total ? fetch.done / fetch.total : null);
    setText(this.note, fetch.state === "waiting" && fetch.tries ? `Tried ${many(fetch.tries, "time")}: ${fetch.note}` : fetch.note);
    this.jobs.hidden = !fetch.jobs.length;
    setText(this.jobs, "See the jobs");
    setText(this.when, time(fetch.at));
    this.cancel.hidden = !open;
  }
}

export class Fetches {
  constructor(changed) {
    this.changed = changed;
    this.rows = new Map();
  }

  show({ fetches }) {
    byId("fetches-card").hidden = !fetches.length;
    const body = byId("fetches-body");
    const known = new Set(fetches.map((one) => one.id));
    for (const [id, row] of this.rows) {
      if (!known.has(id)) {
        row.row.remove();
        this.rows.delete(id);
      }
    }
    fetches.forEach((fetch, place) => {
      let row = this.rows.get(fetch.id);
      if (!row) {
        row = new Row((one) => this.cancel(one));
        this.rows.set(fetch.id, row);
        body.insertBefore(row.row, body.children[place] ?? null);
      }
      row.show(fetch);
    });
  }

  async cancel(fetch) {
    try {
      await ask("DELETE", `api/v1/pacs/fetches/${fetch.id}`);
    } catch (error) {
      toast(error.message, "bad", error.hint);
    }
    this.changed();
  }
}
