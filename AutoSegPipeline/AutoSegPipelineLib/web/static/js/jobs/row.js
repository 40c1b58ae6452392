// One row of the table of jobs, changed in place so that focus stays.
import { ask, mayDo, part, address } from "../api.js";
import { bar, el, icon, iconButton, setText } from "../dom.js";
import { showLog } from "../dialogs.js";
import { ENDED, RUNNING, STATES, WAITING, arrived, clockTime, duration, many, percent } from "../words.js";
import { act, moveTo, removeJob } from "./actions.js";

/** One job; `table` has `places`, `queued`, `chosen`, `choose(job, on, range)`. */
export class Row {
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
    this.box = el("input", { type: "checkbox", onclick: (event) => this.table.choose(this.job, this.box.checked, event.shiftKey) });
    this.row = el("tr", { data: { job: job.id } },
      el("td", { class: "choose" }, el("label", {}, this.box, el("span", { class: "hidden-visually", text: `Select ${job.label || job.name}` }))),
      el("th", { scope: "row" }, this.label, this.sub),
      el("td", { class: "state" }, el("div", { class: "state-line" }, this.badge, this.place, this.message), this.progress, this.reason),
      this.when,
      el("td", { class: "tools" }, this.tools));
  }

  show(job, place, index) {
    this.job = job;
    this.row.setAttribute("aria-rowindex", index + 2); // the first one is the head
    this.box.checked = this.table.chosen.has(job.id);
    this.row.classList.toggle("chosen", this.box.checked);
    this.row.dataset.state = job.state;
    const [title, kind, drawing] = STATES[job.state] ?? [job.state, "", "clock"];
    setText(this.label, job.label || job.name || job.id.slice(0, 8));
    setText(this.sub, [job.name && job.name !== job.label ? job.name : "", job.modality, job.engine, job.submitted_by && job.submitted_by !== "local" ? `by ${job.submitted_by}` : "",
      job.review?.mark ? `reviewed: ${job.review.mark}${job.review.outdated ? " (an earlier result)" : ""}` : "",
      job.where ? `on ${job.where}` : "", job.cached_from ? "answered from an earlier, equal case" : ""].filter(Boolean).join(" · "));
    if (this.badge.dataset.state !== job.state) {
      this.badge.dataset.state = job.state;
      this.badge.className = `badge ${kind}`;
      this.badge.replaceChildren(icon(drawing), title);
    }
    const running = RUNNING.has(job.state);
    this.place0 = place;
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
    const key = `${job.state} ${job.outputs.length > 0} ${place === 0} ${this.table.queued - 1 === place} ${place !== undefined}`;
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
    if (mayDo("operator") && place !== undefined && this.table.queued > 1) {
      const move = (to) => moveTo(this.job, this.place0, to(this.place0));
      if (place > 0) {
        add("next", "first", "Do next", () => move(() => 0));
        add("up", "up", "Move up in the queue", () => move((at) => Math.max(0, at - 1)));
      }
      if (place < this.table.queued - 1) add("down", "down", "Move down in the queue", () => move((at) => at + 1));
    }
    if (job.outputs.length) { // also while it runs again: the result stays until the new one replaces it
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
