// What the server knows of jobs, kept up to date: server-sent events, polling where they do not come through.
import { address, getJson } from "./api.js";
import { arrived } from "./words.js";

const FIRST = 200; // jobs of the first look; older ones come on demand
const POLL_MS = 3000;
const QUIET_MS = 40000;
const TRIES = 3; // event streams that broke at once before it polls

/** Events: `job` {job, before}, `gone` {id}, `status`, `online`, `offline` {tries}, `ready`. */
export class Live extends EventTarget {
  constructor() {
    super();
    this.jobs = new Map();
    this.revision = 0;
    this.cursor = null;
    this.status = null;
    this.online = true;
    this.mode = "";
    this.failures = 0;
    this.broken = 0;
  }

  async start() {
    addEventListener("online", () => this.wake());
    addEventListener("offline", () => this.lost());
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.wake(); });
    await this.begin();
  }

  async begin() {
    try {
      const page = await getJson(`api/v1/jobs?limit=${FIRST}&order=newest`);
      const there = new Set(page.jobs.map((job) => job.id));
      this.revision = page.revision ?? 0;
      if (!this.cursor) this.cursor = page.cursor;
      for (const job of page.jobs) this.take(job);
      // After a long absence: what is not there any more and is no older page's.
      if (!page.cursor) for (const id of [...this.jobs.keys()]) if (!there.has(id)) this.drop(id);
      await this.look();
      this.found();
      this.say("ready");
      this.listen();
    } catch (error) {
      if (error.status === 401 || error.status === 403) throw error;
      this.lost();
      this.again(() => this.begin());
    }
  }

  /** Older jobs than those shown; whether there are still more. */
  async older() {
    if (!this.cursor) return false;
    const page = await getJson(`api/v1/jobs?limit=${FIRST}&order=newest&cursor=${encodeURIComponent(this.cursor)}`);
    this.cursor = page.cursor;
    for (const job of page.jobs) this.take(job);
    return this.cursor !== null;
  }

  async look() {
    this.status = await getJson("api/v1/status");
    this.say("status", { status: this.status });
  }

  listen() {
    this.close();
    if (this.broken >= TRIES || !("EventSource" in window)) {
      this.mode = "poll";
      this.again(() => this.poll(), POLL_MS);
      return;
    }
    this.mode = "events";
    const source = new EventSource(address(`api/v1/events?since=${this.revision}`));
    this.source = source;
    source.onopen = () => { this.broken = 0; this.found(); this.heard(); };
    source.onerror = () => {
      this.close();
      this.broken += 1;
      this.again(() => this.poll(), 1000);
    };
    const on = (type, act) => source.addEventListener(type, (event) => {
      this.heard();
      if (event.lastEventId) this.revision = Math.max(this.revision, Number(event.lastEventId) || 0);
      act(event.data ? JSON.parse(event.data) : {});
    });
    on("hello", () => {});
    on("job", (data) => this.take(data));
    on("deleted", (data) => this.drop(data.id));
    on("status", (data) => {
      this.status = { ...this.status, ...data };
      this.say("status", { status: this.status });
    });
    on("reset", () => this.again());
    this.heard();
  }

  heard() {
    clearTimeout(this.silence);
    // Heartbeats are comments, which no listener hears: a look by hand tells a dead stream from a quiet one.
    this.silence = setTimeout(() => { this.close(); this.poll(); }, QUIET_MS);
  }

  /** One look at what changed since; then events again where they may work. */
  async poll() {
    try {
      const news = await getJson(`api/v1/events?since=${this.revision}`);
      if (news.reset) this.jobs.clear();
      for (const job of news.jobs) this.take(job);
      for (const id of news.deleted) this.drop(id);
      this.revision = news.reset ? news.revision : Math.max(this.revision, news.revision);
      if (news.more) return this.again(() => this.poll(), 10);
      await this.look();
      this.found();
      if (this.mode === "events") this.listen();
      else this.again(() => this.poll(), POLL_MS);
    } catch (error) {
      if (error.status === 0 || error.status >= 500) this.lost();
      this.again(() => this.poll());
    }
    return undefined;
  }

  /** The server has another store than the one that is known here. */
  again() {
    for (const id of [...this.jobs.keys()]) this.drop(id);
    this.cursor = null;
    this.revision = 0;
    this.close();
    this.again(() => this.begin(), 50);
  }

  take(job) {
    const before = this.jobs.get(job.id);
    if (before && before.revision > job.revision) return;
    this.jobs.set(job.id, job);
    this.say("job", { job, before });
  }

  drop(id) {
    if (this.jobs.delete(id)) this.say("gone", { id });
  }

  lost() {
    this.failures += 1;
    this.online = false;
    this.say("offline", { tries: this.failures });
  }

  found() {
    this.failures = 0;
    if (!this.online) {
      this.online = true;
      this.say("online");
    }
  }

  wake() {
    if (!this.online || this.mode === "poll") this.again(() => this.poll(), 50);
  }

  again(act, after = Math.min(15000, 1000 * 2 ** Math.min(this.failures, 4))) {
    clearTimeout(this.timer);
    this.timer = setTimeout(act, after);
  }

  close() {
    clearTimeout(this.silence);
    this.source?.close();
    this.source = null;
  }

  say(type, detail = {}) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** How urgent a waiting job is now: its priority and a point for each minute that it waited. */
export function urgency(job, now = Date.now()) {
  const since = Date.parse(job.times?.queued ?? "") || now;
  return job.priority + Math.max(0, now - since) / 60000;
}

/** Waiting jobs as the pipeline will take them. */
export function queueOf(jobs) {
  const now = Date.now();
  return [...jobs.values()].filter((job) => job.state === "queued")
    .sort((a, b) => urgency(b, now) - urgency(a, now) || (arrived(a) < arrived(b) ? -1 : 1));
}
