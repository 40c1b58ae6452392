// The table of jobs: one row each, changed in place so that focus and place stay.
import { ask, mayDo, part, address } from "./api.js";
import { announce, bar, byId, el, icon, iconButton, setText, toast } from "./dom.js";
import { confirm, showLog } from "./dialogs.js";
import { queueOf, urgency } from "./live.js";
import { ENDED, PROBLEMS, RUNNING, STATES, WAITING, arrived, clockTime, duration, many, percent } from "./words.js";

const SHOWN = 50;
const FILTERS = [
  ["all", "All", () => true],
  ["active", "In work", (job) => RUNNING.has(job.state) || WAITING.has(job.state)],
  ["done", "Done", (job) => job.state === "done"],
  ["problems", "Problems", (job) => PROBLEMS.has(job.state)],
];

export class JobTable {
  constructor(live) {
    this.live = live;
    this.rows = new Map();
    this.filter = "all";
    this.search = "";
    this.limit = SHOWN;
    this.ready = false;
    this.body = byId("jobs-body");
    this.makeFilters();
    live.addEventListener("job", (event) => this.changed(event.detail));
    live.addEventListener("gone", (event) => this.forget(event.detail.id));
    live.addEventListener("status", () => this.later());
    live.addEventListener("ready", () => { this.ready = true; this.later(); });
    byId("jobs-search").addEventListener("input", (event) => {
      this.search = event.target.value.trim().toLowerCase();
      this.later();
    });
    byId("jobs-more").addEventListener("click", async () => {
      this.limit += SHOWN;
      if (this.limit > this.live.jobs.size && this.live.cursor) await this.live.older();
      this.later();
    });
    setInterval(() => this.later(), 20000); // the queue ages
  }

  makeFilters() {
    this.counts = {};
    byId("jobs-filters").replaceChildren(...FILTERS.map(([name, title]) => {
      this.counts[name] = el("span", { class: "count" });
      const button = el("button", { type: "button", class: "button small", "aria-pressed": String(name === "all"), onclick: () => {
        this.filter = name;
        this.limit = SHOWN;
        for (const one of byId("jobs-filters").children) one.setAttribute("aria-pressed", String(one === button));
        this.later();
      } }, title, this.counts[name]);
      return button;
    }));
  }

  changed({ job, before }) {
    if (this.ready && before && before.state !== job.state && ENDED.has(job.state)) {
      announce(`${job.label || job.name}: ${STATES[job.state][0]}.${job.error ? ` ${job.error.message}` : ""}`);
    } else if (this.ready && !before) {
      announce(`${job.label || job.name} was added.`);
      this.fresh = job.id;
    }
    this.later();
  }

  forget(id) {
    this.rows.get(id)?.row.remove();
    this.rows.delete(id);
    this.later();
  }

