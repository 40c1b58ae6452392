// The connection to the server's changes: server-sent events, polling where they do not come through.
// It knows no page: it runs in a shared worker, in the tab that leads, or in a single tab.

export const PROTOCOL = 1; // of the messages below; part of the name by which tabs find one another
const POLL_MS = 3000;
const QUIET_MS = 40000;
const TRIES = 3; // event streams that broke at once before it polls

/**
 * Says `{type, revision, mode, ...}`: `state` {online, status}, `job` {job}, `gone` {id}, `status` {status}, `online`,
 * `offline` {tries}, `reset` (the server has another store) and `login` (it does not know who asks).
 */
export class Feed {
  constructor(base, say) {
    this.base = base;
    this.tell = say;
    this.revision = null;
    this.status = null;
    this.online = true;
    this.mode = "";
    this.failures = 0;
    this.broken = 0;
    this.stopped = false; // nobody is logged in; `wake` begins again
  }

  say(type, more = {}) {
    this.tell({ type, revision: this.revision, mode: this.mode, ...more });
  }

  /** What whoever joins has to know; nothing before the server has answered once. */
  sayState() {
    if (this.revision !== null && this.status) this.say("state", { online: this.online, status: this.status });
    else if (!this.online) this.say("offline", { tries: this.failures });
  }

  /** Begin after `revision`, or now. */
  async begin(revision = null) {
    try {
      this.revision = revision ?? (await this.get("api/v1/jobs?limit=1")).revision ?? 0;
      this.status = await this.get("api/v1/status");
      this.found();
      this.listen();
      this.sayState();
    } catch (error) {
      this.failed(error, () => this.begin(revision));
    }
  }

  async get(path) {
    const response = await fetch(this.address(path), { credentials: "same-origin", cache: "no-store", headers: { Accept: "application/json" } });
    if (!response.ok) throw Object.assign(new Error(`The server answered ${response.status}.`), { status: response.status });
    return response.json();
  }

  address(path) {
    return `${location.origin}${this.base}/${path}`;
  }

  listen() {
    this.hangUp();
    if (this.broken >= TRIES || typeof EventSource === "undefined") {
      this.mode = "poll";
      this.later(() => this.poll(), POLL_MS);
      return;
    }
    this.mode = "events";
    const source = new EventSource(this.address(`api/v1/events?since=${this.revision}`));
    this.source = source;
    source.onopen = () => { this.broken = 0; this.found(); this.heard(); };
    source.onerror = () => {
      this.hangUp();
      this.broken += 1;
      this.later(() => this.poll(), 1000);
    };
    const on = (type, act) => source.addEventListener(type, (event) => {
      this.heard();
      if (event.lastEventId) this.revision = Math.max(this.revision, Number(event.lastEventId) || 0);
      act(event.data ? JSON.parse(event.data) : {});
    });
    on("hello", () => {});
    on("job", (job) => this.say("job", { job }));
    on("deleted", ({ id }) => this.say("gone", { id }));
    on("status", (news) => this.took({ ...this.status, ...news }));
    on("reset", () => this.startOver());
    this.heard();
  }

  took(status) {
    this.status = status;
    this.say("status", { status });
  }

  heard() {
    clearTimeout(this.silence);
    // Heartbeats are comments, which no listener hears: a look by hand tells a dead stream from a quiet one.
    this.silence = setTimeout(() => { this.hangUp(); this.poll(); }, QUIET_MS);
  }

  /** One look at what changed since; then events again where they may work. */
  async poll() {
    try {
      const news = await this.get(`api/v1/events?since=${this.revision}`);
      if (news.reset) return this.startOver();
      for (const job of news.jobs) this.say("job", { job });
      for (const id of news.deleted) this.say("gone", { id });
      this.revision = Math.max(this.revision, news.revision);
      if (news.more) return this.later(() => this.poll(), 10);
      this.took(await this.get("api/v1/status"));
      this.found();
      if (this.mode === "events") this.listen();
      else this.later(() => this.poll(), POLL_MS);
    } catch (error) {
      this.failed(error, () => this.poll());
    }
    return undefined;
  }

  startOver() {
    this.hangUp();
    this.say("reset");
    this.later(() => this.begin(), 50);
  }

  failed(error, act) {
    if (error.status === 401) {
      this.stopped = true;
      return this.say("login");
    }
    if (!error.status || error.status >= 500) this.lost();
    return this.later(act);
  }

  lost() {
    this.failures += 1;
    this.online = false;
    this.say("offline", { tries: this.failures });
  }

  found() {
    this.failures = 0;
    if (this.online) return;
    this.online = true;
    this.say("online");
  }

  /** The network or the login may be back, or somebody looks again. */
  wake() {
    if (this.stopped) {
      this.stopped = false;
      this.begin(this.revision);
    } else if (this.revision !== null && (!this.online || this.mode === "poll")) this.later(() => this.poll(), 50);
  }

  later(act, after = Math.min(15000, 1000 * 2 ** Math.min(this.failures, 4))) {
    clearTimeout(this.timer);
    this.timer = setTimeout(act, after);
  }

  hangUp() {
    clearTimeout(this.silence);
    this.source?.close();
    this.source = null;
  }

  end() {
    this.hangUp();
    clearTimeout(this.timer);
  }
}
