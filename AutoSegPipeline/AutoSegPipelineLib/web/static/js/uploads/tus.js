// One file on its way by tus 1.0 (https://tus.io/protocols/resumable-upload): created, sent in pieces, asked where it stands
// after a break, taken back. XMLHttpRequest, because fetch tells nothing of what was sent.
import { Problem, address, headers } from "../api.js";

const VERSION = { "Tus-Resumable": "1.0.0" };
const PIECE = 16 * 1024 * 1024;
const PATIENCE = [500, 1000, 2000, 4000, 8000, 15000, 15000, 15000];

function base64(text) {
  let binary = "";
  for (const byte of new TextEncoder().encode(text)) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** `Upload-Metadata` of plain values; empty ones are left out. */
export function metadata(values) {
  return Object.entries(values).filter(([, value]) => value !== "" && value !== undefined && value !== null)
    .map(([key, value]) => `${key} ${base64(String(value))}`).join(",");
}

export class Stopped extends Error {}

export class TusFile {
  constructor(file, about, progress) {
    this.file = file;
    this.about = about;
    this.progress = progress;
    this.url = null;
    this.offset = 0;
    this.stopped = false;
    this.sending = null; // what `send()` promised, while it is under way
    this.creating = null; // the request that creates it, while it is under way
    this.jobs = [];
  }

  /** Send what is missing; the ids of the jobs that it became. Throws Problem, or Stopped after `stop()`. */
  send() {
    this.stopped = false;
    this.sending ??= this.run().finally(() => { this.sending = null; });
    return this.sending;
  }

  async run() {
    let failures = 0;
    for (;;) {
      try {
        if (this.url) await this.ask();
        else await this.create();
        while (this.offset < this.file.size) await this.piece();
        this.progress(this.offset);
        return this.jobs;
      } catch (error) {
        if (this.stopped) throw new Stopped();
        if (error instanceof Stopped) continue; // resumed before it noticed the pause
        if (!passing(error) || failures >= PATIENCE.length) throw error;
        if (error.status === 404 || error.status === 410) { this.url = null; this.offset = 0; }
        this.progress(this.offset, `Interrupted; trying again. ${error.message}`);
        await this.wait(PATIENCE[failures]);
        failures += 1;
      }
    }
  }

  stop() {
    this.stopped = true;
    // Cut off while it is being created, an upload (or the job of a small one) would be there that this page does not know.
    if (!this.creating) this.request?.abort();
    this.awake?.();
  }

  /** Tell the server to forget it. */
  async forget() {
    this.stop();
    if (this.creating && this.isSmall) this.request.abort(); // its bytes are not wanted
    await this.sending?.catch(() => {}); // its address is known then, if it has one
    if (!this.url) return;
    await this.http("DELETE", this.url, VERSION).catch(() => {}); // what is left expires
    this.url = null;
  }

  get isSmall() {
    return this.file.size > 0 && this.file.size <= 4 * 1024 * 1024;
  }

  async create() {
    // Small files go along with the first request.
    const whole = this.isSmall;
    const more = whole ? { "Content-Type": "application/offset+octet-stream" } : {};
    const asked = this.http("POST", address("api/v1/uploads"),
      { ...VERSION, ...more, "Upload-Length": String(this.file.size), "Upload-Metadata": metadata(this.about) }, whole ? this.file : null, 0);
    this.creating = asked;
    const response = await asked.finally(() => { this.creating = null; });
    this.url = new URL(response.header("Location"), new URL(response.url, location.href)).href;
    this.offset = Number(response.header("Upload-Offset") ?? 0) || 0;
    this.became(response);
  }

  async ask() {
    const response = await this.http("HEAD", this.url, VERSION);
    this.offset = Number(response.header("Upload-Offset"));
    this.became(response);
    this.progress(this.offset);
  }

  async piece() {
    const from = this.offset;
    const response = await this.http("PATCH", this.url,
      { ...VERSION, "Upload-Offset": String(from), "Content-Type": "application/offset+octet-stream" },
      this.file.slice(from, from + PIECE), from);
    this.offset = Number(response.header("Upload-Offset"));
    this.became(response);
  }

  became(response) {
    const jobs = response.header("AutoSeg-Jobs");
    if (jobs) this.jobs = jobs.split(",");
  }

  http(method, url, more, body = null, from = null) {
    return new Promise((resolve, reject) => {
      if (this.stopped && method !== "DELETE") return reject(new Stopped());
      const request = new XMLHttpRequest();
      if (method !== "DELETE") this.request = request;
      request.open(method, url);
      for (const [name, value] of Object.entries(headers(more))) request.setRequestHeader(name, value);
      if (from !== null) request.upload.onprogress = (event) => this.progress(from + event.loaded);
      request.onabort = () => reject(new Stopped());
      request.onerror = () => reject(new Problem(0, "The server does not answer.", "", "It continues by itself when the server is back."));
      request.onload = () => {
        const answer = { url: request.responseURL || url, header: (name) => request.getResponseHeader(name) };
        if (request.status >= 200 && request.status < 300) return resolve(answer);
        const told = parse(request.responseText) ?? {};
        return reject(new Problem(request.status, told.detail ?? `The server answered ${request.status}.`, told.code, told.hint));
      };
      return request.send(body);
    });
  }

  wait(milliseconds) {
    return new Promise((resolve) => {
      const online = () => { clearTimeout(timer); removeEventListener("online", online); resolve(); };
      const timer = setTimeout(online, milliseconds);
      addEventListener("online", online, { once: true });
      this.awake = online;
    });
  }
}

/** Worth another try: the network, a lock of the request that broke, an offset that moved, a server that restarts. */
function passing(error) {
  return [0, 404, 408, 409, 410, 423, 429, 460, 500, 502, 503, 504].includes(error.status);
}

function parse(text) {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}
