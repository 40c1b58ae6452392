// Options of a case, from what the server's engines say. What is left alone is not sent: the server's defaults hold.
import { getJson } from "./api.js";
import { byId, el, setText } from "./dom.js";
import { MoreEngines } from "./more_engines.js";
import { many } from "./words.js";

const QUALITIES = { normal: "Normal", fast: "Fast", fastest: "Fastest" };

export class Options {
  constructor() {
    this.structures = new Set();
    this.body = byId("options-body");
    this.expect = byId("option-expect");
    this.expect.addEventListener("change", () => { if (this.engine) { this.chooseEngine(); this.say(); } });
  }

  async start() {
    const told = await getJson("api/v1/engines");
    this.engines = told.engines ?? [];
    this.formatsKnown = told.formats;
    this.defaults = Object.fromEntries(Object.entries(told.options ?? {}).map(([name, schema]) => [name, schema.default]));
    this.make();
  }

  make() {
    const usable = this.engines.filter((engine) => engine.ok);
    const best = usable[0]?.title ?? usable[0]?.name;
    this.engine = select("engine", [["", best ? `Automatic (${best})` : "Automatic"],
      ...this.engines.map((engine) => [engine.name, engine.ok ? engine.title || engine.name : `${engine.title || engine.name} (not installed)`, !engine.ok])]);
    this.task = select("task", []);
    this.more = new MoreEngines(this.engines, () => this.chooseMore());
    this.quality = select("quality", Object.entries(QUALITIES));
    this.quality.value = this.defaults.quality ?? "normal";
    this.note = el("p", { class: "hint" });
    this.search = el("input", { type: "search", id: "option-structures", placeholder: "All structures; type to choose some", autocomplete: "off",
      spellcheck: "false", "aria-describedby": "structures-said" });
    this.list = el("div", { class: "checks scroll", role: "group", "aria-label": "Structures", tabindex: 0 });
    this.chips = el("div", { class: "chips" });
    this.said = el("p", { class: "hint", id: "structures-said" });
    const wanted = new Set(this.defaults.formats);
    this.formats = this.formatsKnown.map(({ kind, title, help, always, lacks }) => {
      const box = el("input", { type: "checkbox", value: kind, checked: (wanted.has(kind) && !lacks) || always, disabled: always || Boolean(lacks) });
      return [box, el("label", { class: "check", title: lacks || help }, box, lacks ? `${title} (not installed)` : title)];
    });
    this.usual = this.checkedFormats().sort().join();
    this.body.replaceChildren(
      el("div", { class: "option-grid" }, field("engine", "Engine", this.engine, this.note), field("task", "Task", this.task),
        field("more", "Also find", this.more.select, this.more.chips),
        field("quality", "Quality", this.quality, el("p", { class: "hint", text: "Faster means less detail." }))),
      el("div", {}, el("label", { for: "option-structures", text: "Structures" }), this.search, this.chips, this.list, this.said),
      el("fieldset", {}, el("legend", { text: "Files to make" }), el("div", { class: "checks" }, ...this.formats.map(([, label]) => label))),
      el("div", {}, el("button", { type: "button", class: "button small", text: "Back to the defaults", onclick: () => this.reset() })));
    this.engine.addEventListener("change", () => this.chooseEngine());
    this.task.addEventListener("change", () => this.chooseTask());
    this.search.addEventListener("input", () => this.drawStructures());
    this.body.addEventListener("change", () => this.say());
    this.chooseEngine();
    this.say();
  }

  checkedFormats() {
    return this.formats.filter(([box]) => box.checked).map(([box]) => box.value);
  }

  /** Whether there is nothing to segment. */
  get finished() {
    return this.expect.value === "segmentation";
  }

  get chosen() {
    const name = this.engine.value;
    return this.engines.find((engine) => (name ? engine.name === name : engine.ok));
  }

  get tasks() {
    return this.chosen?.tasks ?? [];
  }

  chooseEngine() {
    const usual = this.tasks.find((task) => task.default) ?? this.tasks[0];
    this.task.replaceChildren(
      el("option", { value: "", text: usual ? `Default (${usual.title || usual.name})` : "Default" }),
      ...(this.engine.value ? this.tasks : []).map((task) => el("option", { value: task.name, text: task.title || task.name })));
    this.engine.disabled = this.quality.disabled = this.search.disabled = this.finished;
    this.task.disabled = this.finished || !this.engine.value;
    setText(this.note, this.chosen?.note || (this.engine.value ? "" : "The best engine that works on the server."));
    this.chooseMore();
  }

