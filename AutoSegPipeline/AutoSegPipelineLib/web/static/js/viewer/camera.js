// Where the 3D view looks from: a camera without perspective, so that the scale is the same everywhere.
import * as THREE from "../../../assets/three/build/three.module.js";
import { OrbitControls } from "../../../assets/three/examples/jsm/controls/OrbitControls.js";
import { SIDES, fromRas, letters, toRas } from "./anatomy.js";

const STEP = Math.PI / 24; // of a key

export class View {
  /** `changed` is called when something else is seen. */
  constructor(stage, changed) {
    this.stage = stage;
    this.changed = changed;
    this.camera = new THREE.OrthographicCamera(-1, 1, 1, -1, 0, 10);
    this.controls = new OrbitControls(this.camera, stage);
    this.controls.enableDamping = false;
    this.controls.touches = { ONE: THREE.TOUCH.ROTATE, TWO: THREE.TOUCH.DOLLY_ROTATE };
    this.controls.addEventListener("change", changed);
    this.touch(true);
    // A second finger belongs to the model, also where one finger scrolls the page.
    for (const kind of ["touchstart", "touchmove"]) {
      stage.addEventListener(kind, (event) => { if (event.touches.length > 1) event.preventDefault(); }, { passive: false });
    }
  }

  /** Whether a finger that goes up or down scrolls the page. */
  touch(scrolls) {
    this.stage.style.touchAction = scrolls ? "pan-y" : "none";
  }

  /** What there is to see: a box of three.js. */
  frame(box) {
    this.box = box;
    this.centre = box.getCenter(new THREE.Vector3());
    this.radius = Math.max(0.001, box.getSize(new THREE.Vector3()).length() / 2);
    this.resize();
    this.lookFrom("A");
  }

  lookFrom(side) {
    const [, from, up] = SIDES[side];
    this.camera.up.set(...up);
    this.controls.target.copy(this.centre);
    this.camera.position.copy(this.centre).addScaledVector(new THREE.Vector3(...from), this.radius * 3);
    this.controls.update();
    this.fit();
  }

  /** A box into the window; all that there is where none is given. */
  fit(part = null) {
    const box = part ?? this.box;
    const centre = box.getCenter(new THREE.Vector3());
    const back = this.camera.position.clone().sub(this.controls.target);
    this.controls.target.copy(centre);
    this.camera.position.copy(centre).add(back);
    this.camera.lookAt(centre);
    this.camera.updateMatrixWorld(true);
    const inverse = this.camera.matrixWorldInverse;
    let wide = 1e-4;
    let tall = 1e-4;
    for (let corner = 0; corner < 8; corner += 1) {
      const point = new THREE.Vector3(corner & 1 ? box.max.x : box.min.x, corner & 2 ? box.max.y : box.min.y,
        corner & 4 ? box.max.z : box.min.z).applyMatrix4(inverse);
      wide = Math.max(wide, Math.abs(point.x));
      tall = Math.max(tall, Math.abs(point.y));
    }
    const { width, height } = this.size();
    this.camera.zoom = Math.min(width / height / wide, 1 / tall) * this.radius * (part ? 0.6 : 0.84);
    this.camera.updateProjectionMatrix();
    this.controls.update();
    this.changed();
  }

  /** Ten numbers: the middle of the view (RAS mm), from where and which way up (glTF's axes), zoom. */
  get state() {
    const { target } = this.controls;
    const from = this.camera.position.clone().sub(target).normalize();
    return [...toRas(target), ...from.toArray(), ...this.camera.up.toArray(), this.camera.zoom];
  }

  restore([r, a, s, x, y, z, ux, uy, uz, zoom]) {
    const from = new THREE.Vector3(x, y, z);
    const up = new THREE.Vector3(ux, uy, uz);
    if (!from.lengthSq() || !up.lengthSq() || !(zoom > 0)) return;
    this.controls.target.set(...fromRas([r, a, s]));
    this.camera.up.copy(up.normalize());
    this.camera.position.copy(this.controls.target).addScaledVector(from.normalize(), this.radius * 3);
    this.camera.zoom = Math.min(200, Math.max(0.2, zoom));
    this.camera.updateProjectionMatrix();
    this.controls.update();
    this.changed();
  }

  turn(right, up) {
    const offset = this.camera.position.clone().sub(this.controls.target);
    const about = this.camera.up.clone().normalize();
    const side = new THREE.Vector3().setFromMatrixColumn(this.camera.matrixWorld, 0);
    offset.applyAxisAngle(about, right);
    const turned = offset.clone().applyAxisAngle(side, up);
    if (Math.abs(turned.clone().normalize().dot(about)) < 0.995) offset.copy(turned);
    this.camera.position.copy(this.controls.target).add(offset);
    this.controls.update();
    this.changed();
  }

  zoom(factor) {
    this.camera.zoom = Math.min(200, Math.max(0.2, this.camera.zoom * factor));
    this.camera.updateProjectionMatrix();
    this.changed();
  }

  /** What keys do that turn and zoom. */
  get keys() {
    return { ArrowLeft: () => this.turn(STEP, 0), ArrowRight: () => this.turn(-STEP, 0), ArrowUp: () => this.turn(0, STEP), ArrowDown: () => this.turn(0, -STEP),
      "+": () => this.zoom(1.15), "=": () => this.zoom(1.15), "-": () => this.zoom(1 / 1.15) };
  }

  size() {
    return { width: Math.max(1, this.stage.clientWidth), height: Math.max(1, this.stage.clientHeight) };
  }

  resize() {
    if (!this.radius) return;
    const { width, height } = this.size();
    const tall = this.radius;
    Object.assign(this.camera, { left: (-tall * width) / height, right: (tall * width) / height, top: tall, bottom: -tall,
      near: 0, far: this.radius * 8 });
    this.camera.updateProjectionMatrix();
    this.changed();
  }

  /** Millimetres that a pixel of the page is. */
  get millimetresPerPixel() {
    return (2000 * this.radius) / this.camera.zoom / this.size().height;
  }

  /** Letters at the left, right, top and bottom of the view. */
  get edges() {
    const right = new THREE.Vector3().setFromMatrixColumn(this.camera.matrixWorld, 0);
    const up = new THREE.Vector3().setFromMatrixColumn(this.camera.matrixWorld, 1);
    return { left: letters(right.clone().negate()), right: letters(right), top: letters(up), bottom: letters(up.clone().negate()) };
  }
}
