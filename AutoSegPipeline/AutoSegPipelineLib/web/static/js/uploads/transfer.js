// One thing on its way: a file, or all files of a folder as a batch that becomes whole at its end.
import { ask, getJson, part } from "../api.js";
import { many } from "../words.js";
import { Stopped, TusFile, metadata } from "./tus.js";

const AT_ONCE = 4; // files of one folder
const SPEED_SECONDS = 3;

/** States: waiting, sending, paused, failed, sent. Event: `change`. */
export class Transfer extends EventTarget {
  constructor(thing, { expect = "", ...options }) {
    super();
    this.label = thing.label;
    this.folder = thing.folder;
    this.options = options;
    this.expect = expect; // sent with each file: the first of a batch says it for all
    this.batch = thing.folder ? token() : "";
    this.files = thing.files.map(({ file, path }) => ({ file, path, sent: 0, done: false, making: null, tus: null }));
    this.count = this.files.length;
    this.size = this.files.reduce((sum, one) => sum + one.file.size, 0);
    this.state = "waiting";
    this.said = "";
    this.problem = "";
    this.jobs = [];
    this.past = [];
    this.run = 0; // counts starts: what an earlier one still waits for must not act in this one
  }

  get sent() {
    return this.files.reduce((sum, one) => sum + one.sent, 0);
  }

  get over() {
    return this.state === "sent" || this.state === "failed";
  }

  /** Bytes a second, of the last seconds. */
  get speed() {
    if (this.state !== "sending" || this.past.length < 2) return 0;
    const [first, last] = [this.past[0], this.past.at(-1)];
    return last[0] > first[0] ? Math.max(0, (1000 * (last[1] - first[1])) / (last[0] - first[0])) : 0;
  }

  enter(state) {
    this.state = state;
    this.past = [];
    this.dispatchEvent(new Event("change"));
  }

  note(one, sent, said = "") {
    one.sent = sent;
    this.said = said;
    const now = performance.now();
    this.past.push([now, this.sent]);
    while (this.past.length > 2 && now - this.past[0][0] > SPEED_SECONDS * 1000) this.past.shift();
    if (now - (this.told ?? 0) < 100 && !said) return;
    this.told = now;
    this.dispatchEvent(new Event("change"));
  }

  /** Send what is left; ends in sent, failed or paused. */
  async start() {
    const run = ++this.run;
    this.problem = "";
    this.enter("sending");
    try {
      const left = this.files.filter((one) => !one.done);
      const lanes = Array.from({ length: Math.min(AT_ONCE, left.length) }, () => this.lane(left, run));
      await Promise.all(lanes);
      if (!this.runs(run)) return;
      if (this.batch) await this.finish();
      this.said = this.jobs.length > 1 ? `It became ${many(this.jobs.length, "job")}.` : "It became a job.";
      this.enter("sent");
    } catch (error) {
      if (error instanceof Stopped || !this.runs(run)) return;
      for (const one of this.files) one.tus?.stop();
      this.problem = `${error.message}${error.hint && error.hint !== error.message ? ` ${error.hint}` : ""}`;
      this.enter("failed");
    }
  }

  runs(run) {
    return this.state === "sending" && this.run === run;
  }

  async lane(left, run) {
    for (let one = left.shift(); one && this.runs(run); one = left.shift()) {
      one.making ??= this.make(one);
      one.tus = await one.making;
      if (!this.runs(run)) return;
      const found = await one.tus.send();
      if (one.done) continue; // an earlier start waited for it too
      one.done = true;
      one.sent = one.file.size;
      this.jobs.push(...(found ?? []));
    }
  }

  async make(one) {
    const about = { filename: one.file.name, path: this.folder ? one.path : "", modified: one.file.lastModified, batch: this.batch, expect: this.expect,
      options: this.batch || !Object.keys(this.options).length ? "" : JSON.stringify(this.options) };
    const tus = new TusFile(one.file, about, (sent, said) => this.note(one, sent, said));
    if (!this.batch) tus.url = await known(one.file, metadata(about));
    return tus;
  }

  /** The same answer comes again where it was asked before and got lost. */
  async finish() {
    const options = Object.keys(this.options).length ? `?options=${part(JSON.stringify(this.options))}` : "";
    this.said = "Creating jobs ...";
    this.dispatchEvent(new Event("change"));
    for (let tries = 0; ; tries += 1) {
      try {
        const answer = await (await ask("POST", `api/v1/uploads/batches/${part(this.batch)}/finish${options}`)).json();
        this.jobs = (answer.jobs ?? []).map((job) => job.id);
        return;
      } catch (error) {
        if (tries > 5 || !(error.status === 0 || error.status === 503)) throw error;
        await new Promise((resolve) => { setTimeout(resolve, 1000 * 2 ** tries); });
      }
    }
  }

  pause() {
    if (!["sending", "waiting"].includes(this.state)) return;
    this.enter("paused");
    for (const one of this.files) if (!one.done) one.tus?.stop();
  }

  /** Back in line, after a pause or a failure. */
  queue() {
    if (["paused", "failed"].includes(this.state)) this.enter("waiting");
  }

  async cancel() {
    this.enter("failed");
    await Promise.all(this.files.filter((one) => !one.done || this.batch).map((one) => one.tus?.forget()));
    if (this.batch) await ask("DELETE", `api/v1/uploads/batches/${part(this.batch)}`).catch(() => {}); // it expires
  }
}

/** The address of an upload of this very file that a closed page left, or null. */
async function known(file, about) {
  try {
    const { uploads } = await getJson("api/v1/uploads");
    for (const one of uploads.filter((upload) => upload.length === file.size && upload.offset > 0)) {
      const response = await fetch(one.href, { method: "HEAD", headers: { "Tus-Resumable": "1.0.0" } });
      if (response.headers.get("upload-metadata") === about) return new URL(one.href, location.href).href;
    }
  } catch {
    return null; // then it begins again
  }
  return null;
}

function token() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
