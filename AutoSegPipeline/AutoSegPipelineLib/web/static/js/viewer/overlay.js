// What lies over the 3D view: letters at its edges, the scale, the toolbar, the keys.
import { announce, el, icon, setText } from "../dom.js";
import { SIDES } from "./anatomy.js";
import { picture } from "./picture.js";

const LENGTHS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];

/** Events: `where`: somebody asks for the mark's place. */
export class Overlay extends EventTarget {
  constructor(scene, stage, tools, facts, measures) {
    super();
    this.view = scene.view;
    this.measures = measures;
    this.scene = scene;
    this.facts = facts;
    this.letters = Object.fromEntries(["left", "right", "top", "bottom"].map((edge) => [edge, el("span", { class: `edge at-${edge}` })]));
    this.scaleBar = el("i");
    this.scaleText = el("span");
    stage.append(el("div", { class: "edges", "aria-hidden": "true" }, ...Object.values(this.letters)),
      el("div", { class: "scale" }, this.scaleBar, this.scaleText));
    stage.tabIndex = 0;
    stage.setAttribute("role", "application");
    stage.setAttribute("aria-roledescription", "3D view");
    stage.setAttribute("aria-label", "3D view. Arrow keys turn, plus and minus zoom, A P L R S I look from that side, 0 shows all, W says where the mark is.");
    scene.addEventListener("drawn", () => this.update());
    this.makeTools(tools);
    this.keys(stage);
    this.update();
  }

  update() {
    const edges = this.view.edges;
    for (const [edge, element] of Object.entries(this.letters)) setText(element, edges[edge]);
    const perPixel = this.view.millimetresPerPixel;
    const length = LENGTHS.filter((one) => one / perPixel <= 150).at(-1) ?? 1;
    this.scaleBar.style.width = `${length / perPixel}px`;
    setText(this.scaleText, length >= 10 ? `${length / 10} cm` : `${length} mm`);
    this.scaleLength = length / perPixel;
  }

  makeTools(tools) {
    const views = el("select", { id: "look-from", "aria-label": "Look from" }, el("option", { value: "", text: "Look from ..." }),
      ...Object.entries(SIDES).map(([letter, [name]]) => el("option", { value: letter, text: `${name} (${letter})` })));
    views.addEventListener("change", () => { if (views.value) this.view.lookFrom(views.value); views.value = ""; });
    const depth = el("input", { type: "range", id: "cut-depth", min: 0, max: 100, step: 1, value: 50, "aria-label": "Depth of the cut", hidden: true });
    const cut = el("select", { id: "cut", "aria-label": "Cut away" }, el("option", { value: "", text: "No cut" }),
      ...Object.entries(SIDES).map(([letter, [name]]) => el("option", { value: letter, text: `Cut from ${name}` })));
    this.cutting = { side: cut, depth };
    cut.addEventListener("change", () => this.applyCut());
    depth.addEventListener("input", () => this.applyCut());
    tools.replaceChildren(views,
      el("button", { type: "button", class: "button small", id: "fit", text: "Show all", onclick: () => { this.scene.fit(); } }),
      cut, depth, this.measures.choose,
      el("button", { type: "button", class: "button small", id: "screenshot", onclick: () => this.save() }, icon("download"), "Picture"));
  }

  /** The side that is cut away and how much of it, in percent; null: no cut. */
  get cut() {
    const { side, depth } = this.cutting;
    return side.value ? [side.value, Number(depth.value)] : null;
  }

  setCut(letter, percent) {
    const { side, depth } = this.cutting;
    side.value = letter;
    depth.value = percent;
    this.applyCut();
  }

  applyCut() {
    const { side, depth } = this.cutting;
    depth.hidden = !side.value;
    this.scene.clip(side.value, Number(depth.value) / 100);
  }

  keys(stage) {
    const acts = {
      ...this.view.keys,
      0: () => this.scene.fit(),
      w: () => this.dispatchEvent(new Event("where")),
      ...Object.fromEntries(Object.keys(SIDES).map((letter) => [letter.toLowerCase(), () => {
        this.view.lookFrom(letter);
        announce(`From ${SIDES[letter][0]}`);
      }])),
    };
    stage.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.target !== stage) return;
      const act = acts[event.key] ?? acts[event.key.toLowerCase()];
      if (!act) return;
      event.preventDefault();
      event.stopPropagation();
      act();
    });
  }

  /** A PNG of what is seen, with letters, scale and what it is not. */
  picture() {
    this.scene.drawNow();
    const scale = { pixels: this.scaleLength, text: this.scaleText.textContent };
    return picture(this.scene.canvas, this.view.size().height, this.view.edges, scale, this.facts.name);
  }

  async save() {
    const url = URL.createObjectURL(await this.picture());
    el("a", { href: url, download: `${this.facts.name}-view.png` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
    announce("The picture was saved.");
  }
}
