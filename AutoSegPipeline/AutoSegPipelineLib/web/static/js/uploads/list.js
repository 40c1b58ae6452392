// The uploads that people see: one line each, with progress, speed, pause, resume, cancel.
import { getJson } from "../api.js";
import { announce, bar, byId, el, iconButton, setText, toast } from "../dom.js";
import { ENDED, PROBLEMS, STATES, bytes, duration, many } from "../words.js";
import { dropped, pickedFolder, withData } from "./drop.js";
import { Transfer } from "./transfer.js";

const AT_ONCE = 2;
const MOST_FOLLOWED = 100; // jobs of one upload

export class UploadList {
  constructor(options, live) {
    this.options = options;
    live.addEventListener("job", (event) => { for (const line of this.lines) line.jobChanged(event.detail.job); });
    live.addEventListener("gone", (event) => { for (const line of this.lines) line.jobGone(event.detail.id); });
    this.lines = [];
    this.list = byId("uploads");
    this.over = byId("uploads-done");
    const files = byId("files");
    const folder = byId("folder");
    byId("pick-files").addEventListener("click", () => files.click());
    byId("pick-folder").addEventListener("click", () => folder.click());
    if (!("webkitdirectory" in folder)) byId("pick-folder").hidden = true;
    files.addEventListener("change", () => { this.add(withData(files.files)); files.value = ""; });
    folder.addEventListener("change", () => { this.add(pickedFolder(folder.files)); folder.value = ""; });
    byId("upload").addEventListener("submit", (event) => event.preventDefault());
    this.watchDrops();
    byId("uploads-pause").addEventListener("click", () => this.pauseAll());
    byId("uploads-clear").addEventListener("click", () => {
      for (const line of this.lines.filter((one) => one.transfer.over && !one.follows)) line.remove();
    });
    addEventListener("beforeunload", (event) => {
      if (this.lines.some((line) => ["sending", "waiting"].includes(line.transfer.state))) event.preventDefault();
    });
  }

  watchDrops() {
    const zone = byId("drop");
    let depth = 0;
    const over = (on) => zone.classList.toggle("over", on);
    addEventListener("dragenter", (event) => { if (hasFiles(event)) { depth += 1; over(true); event.preventDefault(); } });
    addEventListener("dragover", (event) => { if (hasFiles(event)) { event.preventDefault(); event.dataTransfer.dropEffect = "copy"; } });
    addEventListener("dragleave", () => { depth = Math.max(0, depth - 1); if (!depth) over(false); });
    addEventListener("drop", async (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      depth = 0;
      over(false);
      try {
        this.add(await dropped(event.dataTransfer));
      } catch (error) {
        toast("The dropped files could not be read.", "bad", String(error.message ?? error));
      }
    });
    addEventListener("paste", (event) => { if (event.clipboardData?.files.length) this.add(withData(event.clipboardData.files)); });
  }

  add(things) {
    if (!things.length) return toast("The dropped items contain no file.", "warn");
    const options = this.options.values();
    for (const thing of things) {
      const line = new Line(new Transfer(thing, options), this);
      this.lines.push(line);
      this.list.append(line.element);
    }
    announce(`${many(things.length, "upload")} added.`);
    byId("uploads-all").hidden = false;
    return this.pump();
  }

  pump() {
    const sending = this.lines.filter((line) => line.transfer.state === "sending").length;
    const waiting = this.lines.filter((line) => line.transfer.state === "waiting");
    for (const line of waiting.slice(0, Math.max(0, AT_ONCE - sending))) line.transfer.start();
    this.say();
  }

  say() {
    const live = this.lines.filter((line) => ["sending", "waiting"].includes(line.transfer.state));
    const paused = this.lines.filter((line) => line.transfer.state === "paused");
    const speed = live.reduce((sum, line) => sum + line.transfer.speed, 0);
    setText(byId("uploads-said"), live.length ? `${many(live.length, "upload")} under way, ${bytes(speed)}/s` : paused.length ? `${many(paused.length, "upload")} paused` : "");
    const pause = byId("uploads-pause");
    pause.hidden = this.lines.length < 2 || !(live.length || paused.length);
    setText(pause, live.length ? "Pause all" : "Resume all");
    byId("uploads-clear").hidden = !this.lines.some((line) => line.transfer.over && !line.follows);
    const folded = this.over.childElementCount;
    byId("uploads-over").hidden = folded === 0;
    setText(byId("uploads-over-text"), `${many(folded, "upload")} finished`);
    byId("uploads-all").hidden = !this.lines.length;
  }

  pauseAll() {
    const live = this.lines.filter((line) => ["sending", "waiting"].includes(line.transfer.state));
    if (live.length) live.forEach((line) => line.transfer.pause());
    else this.lines.filter((line) => line.transfer.state === "paused").forEach((line) => line.transfer.queue());
    this.pump();
  }
}

