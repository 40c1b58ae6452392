// What lies over the 3D view: letters at its edges, the scale, the toolbar, the keys, the picture to save.
import { announce, el, icon, setText } from "../dom.js";
import { SIDES } from "./anatomy.js";

const STEP = Math.PI / 24;
const LENGTHS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];

export class Overlay {
  constructor(scene, stage, tools, facts) {
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
    stage.setAttribute("aria-label", "3D view. Arrow keys turn, plus and minus zoom, A P L R S I look from that side, 0 shows all.");
    scene.addEventListener("drawn", () => this.update());
    this.makeTools(tools);
    this.keys(stage);
    this.update();
  }

  update() {
    const edges = this.scene.edges;
    for (const [edge, element] of Object.entries(this.letters)) setText(element, edges[edge]);
    const perPixel = this.scene.millimetresPerPixel;
    const length = LENGTHS.filter((one) => one / perPixel <= 150).at(-1) ?? 1;
    this.scaleBar.style.width = `${length / perPixel}px`;
    setText(this.scaleText, length >= 10 ? `${length / 10} cm` : `${length} mm`);
    this.scaleLength = length / perPixel;
  }

  makeTools(tools) {
    const views = el("select", { id: "look-from", "aria-label": "Look from" }, el("option", { value: "", text: "Look from ..." }),
      ...Object.entries(SIDES).map(([letter, [name]]) => el("option", { value: letter, text: `${name} (${letter})` })));
    views.addEventListener("change", () => { if (views.value) this.scene.lookFrom(views.value); views.value = ""; });
    const depth = el("input", { type: "range", id: "cut-depth", min: 0, max: 100, step: 1, value: 50, "aria-label": "Depth of the cut", hidden: true });
    const cut = el("select", { id: "cut", "aria-label": "Cut away" }, el("option", { value: "", text: "No cut" }),
      ...Object.entries(SIDES).map(([letter, [name]]) => el("option", { value: letter, text: `Cut from ${name}` })));
    const apply = () => {
      depth.hidden = !cut.value;
      this.scene.clip(cut.value, Number(depth.value) / 100);
    };
    cut.addEventListener("change", apply);
    depth.addEventListener("input", apply);
    tools.replaceChildren(views,
      el("button", { type: "button", class: "button small", id: "fit", text: "Show all", onclick: () => { this.scene.fit(); } }),
      cut, depth,
      el("button", { type: "button", class: "button small", id: "screenshot", onclick: () => this.save() }, icon("download"), "Picture"));
  }

  keys(stage) {
    const acts = {
      ArrowLeft: () => this.scene.turn(STEP, 0), ArrowRight: () => this.scene.turn(-STEP, 0),
      ArrowUp: () => this.scene.turn(0, STEP), ArrowDown: () => this.scene.turn(0, -STEP),
      "+": () => this.scene.zoom(1.15), "=": () => this.scene.zoom(1.15), "-": () => this.scene.zoom(1 / 1.15), 0: () => this.scene.fit(),
      ...Object.fromEntries(Object.keys(SIDES).map((letter) => [letter.toLowerCase(), () => {
        this.scene.lookFrom(letter);
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
  async picture() {
    this.scene.drawNow();
    const from = this.scene.canvas;
    const canvas = el("canvas", { width: from.width, height: from.height });
    const pen = canvas.getContext("2d");
    pen.drawImage(from, 0, 0);
    const unit = from.height / this.scene.size().height;
    pen.fillStyle = "#fff";
    pen.strokeStyle = "rgba(0,0,0,.8)";
    pen.lineWidth = 3 * unit;
    pen.textBaseline = "middle";
    const write = (text, x, y, align, size) => {
      pen.font = `600 ${size * unit}px system-ui, sans-serif`;
      pen.textAlign = align;
      pen.strokeText(text, x, y);
      pen.fillText(text, x, y);
    };
    const { left, right, top, bottom } = this.scene.edges;
    const edge = 16 * unit;
    write(left, edge, canvas.height / 2, "center", 18);
    write(right, canvas.width - edge, canvas.height / 2, "center", 18);
    write(top, canvas.width / 2, edge, "center", 18);
    write(bottom, canvas.width / 2, canvas.height - edge, "center", 18);
    pen.fillRect(edge, canvas.height - 40 * unit, this.scaleLength * unit, 3 * unit);
    write(this.scaleText.textContent, edge, canvas.height - 54 * unit, "left", 13);
    write(`${this.facts.name} · for research, not a medical device`, edge, canvas.height - 16 * unit, "left", 12);
    return new Promise((resolve) => { canvas.toBlob(resolve, "image/png"); });
  }

  async save() {
    const url = URL.createObjectURL(await this.picture());
    el("a", { href: url, download: `${this.facts.name}-view.png` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
    announce("The picture was saved.");
  }
}