  later() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => { this.asked = false; this.draw(); });
    setTimeout(() => { if (this.asked) { this.asked = false; this.draw(); } }, 500); // a tab in the background
  }

  draw() {
    const all = [...this.live.jobs.values()];
    for (const [name, , holds] of FILTERS) setText(this.counts[name], String(all.filter(holds).length));
    const holds = FILTERS.find(([name]) => name === this.filter)[2];
    const found = all.filter((job) => holds(job) && this.matches(job)).sort(order);
    this.queue = queueOf(this.live.jobs);
    const place = new Map(this.queue.map((job, index) => [job.id, index]));
    const shown = found.slice(0, this.limit);
    const wanted = new Set(shown.map((job) => job.id));
    for (const [id, one] of this.rows) if (!wanted.has(id)) { one.row.remove(); this.rows.delete(id); }
    let previous = null;
    for (const job of shown) {
      let one = this.rows.get(job.id);
      if (!one) {
        one = new Row(job, this);
        this.rows.set(job.id, one);
        if (this.fresh === job.id) one.row.classList.add("fresh");
      }
      one.show(job, place.get(job.id));
      const right = previous ? previous.nextSibling : this.body.firstChild;
      if (right !== one.row) this.put(one.row, right);
      previous = one.row;
    }
    byId("jobs-table").hidden = shown.length === 0;
    byId("jobs-empty").hidden = shown.length > 0 || !this.ready;
    setText(byId("jobs-empty-text"), all.length ? "No job matches." : "No job yet. Drop a scan above, or copy one to the inbox folder.");
    byId("jobs-more-box").hidden = found.length <= this.limit && !(this.live.cursor && this.filter === "all");
  }

  put(row, right) {
    const focused = row.contains(document.activeElement) ? document.activeElement : null;
    this.body.insertBefore(row, right);
    focused?.focus();
  }

  matches(job) {
    return !this.search || [job.label, job.name, job.id, job.state, job.submitted_by].some((text) =>
      (text ?? "").toLowerCase().includes(this.search));
  }

  /** Priority that puts `job` before the one at `index` of the queue. */
  async move(job, index) {
    const now = Date.now();
    const waited = urgency(job, now) - job.priority;
    const others = this.queue.filter((one) => one.id !== job.id);
    const above = others[index];
    const below = others[index - 1];
    let priority = above ? Math.floor(urgency(above, now) - waited) + 1 : Math.ceil(urgency(others.at(-1), now) - waited) - 1;
    if (below && index > 0) priority = Math.min(priority, Math.ceil(urgency(below, now) - waited) - 1);
    if (index >= others.length) priority = Math.ceil(urgency(others.at(-1), now) - waited) - 1;
    if (index === 0) priority = 100;
    await act(job, () => ask("PATCH", `api/v1/jobs/${part(job.id)}`, { priority: Math.max(0, Math.min(100, priority)) }),
      `${job.label}: moved to place ${index + 1}.`);
  }
}

function order(a, b) {
  const rank = (job) => (RUNNING.has(job.state) ? 0 : WAITING.has(job.state) ? 1 : 2);
  if (rank(a) !== rank(b)) return rank(a) - rank(b);
  if (rank(a) === 1 && a.state === "queued" && b.state === "queued") return urgency(b) - urgency(a) || (arrived(a) < arrived(b) ? -1 : 1);
  return arrived(a) < arrived(b) ? 1 : -1;
}

async function act(job, what, said) {
  try {
    await what();
    announce(said);
  } catch (error) {
    toast(`${job.label || job.name}: ${error.message}`, "bad", error.hint);
  }
}

class Row {
  constructor(job, table) {
    this.table = table;
    this.label = el("span");
    this.sub = el("span", { class: "sub" });
    this.badge = el("span", { class: "badge" });
    this.place = el("span", { class: "small soft" });
    this.message = el("span", { class: "small soft" });
    this.bar = bar(`Progress of ${job.label || job.name}`);
    this.left = el("span", { class: "small soft number" });
    this.progress = el("div", { class: "progress" }, this.bar, this.left);
    this.reason = el("div", { class: "reason" });
    this.when = el("td", { class: "when" });
    this.tools = el("div");
    this.row = el("tr", { data: { job: job.id } },
      el("th", { scope: "row" }, this.label, this.sub),
      el("td", { class: "state" }, el("div", { class: "state-line" }, this.badge, this.place, this.message), this.progress, this.reason),
      this.when,
      el("td", { class: "tools" }, this.tools));
  }

  show(job, place) {
    this.job = job;
    this.row.dataset.state = job.state;
    const [title, kind, drawing] = STATES[job.state] ?? [job.state, "", "clock"];
    setText(this.label, job.label || job.name || job.id.slice(0, 8));
    setText(this.sub, [job.name && job.name !== job.label ? job.name : "", job.modality, job.engine, job.submitted_by && job.submitted_by !== "local" ? `by ${job.submitted_by}` : "",
      job.where ? `on ${job.where}` : "", job.cached_from ? "answered from an earlier, equal case" : ""].filter(Boolean).join(" · "));
    if (this.badge.dataset.state !== job.state) {
      this.badge.dataset.state = job.state;
      this.badge.className = `badge ${kind}`;
      this.badge.replaceChildren(icon(drawing), title);
    }
    const running = RUNNING.has(job.state);
    setText(this.place, place === undefined ? "" : place === 0 ? "next in the queue" : `number ${place + 1} in the queue`);
    setText(this.message, running || WAITING.has(job.state) ? job.message || "" : "");
    this.progress.hidden = !running;
    if (running) {
      this.bar.set(job.progress);
      setText(this.left, percent(job.progress) + (job.eta_s ? `, about ${duration(job.eta_s)} left` : ""));
    }
    this.explain(job);
    const at = arrived(job);
    setText(this.when, clockTime(at));
    this.when.title = at;
    const key = `${job.state} ${place === 0} ${this.table.queue.length - 1 === place} ${place !== undefined}`;
    if (this.shownTools !== key) {
      this.shownTools = key;
      this.makeTools(job, place);
    }
  }

