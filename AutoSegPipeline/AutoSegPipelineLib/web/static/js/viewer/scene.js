// The 3D view: light, structures, the mark, cutting. Drawn only when something changed.
import * as THREE from "../../../assets/three/build/three.module.js";
import { SIDES, fromRas } from "./anatomy.js";
import { View } from "./camera.js";
import { Caps } from "./caps.js";
import { Cube } from "./cube.js";
import { innerPoint } from "./inside.js";
import { clicks, meets } from "./picking.js";
import { readStructures, setOpacity } from "./structures.js";

/** Events: `picked` (what :func:`meets` found, or null), `drawn`, `cut`. */
export class Scene extends EventTarget {
  constructor(stage) {
    super();
    this.stage = stage;
    this.renderer = new THREE.WebGLRenderer({ antialias: true, alpha: false, powerPreference: "high-performance", stencil: true });
    this.renderer.localClippingEnabled = true;
    this.renderer.setPixelRatio(Math.min(2, devicePixelRatio || 1));
    this.renderer.autoClear = false;
    this.canvas = this.renderer.domElement;
    this.canvas.setAttribute("aria-hidden", "true");
    stage.prepend(this.canvas);
    this.scene = new THREE.Scene();
    this.view = new View(stage, () => this.draw());
    this.light();
    this.plane = new THREE.Plane(new THREE.Vector3(1, 0, 0), 0);
    this.cut = "";
    this.planes = [];
    this.structures = [];
    this.cube = new Cube();
    this.caps = new Caps(this.scene, this.renderer);
    this.mark = this.makeMark();
    this.scene.add(this.mark);
    clicks(stage, this.canvas, (x, y, box) => this.pick(x, y, box));
    new ResizeObserver(() => this.resize()).observe(stage);
    document.documentElement.addEventListener("themechange", () => this.draw());
  }

  get camera() {
    return this.view.camera;
  }

  light() {
    this.scene.add(new THREE.HemisphereLight(0xffffff, 0x8a929c, 1.5));
    const sun = new THREE.DirectionalLight(0xffffff, 1.9);
    sun.position.set(-0.4, 0.7, 1);
    this.camera.add(sun);
    this.scene.add(this.camera);
  }

  makeMark() {
    const group = new THREE.Group();
    const ring = (colour, size, order) => {
      const ball = new THREE.Mesh(new THREE.SphereGeometry(size, 20, 14),
        new THREE.MeshBasicMaterial({ color: colour, depthTest: false, transparent: true, opacity: 0.95 }));
      ball.renderOrder = order;
      return ball;
    };
    group.add(ring(0x101820, 1, 998), ring(0xffe14d, 0.7, 999));
    group.visible = false;
    return group;
  }

  /** Read a GLB. */
  async load(bytes) {
    const { model, structures } = await readStructures(bytes);
    this.scene.add(model);
    this.structures = structures;
    this.box = new THREE.Box3().setFromObject(model);
    this.view.frame(this.box);
    this.resize();
  }

  /** What the graphics card has to draw: a call for each structure that is shown, three more for its part of a cut. */
  get drawing() {
    const shown = this.structures.filter((one) => one.visible);
    return { shown: shown.length, drawCalls: shown.length * (this.cut ? 4 : 1), triangles: shown.reduce((sum, one) => sum + one.triangles, 0),
      all: this.structures.reduce((sum, one) => sum + one.triangles, 0) };
  }

  // --- looks of a structure -------------------------------------------------------

  show(one, on) {
    one.visible = on;
    one.mesh.visible = on;
    this.draw();
  }

  colour(one, value) {
    one.colour = value;
    one.mesh.material.color.set(value);
    this.draw();
  }

  opacity(one, value) {
    setOpacity(one, value);
    this.draw();
  }

  highlight(one) {
    for (const other of this.structures) {
      other.mesh.material.emissive.set(other === one ? other.colour : "#000000");
      other.mesh.material.emissiveIntensity = 0.55;
    }
    this.draw();
  }

  fit(one = null) {
    this.view.fit(one?.box);
  }

  resize() {
    const { width, height } = this.view.size();
    this.renderer.setSize(width, height, false);
    this.view.resize();
  }

  // --- cutting --------------------------------------------------------------------

  /** Take away what lies on `side` (a letter; empty: nothing), the part `fraction` of everything. */
  clip(side, fraction) {
    this.cut = side;
    this.planes = [];
    if (side) {
      const direction = new THREE.Vector3(...SIDES[side][1]);
      const ends = [this.box.min, this.box.max].map((corner) => corner.dot(direction));
      const high = Math.max(...ends);
      const low = Math.min(...ends);
      this.plane.normal.copy(direction).negate();
      this.plane.constant = high - fraction * (high - low);
      this.planes.push(this.plane);
    }
    for (const one of this.structures) one.mesh.material.clippingPlanes = this.planes;
    this.draw();
    this.dispatchEvent(new Event("cut"));
  }

  // --- picking --------------------------------------------------------------------

  pick(x, y, { width, height }) {
    const side = this.cube.pick(x, y, width, height);
    if (side) return this.view.lookFrom(side);
    this.dispatchEvent(new CustomEvent("picked", { detail: this.at((x / width) * 2 - 1, 1 - (y / height) * 2) }));
  }

  /** What lies under a point of the screen (-1 to 1), as :func:`meets` says it. */
  at(x, y) {
    this.scene.updateMatrixWorld(); // a turn may not have been drawn yet
    return meets(this.structures, this.camera, x, y, (point) => !this.cut || this.plane.distanceToPoint(point) >= 0);
  }

  /** Show a place (RAS mm). */
  markAt(ras) {
    this.mark.position.set(...fromRas(ras));
    this.mark.visible = true;
    this.draw();
  }

  /** A place within a structure (RAS mm). */
  middle(one) {
    return innerPoint(one);
  }

  // --- drawing --------------------------------------------------------------------

  draw() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => { this.asked = false; this.drawNow(); });
  }

  drawNow() {
    if (!this.box) return;
    const colour = getComputedStyle(this.stage).getPropertyValue("--stage").trim() || "#10161d";
    this.mark.scale.setScalar((this.view.millimetresPerPixel / 1000) * 7);
    this.renderer.setClearColor(colour, 1);
    this.renderer.clear();
    this.caps.update(this.structures, this.planes, this.view.centre, this.view.radius);
    this.renderer.render(this.scene, this.camera);
    this.cube.draw(this.renderer, this.camera, this.view.size());
    this.dispatchEvent(new CustomEvent("drawn"));
  }
}
