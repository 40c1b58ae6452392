// Finished cases as a grid of pictures.
import { address, getJson, mayDo, part, via } from "./api.js";
import { byId, el, icon, setText } from "./dom.js";
import { fileAddress, fileTable, share } from "./dialogs.js";
import { removeJob } from "./jobs/actions.js";
import { Pace } from "./pace.js";
import { bytes, clockTime, many, warningTitle } from "./words.js";

const SHOWN = 24;
const MOST = 480; // cards; what is older is found by a search

// A card asks for its statistics when it is seen.
const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    watcher.unobserve(entry.target);
    entry.target.seen?.();
  }
}, { rootMargin: "200px" });

export class ResultGrid {
  constructor(live) {
    this.cards = new Map();
    this.limit = SHOWN;
    this.search = "";
    this.total = 0;
    this.list = byId("results-list");
    this.pace = new Pace(() => this.look());
    for (const type of ["ready", "reset", "online"]) live.addEventListener(type, () => this.look());
    live.addEventListener("gone", (event) => { if (this.cards.has(event.detail.id)) this.pace.soon(); });
    live.addEventListener("job", ({ detail: { job } }) => { if (job.outputs.length || this.cards.has(job.id)) this.pace.soon(); });
    byId("results-search").addEventListener("input", (event) => {
      this.search = event.target.value.trim();
      this.limit = SHOWN;
      this.look();
    });
    byId("results-more").addEventListener("click", () => { this.limit = Math.min(MOST, this.limit + SHOWN); this.look(); });
  }

  /** Ask the server for the newest results that the search leaves. */
  look() {
    this.request?.abort();
    const { signal } = this.request = new AbortController();
    const query = new URLSearchParams({ published: "true", limit: this.limit, ...(this.search && { search: this.search }) });
    return this.pace.run(async () => {
      const page = await getJson(`api/v1/jobs?${query}`, signal);
      this.total = page.total;
      this.draw(page.jobs);
    });
  }

  draw(shown) {
    const wanted = new Map(shown.map((job) => [job.id, job]));
    const held = [...this.cards].find(([, card]) => card.element.contains(document.activeElement));
    const at = held ? [...this.list.children].indexOf(held[1].element) : -1;
    for (const [id, card] of this.cards) {
      if (wanted.get(id)?.revision !== card.revision) { card.element.remove(); this.cards.delete(id); }
    }
    shown.forEach((job, index) => {
      let card = this.cards.get(job.id);
      if (!card) {
        card = { revision: job.revision, element: makeCard(job) };
        this.cards.set(job.id, card);
      }
      if (this.list.children[index] !== card.element) this.list.insertBefore(card.element, this.list.children[index] ?? null);
    });
    if (held && !held[1].element.isConnected) {
      const near = this.cards.get(held[0])?.element ?? this.list.children[Math.min(at, this.list.children.length - 1)];
      (near?.querySelector("h3 a") ?? byId("results-search")).focus();
    }
    byId("results-empty").hidden = shown.length > 0;
    setText(byId("results-empty-text"), this.search ? "No result matches." : "Finished cases appear here, with their picture, files and the 3D viewer.");
    byId("results-more-box").hidden = this.total <= shown.length || this.limit >= MOST;
    byId("results-rest").hidden = this.total <= shown.length || this.limit < MOST;
    setText(byId("results-count"), this.total ? many(this.total, "result") : "");
  }
}

/** Structures that reach the edge of the scan: their volume is a part. */
async function showBorders(job, list) {
  const file = job.outputs.find((output) => output.name.endsWith(".statistics.json"));
  if (!file) return;
  try {
    const { structures } = await getJson(`api/v1/results/${part(job.id)}/files/${part(file.name)}`);
    const cut = structures.filter((one) => one.touches_border).map((one) => one.title);
    if (!cut.length) return;
    list.hidden = false;
    list.append(el("li", { class: "badge", title: `Cut off by the edge of the scan, so their volumes are incomplete: ${cut.join(", ")}` },
      `${many(cut.length, "structure")} ${cut.length === 1 ? "touches" : "touch"} the border`));
  } catch {
    // The card is complete without it; the report tells the same.
  }
}

function makeCard(job) {
  const view = address(`view/${part(job.id)}`);
  const name = job.label || job.name;
  const picture = job.outputs.find((output) => output.kind === "picture");
  const report = job.outputs.find((output) => output.kind === "report");
  const size = job.outputs.reduce((sum, output) => sum + output.size, 0);
  const titles = [...new Set(job.warnings.map((warning) => warningTitle(warning.code)))];
  const badges = el("ul", { class: "warnings", "aria-label": `Warnings of ${name}`, hidden: !titles.length }, ...titles.map((title) =>
    el("li", { class: "badge warn" }, icon("alert"), title)));
  const card = el("li", { class: "result", data: { job: job.id } },
    el("a", { class: picture ? "picture" : "picture none", href: view, tabindex: -1, "aria-hidden": "true" },
      picture ? el("img", { src: fileAddress(job, picture.name, true), alt: "", loading: "lazy", decoding: "async" }) : "no picture"),
    el("div", { class: "body" },
      el("h3", {}, el("a", { href: view, text: job.name })),
      el("p", { class: "facts", text: [job.label !== job.name ? job.label : "", job.modality, job.engine, bytes(size),
        clockTime(job.times.done)].filter(Boolean).join(" · ") }),
      badges,
      titles.length ? el("details", { class: "told small" }, el("summary", { text: "Show the warnings" }),
        el("ul", { class: "warn-list" }, ...job.warnings.map((warning) => el("li", { text: warning.message })))) : null,
      el("details", { class: "told small" }, el("summary", { text: many(job.outputs.length, "file") }), fileTable(job)),
      el("div", { class: "actions" },
        el("a", { class: "button primary small", href: view, "aria-label": `View 3D: ${name}` }, icon("box"), "View 3D"),
        el("a", { class: "button small", href: address(`api/v1/results/${part(job.id)}.zip`), download: `${job.name}.zip`,
          "aria-label": `Download all files of ${name} as zip` }, icon("download"), "Zip"),
        report ? el("a", { class: "button small", href: fileAddress(job, report.name, true), "aria-label": `Report of ${name}, in a new tab`, target: "_blank",
          rel: "noopener" },
          icon("log"), "Report") : null,
        mayDo("operator") && via === "session" ? el("button", { type: "button", class: "button small", "aria-label": `Share ${name}`, onclick: () => share(job) },
          icon("share"), "Share") : null,
        mayDo("operator") ? el("button", { type: "button", class: "button small plain", "aria-label": `Delete ${name}`, onclick: () => removeJob(job) },
          icon("trash"), "Delete") : null)));  card.seen = () => showBorders(job, badges);
  watcher.observe(card);
  return card;
}