  explain(job) {
    const text = job.error ? `${job.error.code} ${job.error.message}` : `${job.warnings?.length ?? 0} ${job.state}`;
    if (this.explained === text) return;
    this.explained = text;
    if (job.error && job.state !== "done") {
      this.reason.replaceChildren(el("span", { text: job.error.message }), " ", el("code", { text: job.error.code }),
        job.error.hint ? el("span", { class: "todo" }, el("b", { text: "What to do: " }), job.error.hint) : null);
    } else if (job.state === "done" && job.warnings?.length) {
      this.reason.replaceChildren(el("span", { class: "badge warn" }, icon("alert"), many(job.warnings.length, "warning")));
    } else {
      this.reason.replaceChildren();
    }
  }

  makeTools(job, place) {
    const name = job.label || job.name;
    const focused = this.tools.contains(document.activeElement) ? document.activeElement.dataset.tool : null;
    const tools = [];
    const add = (tool, drawing, text, onclick) => tools.push(iconButton(drawing, `${text}: ${name}`, onclick, { "data-tool": tool }));
    if (mayDo("operator") && place !== undefined && this.table.queue.length > 1) {
      const index = () => this.table.queue.findIndex((one) => one.id === job.id);
      if (place > 0) {
        add("next", "first", "Do next", () => this.table.move(this.job, 0));
        add("up", "up", "Move up in the queue", () => this.table.move(this.job, Math.max(0, index() - 1)));
      }
      if (place < this.table.queue.length - 1) add("down", "down", "Move down in the queue", () => this.table.move(this.job, index() + 1));
    }
    if (job.state === "done") {
      tools.push(el("a", { class: "button icon plain", href: address(`view/${part(job.id)}`), "aria-label": `Open in 3D: ${name}`,
        title: `Open in 3D: ${name}`, "data-tool": "view" }, icon("box")));
    }
    add("log", "log", "Show the log", () => showLog(this.job));
    if (mayDo("operator") && (job.state === "failed" || job.state === "cancelled" || job.state === "refused")) {
      add("retry", "retry", "Try again", () => act(this.job, () => ask("POST", `api/v1/jobs/${part(job.id)}/retry`), `${name}: tried again.`));
    }
    if (mayDo("operator") && !ENDED.has(job.state)) {
      add("cancel", "cancel", "Cancel", () => act(this.job, () => ask("POST", `api/v1/jobs/${part(job.id)}/cancel`), `${name}: cancelled.`));
    }
    if (mayDo("operator") && ENDED.has(job.state)) {
      add("delete", "trash", "Delete", () => removeJob(this.job));
    }
    this.tools.replaceChildren(...tools);
    if (focused) (this.tools.querySelector(`[data-tool="${focused}"]`) ?? this.tools.firstChild)?.focus();
  }
}

/** Delete a job and all its files, after asking. */
export async function removeJob(job) {
  const name = job.label || job.name;
  const sure = await confirm(`Delete ${name}?`,
    job.state === "done" ? "This removes the result, all its files and its input from the server. It cannot be undone."
      : "This removes the job and its input from the server. It cannot be undone.", "Delete");
  if (sure) await act(job, () => ask("DELETE", `api/v1/jobs/${part(job.id)}`), `${name}: deleted.`);
}
