// The table of jobs: the server filters, searches, counts and orders; a window of it is drawn here.
import { announce, byId, el, setText } from "../dom.js";
import { Pace } from "../pace.js";
import { ENDED, RUNNING, STATES, WAITING } from "../words.js";
import { offerExample } from "./example.js";
import { Selection } from "./selection.js";
import { JobPages } from "./pages.js";
import { Row } from "./row.js";
import { Windowed } from "./windowed.js";

const FILTERS = [
  ["all", "All", ""],
  ["active", "In work", "running,waiting"],
  ["done", "Done", "done"],
  ["problems", "Problems", "refused,failed"],
];
const GROUPS = { running: [...RUNNING], waiting: [...WAITING] };

export class JobTable {
  constructor(live) {
    this.live = live;
    this.rows = new Map();
    this.ready = false;
    this.newest = "";
    this.known = new Map(); // states by id, of what was heard of
    this.body = byId("jobs-body");
    this.pages = new JobPages(() => this.taken());
    this.windowed = new Windowed(byId("jobs-scroll"), this.body, {
      draw: (first, last) => this.draw(first, last),
      missing: (first, last) => this.pages.fill(first, last),
    });
    this.selection = new Selection(this);
    this.pace = new Pace(() => this.look());
    this.makeFilters();
    offerExample(this);
    live.addEventListener("ready", () => this.look());
    live.addEventListener("reset", () => this.look());
    live.addEventListener("online", () => this.look());
    live.addEventListener("job", (event) => this.changed(event.detail.job));
    live.addEventListener("gone", (event) => this.forget(event.detail.id));
    byId("jobs-search").addEventListener("input", (event) => this.showList({ search: event.target.value.trim() }));
  }

  get chosen() {
    return this.selection.ids;
  }

  /** How many wait in the queue that this account sees. */
  get queued() {
    return this.live.status?.counts?.queued ?? this.pages.counts?.queued ?? 0;
  }

  makeFilters() {
    this.numbers = {};
    byId("jobs-filters").replaceChildren(...FILTERS.map(([name, title, states]) => {
      this.numbers[name] = el("span", { class: "count" });
      const button = el("button", { type: "button", class: "button small", "aria-pressed": String(name === "all"), onclick: () => {
        for (const one of byId("jobs-filters").children) one.setAttribute("aria-pressed", String(one === button));
        this.showList({ states });
      } }, title, this.numbers[name]);
      return button;
    }));
  }

  /** Another filter or search: a list of its own, from its top. */
  showList(what) {
    Object.assign(this.pages, what);
    this.selection.listChanged();
    this.look(true);
  }

  /** Ask for the part that is in view; `fromTop` of another list. */
  look(fromTop = false) {
    return this.pace.run(() => {
      if (fromTop) this.pages.clear();
      this.fromTop = fromTop || this.fromTop;
      return this.pages.refresh(...(fromTop ? [0, 20] : this.windowed.range()));
    });
  }

  taken() {
    if (this.fromTop) {
      this.windowed.toTop();
      this.fromTop = false;
    }
    for (const job of this.pages.jobs) if (job) this.note(job);
    this.ready = true;
    const { total, counts } = this.pages;
    for (const [name, , states] of FILTERS) setText(this.numbers[name], sum(counts, states).toLocaleString("en"));
    this.windowed.forget(total, this.pages.keys);
    byId("jobs-table").setAttribute("aria-rowcount", total + 1);
    byId("jobs-scroll").hidden = total === 0;
    byId("jobs-empty").hidden = total > 0;
    const narrowed = this.pages.search || this.pages.states;
    setText(byId("jobs-empty-text"), narrowed ? "No job matches." : "No job yet. Drop a scan above, or copy one to the inbox folder.");
    if (byId("jobs-example")) byId("jobs-example").hidden = Boolean(narrowed);
    this.selection.show();
    this.windowed.show();
  }

  note(job) {
    this.known.set(job.id, job.state);
    for (const time of Object.values(job.times)) if (time > this.newest) this.newest = time;
  }

  /** A change that was heard of: shown at once where the job is in view; the order is the server's. */
  changed(job) {
    const before = this.known.get(job.id);
    const late = job.times[job.state] >= this.newest; // not a job of old whose owner, say, has changed
    this.note(job);
    const name = job.label || job.name;
    if (this.ready && before !== job.state && ENDED.has(job.state) && (before || late)) {
      announce(`${name}: ${STATES[job.state][0]}.${job.error ? ` ${job.error.message}` : ""}`);
    } else if (this.ready && !before && late && !ENDED.has(job.state)) {
      announce(`${name} was added.`);
      this.fresh = job.id;
    }
    const shown = this.pages.update(job);
    if (shown) this.windowed.later();
    if (!shown || shown.state !== job.state || shown.priority !== job.priority) this.pace.soon();
  }

  forget(id) {
    this.known.delete(id);
    this.selection.drop(id);
    if (this.pages.drop(id) < 0) return this.pace.soon();
    this.windowed.forget(this.pages.total, this.pages.keys);
    this.windowed.later();
    return this.pace.soon();
  }

  /** Rows for the places from `first` to before `last`, null where a job is not known yet. */
  draw(first, last) {
    const held = this.focused();
    const found = [];
    const there = new Set();
    for (let place = first; place < last; place += 1) {
      const job = this.pages.jobs[place];
      if (!job) { found.push(null); continue; }
      let row = this.rows.get(job.id);
      if (!row) {
        row = new Row(job, this);
        this.rows.set(job.id, row);
        if (this.fresh === job.id) row.row.classList.add("fresh");
      }
      row.show(job, this.pages.places[job.id], place);
      there.add(job.id);
      found.push({ key: job.id, element: row.row });
    }
    for (const [id, row] of this.rows) if (!there.has(id) && !row.row.isConnected) this.rows.delete(id);
    for (const id of [...this.rows.keys()]) if (!there.has(id)) this.leave(id, held);
    return found;
  }

  /** Where the keyboard is: the job, its place among the rows, and which of its tools. */
  focused() {
    const row = document.activeElement?.closest?.("#jobs-body tr[data-job]");
    if (!row) return null;
    const rows = [...this.body.querySelectorAll("tr[data-job]")];
    return { id: row.dataset.job, index: rows.indexOf(row), tool: document.activeElement.dataset.tool };
  }

  /** A row goes out of view or away. Whoever is in it stays near: at the row that takes its place. */
  leave(id, held) {
    const { row } = this.rows.get(id);
    this.rows.delete(id);
    const gone = this.pages.at(id) < 0 && !this.known.has(id);
    row.remove();
    if (held?.id !== id) return;
    queueMicrotask(() => {
      const rows = [...this.body.querySelectorAll("tr[data-job]")];
      const next = gone ? rows[Math.min(held.index, rows.length - 1)] : null;
      const target = next?.querySelector(`[data-tool="${held.tool}"]`) ?? next?.querySelector("[data-tool]");
      if (target) target.focus();
      else if (!byId("jobs-scroll").hidden) byId("jobs-scroll").focus({ preventScroll: true });
      else byId("jobs-search").focus();
    });
  }

  async choose(job, on, range) {
    await this.selection.choose(job, on, range);
    this.windowed.later();
  }
}

function sum(counts, states) {
  const wanted = states ? states.split(",").flatMap((one) => GROUPS[one] ?? [one]) : Object.keys(counts);
  return wanted.reduce((all, state) => all + (counts[state] ?? 0), 0);
}