class Line {
  constructor(transfer, list) {
    this.transfer = transfer;
    this.list = list;
    this.jobs = new Map(); // what became of it, by id
    const name = transfer.label;
    this.bar = bar(`Upload of ${name}`);
    this.words = el("div", { class: "say number" });
    this.tools = el("div", { class: "upload-tools" });
    this.element = el("li", { class: "upload" }, el("div", { class: "name" }, name,
      transfer.count > 1 ? el("span", { class: "soft small", text: ` ${many(transfer.count, "file")}` }) : null), this.tools, this.bar, this.words);
    transfer.addEventListener("change", () => this.show());
    this.show();
  }

  show() {
    const one = this.transfer;
    this.element.className = `upload ${one.state}${this.problems.length ? " refused" : ""}`;
    this.bar.set(one.size ? one.sent / one.size : one.over ? 1 : 0, one.state === "failed" ? "bad" : one.state === "sent" ? "done" : "");
    setText(this.words, this.text());
    if (this.state !== one.state) {
      const before = this.state;
      this.state = one.state;
      this.makeTools();
      if (before && one.state === "sent") announce(`${one.label} was uploaded.`);
      if (one.state === "sent") this.follow();
      if (before && one.state === "failed") announce(`${one.label} was not uploaded. ${one.problem}`);
      queueMicrotask(() => this.list.pump());
    } else {
      this.list.say();
    }
  }

  /** Jobs of it that were refused or failed. */
  get problems() {
    return [...this.jobs.values()].filter((job) => PROBLEMS.has(job.state));
  }

  /** Whether the last word on it is not spoken yet. */
  get follows() {
    return this.transfer.state === "sent" && this.transfer.jobs.some((id) => !ENDED.has(this.jobs.get(id)?.state));
  }

  /** What became of it may be known before the upload's own answer is: look once, then hear of changes. */
  async follow() {
    this.settle();
    const ids = this.transfer.jobs.slice(0, MOST_FOLLOWED);
    if (!ids.length) return;
    const page = await getJson(`api/v1/jobs?limit=${MOST_FOLLOWED}&ids=${ids.join(",")}`).catch(() => ({ jobs: [] }));
    for (const job of page.jobs) this.jobChanged(job);
  }

  jobChanged(job) {
    if (!this.transfer.jobs.includes(job.id) || (this.jobs.get(job.id)?.revision ?? -1) >= job.revision) return;
    this.jobs.set(job.id, job);
    this.settle();
    this.show();
  }

  /** Of a job that was deleted nothing more is to be heard. */
  jobGone(id) {
    if (!this.transfer.jobs.includes(id)) return;
    this.transfer.jobs = this.transfer.jobs.filter((one) => one !== id);
    this.jobs.delete(id);
    this.settle();
    this.show();
  }

  /** Finished uploads fold away; one that went wrong stays, or comes back. */
  settle() {
    const target = this.transfer.state === "sent" && !this.problems.length ? this.list.over : this.list.list;
    if (this.element.parentElement !== target) {
      const focused = this.element.contains(document.activeElement);
      target.append(this.element);
      if (focused) byId("pick-files").focus();
    }
    this.list.say();
  }

  text() {
    const one = this.transfer;
    const amount = `${bytes(one.sent)} of ${bytes(one.size)}`;
    if (one.state === "waiting") return `Waiting, ${bytes(one.size)}`;
    if (one.state === "paused") return `Paused, ${amount}`;
    const [first] = this.problems;
    if (first) {
      const [what] = STATES[first.state];
      const some = this.transfer.jobs.length > 1 ? ` (${this.problems.length} of ${this.transfer.jobs.length} jobs)` : "";
      return `${what}${some}: ${first.error?.message ?? ""} ${first.error?.hint ?? ""}`.trim();
    }
    if (one.state === "sent") return `Uploaded, ${bytes(one.size)}. ${one.said}`;
    if (one.state === "failed") return one.problem;
    if (one.said) return `${amount}. ${one.said}`;
    const left = one.speed > 0 ? `, ${bytes(one.speed)}/s, ${duration((one.size - one.sent) / one.speed)} left` : "";
    return amount + left;
  }

  makeTools() {
    const one = this.transfer;
    const had = this.tools.contains(document.activeElement);
    const tools = [];
    if (["sending", "waiting"].includes(one.state)) tools.push(iconButton("pause", `Pause ${one.label}`, () => one.pause()));
    if (one.state === "paused") tools.push(iconButton("play", `Resume ${one.label}`, () => one.queue()));
    if (one.state === "failed") tools.push(iconButton("retry", `Try to upload ${one.label} again`, () => one.queue()));
    if (!one.over || one.state === "failed") {
      tools.push(iconButton("cancel", `Cancel the upload of ${one.label}`, async () => { await one.cancel(); this.remove(); }));
    } else {
      tools.push(iconButton("cancel", `Remove ${one.label} from this list`, () => this.remove()));
    }
    this.tools.replaceChildren(...tools);
    if (had) this.tools.firstChild?.focus();
  }

  remove() {
    const next = this.element.nextElementSibling ?? this.element.previousElementSibling;
    const had = this.element.contains(document.activeElement);
    this.element.remove();
    this.list.lines = this.list.lines.filter((line) => line !== this);
    if (had) (next?.querySelector("button") ?? byId("pick-files")).focus();
    this.list.pump();
  }
}

function hasFiles(event) {
  return [...(event.dataTransfer?.types ?? [])].includes("Files");
}
