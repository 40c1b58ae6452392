// Measuring in the 3D view: lengths and angles between points on surfaces, volumes of structures together.
import * as THREE from "../../../assets/three/build/three.module.js";
import { announce, el, iconButton } from "../dom.js";
import { millilitres } from "../words.js";
import { fromRas } from "./anatomy.js";

const KINDS = { d: { title: "Distance", points: 2 }, a: { title: "Angle", points: 3 }, v: { title: "Volume", points: Infinity } };
const COLOUR = 0xffe14d;

const apart = (one, other) => one.map((value, axis) => value - other[axis]);
const long = (vector) => Math.hypot(...vector);

/** Millimetres between two points (RAS mm). */
export function distance([one, other]) {
  return long(apart(one, other));
}

/** Degrees at the second of three points (RAS mm). */
export function angle([one, corner, other]) {
  const a = apart(one, corner);
  const b = apart(other, corner);
  const cosine = a.reduce((sum, value, axis) => sum + value * b[axis], 0) / (long(a) * long(b) || 1);
  return (Math.acos(Math.min(1, Math.max(-1, cosine))) * 180) / Math.PI;
}

export class Measures {
  /** `here()` is the mark's place (RAS mm) or undefined, for points without a mouse. */
  constructor(scene, stage, here) {
    this.scene = scene;
    this.here = here;
    this.all = []; // {kind, points, label, drawn}
    this.pending = [];
    this.kind = "";
    this.group = new THREE.Group();
    scene.scene.add(this.group);
    this.labels = el("div", { class: "measure-labels", "aria-hidden": "true" });
    stage.append(this.labels);
    this.list = el("ul", { class: "measures", "aria-label": "Measurements", hidden: true });
    this.choose = el("select", { id: "measure", "aria-label": "Measure" }, el("option", { value: "", text: "Measure ..." }),
      ...Object.entries(KINDS).map(([value, { title }]) => el("option", { value, text: title })));
    this.choose.addEventListener("change", () => this.start(this.choose.value));
    scene.addEventListener("drawn", () => this.place());
    stage.addEventListener("keydown", (event) => {
      if (!this.kind || event.target !== stage) return;
      if (event.key === "Escape") this.start("");
      if (event.key === "Enter" && this.here()) this.take({ ras: this.here(), structure: null });
    });
  }

  start(kind) {
    this.pending = [];
    this.kind = kind;
    this.choose.value = kind;
    this.draw();
    if (kind === "v") announce("Choose structures one after the other; Escape ends it.", "advice");
    else if (kind) announce(`Choose ${KINDS[kind].points} points in the 3D view, or press Enter for the mark's place; Escape ends it.`, "advice");
  }

  /** A pick while something is measured; whether it was taken. */
  take({ ras, structure }) {
    if (!this.kind) return false;
    if (this.kind === "v") {
      if (structure && structure.volume !== null) this.addVolume(structure);
      return true;
    }
    this.pending.push(ras);
    if (this.pending.length === KINDS[this.kind].points) {
      this.add(this.kind, this.pending);
      this.pending = [];
    }
    this.draw();
    return true;
  }

  addVolume(structure) {
    let sum = this.all.find((one) => one.kind === "v");
    if (!sum) {
      sum = { kind: "v", points: [], structures: new Set() };
      this.all.push(sum);
    }
    if (!sum.structures.delete(structure)) sum.structures.add(structure);
    if (!sum.structures.size) this.all.splice(this.all.indexOf(sum), 1);
    else announce(this.text(sum));
    this.draw();
  }

  add(kind, points) {
    const one = { kind, points };
    this.all.push(one);
    announce(this.text(one));
  }

  text(one) {
    if (one.kind === "d") return `Distance ${distance(one.points).toFixed(1)} mm`;
    if (one.kind === "a") return `Angle ${angle(one.points).toFixed(1)}°`;
    const members = [...one.structures];
    return `Volume ${millilitres(members.reduce((sum, member) => sum + member.volume, 0))}: ${members.map((member) => member.title).join(", ")}`;
  }

  /** For the address: distances and angles. */
  get state() {
    const kept = this.all.filter((one) => one.kind !== "v").map((one) => [one.kind, one.points]);
    return kept.length ? kept : null;
  }

  restore(state) {
    this.all = state.map(([kind, points]) => ({ kind, points }));
    this.draw();
  }

  draw() {
    for (const line of this.group.children.splice(0)) {
      line.geometry.dispose();
      line.material.dispose();
    }
    this.labels.replaceChildren();
    const open = this.pending.length ? [{ kind: this.kind, points: this.pending, open: true }] : [];
    for (const one of [...this.all, ...open]) {
      if (!one.points.length) continue;
      this.group.add(this.line(one.points));
      one.label = el("span", { class: "measure-label", text: one.open ? "" : this.text(one).replace(/^\w+ /, "") });
      this.labels.append(one.label);
    }
    this.drawn = [...this.all, ...open];
    this.list.hidden = !this.all.length;
    this.list.replaceChildren(...this.all.map((one) => el("li", {}, el("span", { text: this.text(one) }),
      iconButton("cancel", `Remove: ${this.text(one)}`, () => { this.all.splice(this.all.indexOf(one), 1); this.draw(); }))));
    this.scene.draw();
  }

  line(points) {
    const geometry = new THREE.BufferGeometry().setFromPoints(points.map((ras) => new THREE.Vector3(...fromRas(ras))));
    const look = { color: COLOUR, depthTest: false, transparent: true };
    const line = points.length > 1 ? new THREE.Line(geometry, new THREE.LineBasicMaterial(look))
      : new THREE.Points(geometry, new THREE.PointsMaterial({ ...look, size: 7, sizeAttenuation: false }));
    line.renderOrder = 990;
    return line;
  }

  /** Words beside the lines, where the camera shows them. */
  place() {
    const { width, height } = this.scene.view.size();
    for (const one of this.drawn ?? []) {
      if (!one.label) continue;
      const at = new THREE.Vector3(...fromRas(one.kind === "a" && !one.open ? one.points[1] : one.points.at(-1))).project(this.scene.camera);
      one.label.style.left = `${((at.x + 1) / 2) * width}px`;
      one.label.style.top = `${((1 - at.y) / 2) * height}px`;
    }
  }
}
