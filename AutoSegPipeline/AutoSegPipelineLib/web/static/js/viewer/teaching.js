// The teaching mode: the 3D view on the full screen with a label at each structure; hidden labels make a quiz.
import * as THREE from "../../../assets/three/build/three.module.js";
import { announce, el, setText } from "../dom.js";
import { fromRas } from "./anatomy.js";

const MOST = 24; // labels that still can be read
const HIGH = 30; // pixels of one label
const SVG = "http://www.w3.org/2000/svg";

export class Teaching {
  /** `pane` is what fills the screen; `tree` and `hover` of the viewer. */
  constructor(scene, pane, stage, tree, hover) {
    Object.assign(this, { scene, pane, stage, tree, hover });
    this.lines = document.createElementNS(SVG, "svg");
    this.lines.setAttribute("class", "teach-lines");
    this.lines.setAttribute("aria-hidden", "true");
    this.box = el("div", { class: "teach", hidden: true });
    this.box.append(this.lines);
    // Else the view takes the pointer, and the label is never clicked.
    this.box.addEventListener("pointerdown", (event) => event.stopPropagation());
    stage.append(this.box);
    this.button = el("button", { type: "button", class: "button small", id: "teach", "aria-pressed": "false", text: "Teaching", onclick: () => this.set(!this.on) });
    this.names = el("button", { type: "button", class: "button small", id: "teach-names", "aria-pressed": "false", hidden: true, text: "Hide the names",
      onclick: () => this.hideNames(!this.hidden) });
    this.all = el("button", { type: "button", class: "button small", id: "teach-all", hidden: true, text: "Reveal all", onclick: () => this.reveal(this.labels) });
    this.said = el("span", { class: "small soft", id: "teach-said", role: "status" });
    this.labels = [];
    scene.addEventListener("drawn", () => { if (this.on) this.place(); });
    tree.addEventListener("shown", () => { if (this.on) this.make(); });
    // The browser's own full screen is left by the browser.
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.on && !document.fullscreenElement) this.set(false);
    });
    document.addEventListener("fullscreenchange", () => { if (this.on && !document.fullscreenElement) this.set(false); });
  }

  async set(on) {
    this.on = on;
    this.button.setAttribute("aria-pressed", String(on));
    this.pane.classList.toggle("teaching", on);
    this.box.hidden = !on;
    for (const one of [this.names, this.all]) one.hidden = !on;
    if (!on) {
      this.hideNames(false);
      setText(this.said, "");
      if (document.fullscreenElement) await document.exitFullscreen();
      return;
    }
    // Where the browser has no full screen for a page's part (a phone), the pane fills the window.
    await this.pane.requestFullscreen?.().catch(() => {});
    this.make();
    announce("Teaching mode. Escape leaves it.");
  }

  hideNames(hide) {
    this.hidden = hide;
    this.hover.off = hide; // the mouse would tell
    this.names.setAttribute("aria-pressed", String(hide));
    setText(this.names, hide ? "Show the names" : "Hide the names");
    if (this.on) this.make();
  }

  make() {
    const shown = this.scene.structures.filter((one) => one.visible);
    const chosen = [...shown].sort((a, b) => (b.volume ?? 0) - (a.volume ?? 0)).slice(0, MOST);
    for (const { button, line } of this.labels) { button.remove(); line.remove(); }
    this.labels = chosen.map((structure, place) => {
      const line = document.createElementNS(SVG, "path");
      const label = { structure, line, open: !this.hidden, place: new THREE.Vector3(...fromRas(this.scene.middle(structure))) };
      label.button = el("button", { type: "button", class: "teach-label", onclick: () => this.reveal([label]) });
      this.write(label, place);
      this.lines.append(line);
      this.box.append(label.button);
      return label;
    });
    this.tell(shown.length);
    this.place();
  }

  write(label, place) {
    setText(label.button, label.open ? label.structure.title : "?");
    label.button.classList.toggle("asked", !label.open);
    if (label.open) label.button.removeAttribute("aria-label");
    else label.button.setAttribute("aria-label", `Which structure is this? Number ${place + 1}: reveal`);
  }

  reveal(labels) {
    for (const label of labels) {
      label.open = true;
      this.write(label, this.labels.indexOf(label));
    }
    if (labels.length === 1) {
      this.tree.choose(labels[0].structure, "teaching");
      announce(labels[0].structure.title);
    }
    this.tell(this.scene.structures.filter((one) => one.visible).length);
  }

  tell(shown) {
    const open = this.labels.filter((one) => one.open).length;
    const words = this.hidden ? [`${open} of ${this.labels.length} revealed`] : [];
    if (shown > MOST) words.push(`the ${MOST} largest of ${shown} structures have a label`);
    setText(this.said, words.join("; "));
  }

  /** Labels stand at the left and right edges, each level with its structure as far as others leave room. */
  place() {
    const { width, height } = this.scene.view.size();
    const spots = this.labels.map((label) => {
      const at = label.place.clone().project(this.scene.camera);
      return { label, x: ((at.x + 1) / 2) * width, y: ((1 - at.y) / 2) * height };
    });
    this.lines.setAttribute("viewBox", `0 0 ${width} ${height}`);
    spots.sort((a, b) => a.x - b.x);
    const half = Math.ceil(spots.length / 2);
    this.column(spots.slice(0, half), "left", width, height);
    this.column(spots.slice(half), "right", width, height);
  }

  column(spots, side, width, height) {
    spots.sort((a, b) => a.y - b.y);
    const step = Math.min(HIGH, (height - 60) / Math.max(1, spots.length));
    let next = 20;
    spots.forEach((spot, index) => {
      const last = height - 40 - step * (spots.length - 1 - index);
      const y = Math.min(last, Math.max(next, spot.y));
      next = y + step;
      const { button, line } = spot.label;
      button.style.top = `${y}px`;
      button.style[side] = "44px";
      button.style[side === "left" ? "right" : "left"] = "";
      const edge = 44 + button.offsetWidth;
      const from = side === "left" ? edge : width - edge;
      line.setAttribute("d", `M${from} ${y}L${spot.x.toFixed(1)} ${spot.y.toFixed(1)}`);
    });
  }
}
