// Finished cases as a grid of pictures.
import { address, getJson, mayDo, part, via } from "./api.js";
import { byId, el, icon, setText } from "./dom.js";
import { fileAddress, fileTable, share } from "./dialogs.js";
import { removeJob } from "./jobs.js";
import { bytes, clockTime, many, warningTitle } from "./words.js";

const SHOWN = 24;

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
    this.live = live;
    this.cards = new Map();
    this.limit = SHOWN;
    this.list = byId("results-list");
    for (const type of ["job", "gone", "ready"]) live.addEventListener(type, () => this.later());
    byId("results-more").addEventListener("click", () => { this.limit += SHOWN; this.later(); });
  }

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.draw(), 60);
  }

  draw() {
    const done = [...this.live.jobs.values()].filter((job) => job.state === "done")
      .sort((a, b) => (a.times.done < b.times.done ? 1 : -1));
    const shown = done.slice(0, this.limit);
    const wanted = new Map(shown.map((job) => [job.id, job]));
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
    byId("results-empty").hidden = done.length > 0;
    byId("results-more-box").hidden = done.length <= this.limit;
    setText(byId("results-count"), done.length ? many(done.length, "result") : "");
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
