// What changes on the server, as events of this tab. The connection is shared with the other tabs.
import { base, logInAgain, userName } from "./api.js";
import { nameOf, sources } from "./events/sources.js";

const BEGIN_MS = 8000; // until a source has said something
const QUIET_MS = 60000;
const ANSWER_MS = 15000;
const NEWS = new Set(["job", "gone", "status"]); // only a server that answers sends them

/** Events: `job` {job}, `gone` {id}, `status` {status}, `online`, `offline` {tries}, `ready`, `reset` (read everything again). */
export class Live extends EventTarget {
  constructor() {
    super();
    this.revision = null;
    this.status = null;
    this.online = true;
    this.mode = "";
    this.ready = false;
    this.left = sources();
  }

  start() {
    this.use();
    addEventListener("online", () => {
      this.source.wake();
      this.source.ask(); // it may never have lost the server
    });
    addEventListener("offline", () => this.hear({ type: "offline", tries: 1 }));
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.source.wake(); });
    addEventListener("pagehide", () => { this.source.end(); clearTimeout(this.watch); });
    addEventListener("pageshow", (event) => {
      if (!event.persisted) return;
      this.left = sources();
      this.use(); // back from the browser's cache: what happened meanwhile is not known
      this.say("reset");
    });
  }

  /** The next source that this browser has. */
  use() {
    const Source = this.left.shift();
    this.source?.end();
    try {
      const source = new Source(base, nameOf(base, userName), (message) => { if (this.source === source) this.hear(message); }, this.revision);
      this.source = source;
      source.start();
      this.heardAt = performance.now();
      this.expect(BEGIN_MS);
    } catch {
      this.use(); // a policy of the browser; the last one needs nothing
    }
  }

  /** Something must be heard within `time`, or there is another source. */
  expect(time) {
    clearTimeout(this.watch);
    if (!this.left.length) return;
    this.watch = setTimeout(() => this.use(), time);
  }

  heard() {
    clearTimeout(this.watch);
    if (!this.left.length) return;
    this.watch = setTimeout(() => { this.source.ask(); this.expect(ANSWER_MS); }, QUIET_MS);
  }

  hear(message) {
    if (message.type === "broken") return this.use();
    this.heard();
    if (typeof message.revision === "number") this.revision = Math.max(this.revision ?? 0, message.revision);
    this.mode = message.mode ?? this.mode;
    if (NEWS.has(message.type)) this.on_online();
    return this[`on_${message.type}`]?.(message);
  }

  on_state({ online, status }) {
    if (online) this.on_online();
    else this.on_offline({ tries: 1 });
    this.on_status({ status });
    if (!this.ready) {
      this.ready = true;
      this.say("ready");
    }
  }

  on_job({ job }) { this.say("job", { job }); }

  on_gone({ id }) { this.say("gone", { id }); }

  on_status({ status }) {
    this.status = status;
    this.say("status", { status });
  }

  on_online() {
    if (this.online) return;
    this.online = true;
    this.say("online");
  }

  on_offline({ tries }) {
    this.online = false;
    this.say("offline", { tries });
  }

  on_reset() {
    this.revision = null;
    this.say("reset");
  }

  on_login() {
    logInAgain();
  }

  say(type, detail = {}) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
