// The list as the server orders it: pieces of it by place, for a filter and a search.
import { getJson } from "../api.js";

const PIECE = 60;

/** `changed()` is called whenever something else is to be shown. */
export class JobPages {
  constructor(changed) {
    this.changed = changed;
    this.clear();
    this.total = 0;
    this.counts = null;
    this.states = "";
    this.search = "";
  }

  clear() {
    this.jobs = []; // by place; what is not known is undefined
    this.places = {};
    this.asked = new Set(); // begins of pieces that are under way
    this.request?.abort();
    this.request = new AbortController();
  }

  query(more) {
    const query = new URLSearchParams({ order: "work", ...more });
    if (this.states) query.set("state", this.states);
    if (this.search) query.set("search", this.search);
    return `api/v1/jobs?${query}`;
  }

  /** Read again around the places in view; what was there stays shown until the answer comes. */
  async refresh(first, last) {
    const request = this.request;
    const begin = Math.max(0, first - (first % PIECE));
    const limit = Math.min(500, Math.max(PIECE, last - begin + PIECE));
    const page = await getJson(this.query({ offset: begin, limit }), request.signal);
    if (request !== this.request) return;
    this.jobs = [];
    this.asked.clear();
    this.take(page, begin);
  }

  /** Fetch what is missing between two places. */
  async fill(first, last) {
    const request = this.request;
    for (let begin = first - (first % PIECE); begin < Math.min(last, this.total); begin += PIECE) {
      const complete = Array.from({ length: Math.min(PIECE, this.total - begin) }, (_, index) => this.jobs[begin + index]).every(Boolean);
      if (complete || this.asked.has(begin)) continue;
      this.asked.add(begin);
      getJson(this.query({ offset: begin, limit: PIECE }), request.signal)
        .then((page) => { if (request === this.request) this.take(page, begin); })
        .catch(() => {}) // aborted, or the server is away: the next look asks again
        .finally(() => { if (request === this.request) this.asked.delete(begin); });
    }
  }

  take(page, begin) {
    this.total = page.total;
    this.counts = page.counts;
    this.jobs.length = Math.min(this.jobs.length, this.total);
    page.jobs.forEach((job, index) => { this.jobs[begin + index] = job; });
    this.places = { ...this.places, ...page.places };
    this.changed();
  }

  /** The ids by place, as far as they are known. */
  get keys() {
    return Array.from(this.jobs, (job) => job?.id);
  }

  at(id) {
    return this.jobs.findIndex((job) => job?.id === id);
  }

  /** A newer version of a job that is known; what it was before, or null. */
  update(job) {
    const place = this.at(job.id);
    if (place < 0) return null;
    const before = this.jobs[place];
    if (before.revision <= job.revision) this.jobs[place] = job;
    return before;
  }

  /** Take one out; its place, or -1. */
  drop(id) {
    const place = this.at(id);
    if (place >= 0) {
      this.jobs.splice(place, 1);
      this.total -= 1;
    }
    return place;
  }
}
