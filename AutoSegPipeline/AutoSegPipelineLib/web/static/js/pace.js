// When a list asks the server again: soon after changes, once for many of them.
const PAUSE_MS = 300; // between two looks that changes bring about

/** `look()` is to call `run` with what asks; a tab that nobody sees looks when it is seen. */
export class Pace {
  constructor(look) {
    this.look = look;
    this.pause = PAUSE_MS;
    this.count = 0;
    document.addEventListener("visibilitychange", () => { if (!document.hidden && this.stale) this.soon(); });
  }

  soon() {
    this.stale = true;
    if (this.timer || document.hidden) return;
    this.timer = setTimeout(this.look, this.pause);
  }

  /** One look; the slower the server, the longer the pause behind it. */
  async run(work) {
    clearTimeout(this.timer);
    this.timer = 0;
    this.stale = false;
    const number = this.count += 1;
    const begun = performance.now();
    try {
      await work();
    } catch {
      return; // aborted by a later one, or the server is away: it is asked again when it is back
    } finally {
      if (number === this.count) this.pause = Math.max(PAUSE_MS, 3 * (performance.now() - begun));
    }
  }
}
