// Where a tab gets the changes from. A browser keeps six connections to one address, and each event stream holds one of
// them, so all tabs share a stream. Each source has `start()`, `wake()`, `ask()` (for a `state`) and `end()`.
import { Feed, PROTOCOL } from "./feed.js";

/** A connection of this tab's own. */
class Own {
  constructor(base, name, say, since) {
    this.feed = new Feed(base, say);
    this.since = since;
  }

  start() { this.feed.begin(this.since); }
  wake() { this.feed.wake(); }
  ask() { this.feed.sayState(); }
  end() { this.feed.end(); }
}

class ByWorker {
  constructor(base, name, say) {
    this.worker = new SharedWorker(`${base}/static/js/events/worker.js`, { type: "module", name });
    this.worker.onerror = () => say({ type: "broken" });
    this.worker.port.onmessage = ({ data }) => say(data);
  }

  start() { this.worker.port.start(); }
  wake() { this.worker.port.postMessage("wake"); }
  ask() { this.worker.port.postMessage("state"); }

  end() {
    this.worker.port.postMessage("bye");
    this.worker.port.close();
  }
}

/** The tab that holds the lock listens for all; when it closes, the next one goes on where it stopped. */
class ByLeader {
  constructor(base, name, say, since) {
    this.base = base;
    this.name = name;
    this.say = say;
    this.since = since;
    this.channel = new BroadcastChannel(name);
    this.channel.onmessage = ({ data }) => this.heard(data);
  }

  start() {
    this.wake();
    this.ask();
    this.waiting = new AbortController();
    navigator.locks.request(this.name, { signal: this.waiting.signal }, () => new Promise((release) => {
      this.release = release;
      this.feed = new Feed(this.base, (message) => { this.channel?.postMessage(message); this.heard(message); });
      this.feed.begin(this.since);
    })).catch((error) => { if (error.name !== "AbortError") this.say({ type: "broken" }); });
  }

  heard(message) {
    if (message.type === "ask") return this.feed?.sayState();
    if (message.type === "wake") return this.feed?.wake();
    if (message.type === "reset") this.since = null;
    else if (typeof message.revision === "number") this.since = Math.max(this.since ?? 0, message.revision);
    return this.say(message);
  }

  wake() {
    if (this.feed) this.feed.wake();
    else this.channel?.postMessage({ type: "wake" });
  }

  ask() {
    if (this.feed) this.feed.sayState();
    else this.channel?.postMessage({ type: "ask" });
  }

  end() {
    this.feed?.end();
    this.waiting?.abort();
    this.release?.();
    this.channel?.close(); // a page in the browser's cache has ended it before
    this.channel = null;
  }
}

/** Those that this browser has, the best one first. */
export function sources() {
  const found = [];
  if ("SharedWorker" in window) found.push(ByWorker);
  if ("BroadcastChannel" in window && navigator.locks) found.push(ByLeader);
  return [...found, Own];
}

/** Who shares a connection: tabs of one page and one account. */
export function nameOf(base, user) {
  return `autoseg events ${PROTOCOL} ${base} ${user}`;
}