  chooseMore() {
    this.more.draw(this.chosen, this.finished);
    this.chooseTask();
    this.say();
  }

  chooseTask() {
    const task = this.tasks.find((one) => one.name === this.task.value) ?? this.tasks.find((one) => one.default) ?? this.tasks[0];
    const tasks = [task, ...this.more.chosen.map((one) => one.task)].filter(Boolean);
    const names = new Set(tasks.flatMap((one) => one.classes ?? []));
    this.known = [...names].map((name) => ({ name, title: name.replaceAll("_", " ") }));
    for (const name of [...this.structures]) if (!names.has(name)) this.structures.delete(name);
    for (const option of this.quality.options) option.disabled = tasks.some((one) => one.qualities && !one.qualities.includes(option.value));
    if (this.quality.selectedOptions[0]?.disabled) this.quality.value = [...this.quality.options].find((option) => !option.disabled)?.value ?? "normal";
    this.drawStructures();
  }

  drawStructures() {
    const text = this.search.value.trim().toLowerCase();
    const found = this.known.filter((one) => !text || `${one.name} ${one.title ?? ""}`.toLowerCase().includes(text));
    this.list.hidden = !text && this.structures.size === 0 && this.known.length > 30;
    this.list.replaceChildren(...found.slice(0, 200).map((one) => {
      const box = el("input", { type: "checkbox", value: one.name, checked: this.structures.has(one.name) });
      box.addEventListener("change", () => {
        if (box.checked) this.structures.add(one.name);
        else this.structures.delete(one.name);
        this.drawChips();
      });
      return el("label", { class: "check" }, box, one.title || one.name);
    }));
    if (!found.length) this.list.replaceChildren(el("p", { class: "soft small", text: this.known.length ? "No structure is called like that." : "This engine names its structures only when it runs." }));
    this.drawChips();
  }

  drawChips() {
    const titles = new Map(this.known.map((one) => [one.name, one.title || one.name]));
    this.chips.replaceChildren(...[...this.structures].map((name) => el("button", { type: "button", class: "button small",
      "aria-label": `Leave out ${titles.get(name) ?? name}`, text: `${titles.get(name) ?? name} ✕`, onclick: () => {
        this.structures.delete(name);
        this.drawStructures();
        this.search.focus();
        this.say();
      } })));
    setText(this.said, this.structures.size ? `${many(this.structures.size, "structure")} chosen` : `All structures of the task${this.known.length ? ` (${this.known.length})` : ""}.`);
  }

  say() {
    const given = this.values();
    const words = [];
    if (this.finished) words.push("finished segmentations");
    else words.push(this.engine.value ? this.engine.selectedOptions[0].textContent : "automatic engine");
    if (this.task.value && !this.finished) words.push(this.task.value);
    if (!this.finished) words.push(...this.more.names);
    if (!this.finished) words.push(`${given.quality ?? this.quality.value} quality`, given.structures ? many(given.structures.length, "structure") : "all structures");
    if (given.formats) words.push(many(given.formats.length, "kind") + " of files");
    setText(byId("options-said"), words.join(", "));
  }

  reset() {
    this.structures.clear();
    this.expect.value = "auto";
    this.make();
  }

  /** What differs from the defaults, as the server's options; `expect` beside them. */
  values() {
    const given = { expect: this.expect.value };
    if (!this.engine) return given;
    if (!this.finished) {
      if (this.more.names.length) {
        const first = this.task.value ? `${this.engine.value}:${this.task.value}` : this.engine.value || "auto";
        given.engine = [first, ...this.more.names].join(",");
      } else {
        if (this.engine.value) given.engine = this.engine.value;
        if (this.task.value) given.task = this.task.value;
      }
      if (this.quality.value !== (this.defaults.quality ?? "normal")) given.quality = this.quality.value;
      if (this.structures.size) given.structures = [...this.structures];
    }
    const formats = this.checkedFormats();
    if ([...formats].sort().join() !== this.usual) given.formats = formats;
    return given;
  }
}

function select(name, choices) {
  return el("select", { id: `option-${name}` }, ...choices.map(([value, text, disabled]) => el("option", { value, text, disabled })));
}

function field(name, title, input, ...more) {
  return el("div", {}, el("label", { for: `option-${name}`, text: title }), input, ...more);
}
