// Jobs that were chosen, also over what is drawn, and what is done to all of them.
import { address, ask, csrf, getJson, mayDo, part, via } from "../api.js";
import { announce, byId, el, icon, setText, toast } from "../dom.js";
import { askReview, confirm, progressDialog, shareMany } from "../dialogs.js";
import { many } from "../words.js";

const AT_ONCE = 50; // of the hundred that the server takes
const MOST_ZIPPED = 1000;
const MOST_SHARED = 50;
const ENDED = "ended";

export class Selection {
  constructor(table) {
    this.table = table;
    this.ids = new Set();
    this.last = null; // for a range with Shift
    this.all = byId("jobs-choose-all");
    this.bar = byId("jobs-chosen");
    this.said = byId("jobs-chosen-text");
    this.all.addEventListener("click", () => (this.ids.size ? this.clear() : this.chooseAll()));
    const button = (text, drawing, act, kind = "") => el("button", { type: "button", class: `button small ${kind}`, onclick: act }, icon(drawing), text);
    const tools = [button("Download", "download", () => this.download())];
    if (mayDo("operator")) {
      tools.push(button("Try again", "retry", () => this.act("retry", "failed,cancelled,refused", "Try again", "tried again")),
        button("Cancel jobs", "cancel", () => this.act("cancel", "running,waiting", "Cancel", "cancelled")));
      tools.push(button("Review", "check", () => this.review()));
      if (via === "session") tools.push(button("Share", "share", () => this.share()));
      tools.push(button("Delete", "trash", () => this.act("delete", ENDED, "Delete", "deleted"), "danger"));
    }
    tools.push(button("Clear the selection", "cancel", () => this.clear(), "plain"));
    byId("jobs-chosen-tools").replaceChildren(...tools);
  }

  /** With `range` everything between this one and the last that was chosen. */
  async choose(job, on, range) {
    const begin = range && this.last ? this.last : job.id;
    this.last = job.id;
    for (const id of await this.between(begin, job.id)) {
      if (on) this.ids.add(id);
      else this.ids.delete(id);
    }
    this.show();
  }

  /** The ids from one job to another; the server knows those that were not loaded. */
  async between(one, other) {
    const { pages } = this.table;
    const [from, to] = [pages.at(one), pages.at(other)].sort((a, b) => a - b);
    const known = from < 0 ? [] : Array.from(pages.jobs.slice(from, to + 1), (job) => job?.id);
    if (known.length && known.every(Boolean)) return known;
    try {
      const ids = await this.listed();
      const [first, last] = [ids.indexOf(one), ids.indexOf(other)].sort((a, b) => a - b);
      return first < 0 ? [other] : ids.slice(first, last + 1);
    } catch (error) {
      toast(error.message, "bad", error.hint);
      return [other];
    }
  }

  /** The ids of the list, in its order. */
  async listed() {
    const { states, search } = this.table.pages;
    return (await getJson(`api/v1/jobs/ids?${new URLSearchParams({ ...(states && { state: states }), ...(search && { search }) })}`)).ids;
  }

  /** Everything that filter and search leave, not only what is drawn. */
  async chooseAll() {
    try {
      this.ids = new Set(await this.listed());
      announce(`${many(this.ids.size, "job")} selected.`, "selected");
    } catch (error) {
      toast(error.message, "bad", error.hint);
    }
    this.show();
    this.table.windowed.later();
  }

  clear() {
    this.ids.clear();
    this.show();
    this.table.windowed.later();
  }

  drop(id) {
    if (this.ids.delete(id)) this.show();
  }

  /** What is chosen stays chosen in another list: the bar says how many. */
  listChanged() {
    this.last = null;
    this.show();
  }

  show() {
    const size = this.ids.size;
    const { jobs, total } = this.table.pages;
    const focused = this.bar.contains(document.activeElement);
    this.bar.hidden = size === 0;
    setText(this.said, `${many(size, "job")} selected`);
    // Chosen jobs may be of another list.
    this.all.checked = size > 0 && size >= total && jobs.every((job) => !job || this.ids.has(job.id));
    this.all.indeterminate = size > 0 && !this.all.checked;
    this.all.disabled = size === 0 && total === 0;
    if (focused && this.bar.hidden) (this.all.disabled ? byId("jobs-search") : this.all).focus();
  }

  /** Those of the chosen that are in `states` now. */
  those(states) {
    return this.among(`state=${part(states)}`);
  }

  /** Those of the chosen that have a result, also while they run again. */
  published() {
    return this.among("published=true");
  }

  async among(query) {
    const { ids } = await getJson(`api/v1/jobs/ids?${query}`);
    return ids.filter((id) => this.ids.has(id));
  }

