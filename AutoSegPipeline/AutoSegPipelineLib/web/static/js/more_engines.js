// Further engines for the same scan: what they find joins the result of the first one.
import { el } from "./dom.js";

export class MoreEngines {
  constructor(engines, changed) {
    this.engines = engines.filter((engine) => engine.ok && !engine.alone);
    this.names = []; // "engine:task" in the order of choice
    this.changed = changed;
    this.select = el("select", { id: "option-more" });
    this.chips = el("div", { class: "chips" });
    this.select.addEventListener("change", () => {
      this.names.push(this.select.value);
      this.changed();
    });
  }

  /** Engine and task of each choice. */
  get chosen() {
    return this.names.map((name) => {
      const at = name.indexOf(":");
      const engine = this.engines.find((one) => one.name === (at < 0 ? name : name.slice(0, at)));
      return { engine, task: engine?.tasks?.find((one) => at >= 0 && one.name === name.slice(at + 1)) };
    });
  }

  /** Offer what `first`, the engine chosen above, leaves; `off`: nothing is segmented. */
  draw(first, off) {
    const others = this.engines.filter((engine) => engine !== first && !first?.alone);
    this.names = this.names.filter((name) => others.some((engine) => name === engine.name || name.startsWith(`${engine.name}:`)));
    const groups = others.map((engine) => {
      const words = (engine.tasks ?? []).map((task) => [`${engine.name}:${task.name}`, task.title || task.name]);
      const left = (words.length ? words : [[engine.name, engine.title || engine.name]]).filter(([value]) => !this.names.includes(value));
      return el("optgroup", { label: engine.title || engine.name }, ...left.map(([value, text]) => el("option", { value, text })));
    }).filter((group) => group.children.length);
    this.select.replaceChildren(el("option", { value: "", text: groups.length ? "Nothing more" : "No other engine works here" }), ...groups);
    this.select.disabled = off || !groups.length;
    this.chips.replaceChildren(...(off ? [] : this.names).map((name) => el("button", { type: "button", class: "button small",
      "aria-label": `Leave out ${name}`, text: `${name} ✕`, onclick: () => {
        this.names = this.names.filter((one) => one !== name);
        this.changed();
        this.select.focus();
      } })));
  }
}