  /** Ask, then do it in portions that can be stopped. */
  async act(action, states, verb, done) {
    try {
      const ids = await this.those(states);
      const left = this.ids.size - ids.length;
      const stay = left ? ` ${many(left, "selected job")} ${left === 1 ? "is" : "are"} in another state and ${left === 1 ? "stays" : "stay"} as ${left === 1 ? "it is" : "they are"}.` : "";
      if (!ids.length) return toast(`None of the selected jobs can be ${done} now.`, "warn");
      const text = action === "delete" ? "This removes results, files and inputs from the server. It cannot be undone." : "";
      if (!(await confirm(`${verb}: ${many(ids.length, "job")}?`, `${text}${stay}`.trim() || "They are done one after another.", verb,
        action === "delete" ? "Keep them" : "Leave them"))) return undefined;
      return await this.send(action, ids, done);
    } catch (error) {
      return toast(error.message, "bad", error.hint);
    }
  }

  async send(action, ids, done) {
    const dialog = ids.length > AT_ONCE ? progressDialog(`${many(ids.length, "job")} are being ${done}`) : null;
    const failed = [];
    let count = 0;
    try {
      for (let at = 0; at < ids.length && !dialog?.stopped; at += AT_ONCE) {
        const answer = await (await ask("POST", "api/v1/jobs/actions", { action, jobs: ids.slice(at, at + AT_ONCE) })).json();
        count += answer.done.length;
        failed.push(...answer.failed);
        dialog?.show((at + AT_ONCE) / ids.length, `${count.toLocaleString("en")} ${done}`);
      }
    } finally {
      dialog?.close();
    }
    this.clear();
    announce(`${many(count, "job")} ${done}.`);
    if (failed.length) {
      toast(`${many(failed.length, "job")} not ${done}. ${failed[0].message}`, "bad", failed[0].hint);
    } else {
      toast(`${many(count, "job")} ${done}.`);
    }
  }

  async download() {
    try {
      const ids = await this.published();
      if (!ids.length) return toast("None of the selected jobs has results.", "warn");
      if (ids.length > MOST_ZIPPED) return toast(`One archive holds ${MOST_ZIPPED.toLocaleString("en")} results at most; ${ids.length.toLocaleString("en")} are selected.`, "warn");
      sendForm("api/v1/results.zip", { jobs: ids.join(","), csrf });
      const left = this.ids.size - ids.length;
      return toast(`${many(ids.length, "result")} in one archive.${left ? ` ${many(left, "selected job")} without results left out.` : ""}`);
    } catch (error) {
      return toast(error.message, "bad", error.hint);
    }
  }

  /** Say of all of them whether they are good or bad. */
  async review() {
    try {
      const ids = await this.published();
      if (!ids.length) return toast("None of the selected jobs has results.", "warn");
      const given = await askReview(`Review ${many(ids.length, "result")}`);
      if (!given) return undefined;
      let kept = 0;
      for (let at = 0; at < ids.length; at += AT_ONCE) {
        const answer = await (await ask("POST", "api/v1/jobs/review", { ...given, jobs: ids.slice(at, at + AT_ONCE) })).json();
        kept += answer.jobs.filter((one) => !one.error).length;
        const wrong = answer.jobs.find((one) => one.error)?.error;
        if (wrong) toast(wrong.message, "bad", wrong.hint);
      }
      this.clear();
      return toast(`${many(kept, "result")} reviewed.`);
    } catch (error) {
      return toast(error.message, "bad", error.hint);
    }
  }

  async share() {
    try {
      const ids = await this.published();
      if (!ids.length) return toast("None of the selected jobs has results.", "warn");
      if (ids.length > MOST_SHARED) return toast(`At most ${MOST_SHARED} results can be shared at once.`, "warn");
      const { jobs } = await getJson(`api/v1/jobs?limit=500&ids=${ids.join(",")}`);
      return await shareMany(jobs);
    } catch (error) {
      return toast(error.message, "bad", error.hint);
    }
  }
}

/** A download by POST, as a thousand ids are too long for an address. What the frame loads is no download but a problem. */
function sendForm(path, fields) {
  const frame = el("iframe", { name: "download", hidden: true });
  const form = el("form", { method: "post", action: address(path), target: "download", hidden: true },
    ...Object.entries(fields).map(([name, value]) => el("input", { type: "hidden", name, value })));
  document.querySelector("iframe[name=download]")?.remove();
  document.body.append(frame, form);
  frame.addEventListener("load", () => { if (!isBlank(frame)) toast("The archive could not be made.", "bad", "Reload the page and try again."); });
  form.submit();
  form.remove();
}

function isBlank(frame) {
  try {
    return frame.contentWindow.location.href === "about:blank";
  } catch {
    return false; // of another origin: the browser's own page
  }
}
