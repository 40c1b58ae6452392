// The 3D view: camera, light, structures, picking, cutting. Drawn only when something changed.
import * as THREE from "../../../assets/three/build/three.module.js";
import { OrbitControls } from "../../../assets/three/examples/jsm/controls/OrbitControls.js";
import { GLTFLoader } from "../../../assets/three/examples/jsm/loaders/GLTFLoader.js";
import { SIDES, fromRas, letters, toRas } from "./anatomy.js";
import { Cube } from "./cube.js";

const CLICK_PIXELS = 5;
const GLASS_BELOW = 0.7;
const GLASS_PART = 0.22;

export class Scene extends EventTarget {
  constructor(stage) {
    super();
    this.stage = stage;
    this.renderer = new THREE.WebGLRenderer({ antialias: true, alpha: false, powerPreference: "high-performance" });
    this.renderer.setPixelRatio(Math.min(2, devicePixelRatio || 1));
    this.renderer.autoClear = false;
    this.canvas = this.renderer.domElement;
    this.canvas.setAttribute("aria-hidden", "true");
    stage.prepend(this.canvas);
    this.scene = new THREE.Scene();
    this.camera = new THREE.OrthographicCamera(-1, 1, 1, -1, 0, 10);
    this.light();
    this.controls = new OrbitControls(this.camera, stage);
    this.controls.enableDamping = false;
    this.controls.addEventListener("change", () => this.draw());
    this.plane = new THREE.Plane(new THREE.Vector3(1, 0, 0), 0);
    this.cut = "";
    this.structures = [];
    this.cube = new Cube();
    this.mark = this.makeMark();
    this.scene.add(this.mark);
    this.picking();
    new ResizeObserver(() => this.resize()).observe(stage);
    document.documentElement.addEventListener("themechange", () => this.draw());
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

  /** Read a GLB; the structures in the file's order. */
  async load(bytes) {
    const gltf = await new GLTFLoader().parseAsync(bytes, "");
    this.model = gltf.scene;
    this.scene.add(this.model);
    this.model.updateMatrixWorld(true);
    this.model.traverse((node) => {
      if (!node.isMesh) return;
      const extras = node.userData ?? {};
      const name = extras.name ?? node.name;
      node.material = node.material.clone();
      const colour = `#${node.material.color.getHexString()}`;
      const group = node.parent?.userData?.title ?? node.parent?.name ?? "Other";
      // What wraps the organs begins like glass, as in the result's picture.
      const wraps = node.material.opacity < GLASS_BELOW || /^muscles/i.test(group);
      const opacity = wraps ? node.material.opacity * GLASS_PART : node.material.opacity;
      this.structures.push({
        name, title: extras.title ?? name.replaceAll("_", " "), mesh: node, label: extras.label ?? null,
        volume: extras.volume_ml ?? null, code: extras.code ?? null, colour, opacity,
        first: { colour, opacity }, visible: !extras.hidden_at_first, hiddenAtFirst: Boolean(extras.hidden_at_first), group,
        triangles: (node.geometry.index?.count ?? node.geometry.attributes.position.count) / 3,
      });
      node.visible = !extras.hidden_at_first;
      this.opacity(this.structures.at(-1), opacity);
    });
    this.box = new THREE.Box3().setFromObject(this.model);
    this.centre = this.box.getCenter(new THREE.Vector3());
    this.radius = Math.max(0.001, this.box.getSize(new THREE.Vector3()).length() / 2);
    this.resize();
    this.lookFrom("A");
  }

  /** What the graphics card has to draw: one call for each structure that is shown. */
  get drawing() {
    const shown = this.structures.filter((one) => one.visible);
    return { drawCalls: shown.length, triangles: shown.reduce((sum, one) => sum + one.triangles, 0),
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
    one.opacity = value;
    const material = one.mesh.material;
    material.opacity = value;
    material.transparent = value < 1;
    material.depthWrite = value >= 1;
    // Neighbours share their walls: what is solid wins there.
    material.polygonOffset = value < 1;
    material.polygonOffsetFactor = material.polygonOffsetUnits = 2;
    material.side = value < 1 ? THREE.FrontSide : THREE.DoubleSide;
    material.needsUpdate = true;
    one.mesh.renderOrder = value < 1 ? 1 : 0;
    this.draw();
  }

  highlight(one) {
    for (const other of this.structures) {
      other.mesh.material.emissive.set(other === one ? other.colour : "#000000");
      other.mesh.material.emissiveIntensity = 0.55;
    }
    this.draw();
  }

  // --- camera ---------------------------------------------------------------------

  lookFrom(side) {
    const [, from, up] = SIDES[side];
    this.camera.up.set(...up);
    this.controls.target.copy(this.centre);
    this.camera.position.copy(this.centre).addScaledVector(new THREE.Vector3(...from), this.radius * 3);
    this.controls.update();
    this.fit();
  }

  /** All that is shown into the window. */
  fit(one = null) {
    const box = one ? new THREE.Box3().setFromObject(one.mesh) : this.box;
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
    this.camera.zoom = Math.min(width / height / wide, 1 / tall) * this.radius * (one ? 0.6 : 0.84);
    this.camera.updateProjectionMatrix();
    this.controls.update();
    this.draw();
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
    this.draw();
  }

  zoom(factor) {
    this.camera.zoom = Math.min(200, Math.max(0.2, this.camera.zoom * factor));
    this.camera.updateProjectionMatrix();
    this.draw();
  }

  size() {
    return { width: Math.max(1, this.stage.clientWidth), height: Math.max(1, this.stage.clientHeight) };
  }

  resize() {
    const { width, height } = this.size();
    this.renderer.setSize(width, height, false);
    if (!this.radius) return;
    const tall = this.radius;
    Object.assign(this.camera, { left: (-tall * width) / height, right: (tall * width) / height, top: tall, bottom: -tall,
      near: 0, far: this.radius * 8 });
    this.camera.updateProjectionMatrix();
    this.draw();
  }

  /** Millimetres that a pixel of the page is; the view has no perspective, so it holds everywhere. */
  get millimetresPerPixel() {
    return (2000 * this.radius) / this.camera.zoom / this.size().height;
  }

  // --- cutting --------------------------------------------------------------------

  /** Take away what lies on `side` (a letter; empty: nothing), the part `fraction` of the whole. */
  clip(side, fraction) {
    this.cut = side;
    const planes = [];
    if (side) {
      const direction = new THREE.Vector3(...SIDES[side][1]);
      const ends = [this.box.min, this.box.max].map((corner) => corner.dot(direction));
      const high = Math.max(...ends);
      const low = Math.min(...ends);
      this.plane.normal.copy(direction).negate();
      this.plane.constant = high - fraction * (high - low);
      planes.push(this.plane);
    }
    this.renderer.clippingPlanes = planes;
    this.draw();
  }

  // --- picking --------------------------------------------------------------------

  picking() {
    let down = null;
    this.stage.addEventListener("pointerdown", (event) => { down = [event.clientX, event.clientY]; });
    this.stage.addEventListener("pointerup", (event) => {
      if (!down || Math.hypot(event.clientX - down[0], event.clientY - down[1]) > CLICK_PIXELS ) return;
      if (event.target !== this.canvas && event.target !== this.stage) return;
      const box = this.canvas.getBoundingClientRect();
      const x = event.clientX - box.left;
      const y = event.clientY - box.top;
      const side = this.cube.pick(x, y, box.width, box.height);
      if (side) return this.lookFrom(side);
      const found = this.at((x / box.width) * 2 - 1, 1 - (y / box.height) * 2);
      this.dispatchEvent(new CustomEvent("picked", { detail: found }));
    });
  }

  /** What lies under a point of the screen (-1 to 1): solid things before what is like glass. */
  at(x, y) {
    this.scene.updateMatrixWorld(); // a turn may not have been drawn yet
    const ray = new THREE.Raycaster();
    ray.setFromCamera(new THREE.Vector2(x, y), this.camera);
    const shown = this.structures.filter((one) => one.visible);
    const hits = ray.intersectObjects(shown.map((one) => one.mesh), false)
      .filter((hit) => !this.cut || this.plane.distanceToPoint(hit.point) >= 0);
    const hit = hits.find((one) => one.object.material.opacity > 0.6) ?? hits[0];
    if (!hit) return null;
    return { structure: shown.find((one) => one.mesh === hit.object), ras: toRas(hit.point) };
  }

  /** Show a place (RAS mm). */
  markAt(ras) {
    this.mark.position.set(...fromRas(ras));
    this.mark.visible = true;
    this.draw();
  }

  /** The middle of a structure (RAS mm), on its surface's box. */
  middle(one) {
    return toRas(new THREE.Box3().setFromObject(one.mesh).getCenter(new THREE.Vector3()));
  }

  // --- drawing --------------------------------------------------------------------

  draw() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => { this.asked = false; this.drawNow(); });
  }

  drawNow() {
    if (!this.radius) return;
    const colour = getComputedStyle(this.stage).getPropertyValue("--stage").trim() || "#10161d";
    this.mark.scale.setScalar((this.millimetresPerPixel / 1000) * 7);
    this.renderer.setClearColor(colour, 1);
    this.renderer.clear();
    this.renderer.render(this.scene, this.camera);
    const planes = this.renderer.clippingPlanes;
    this.renderer.clippingPlanes = [];
    this.cube.draw(this.renderer, this.camera, this.size());
    this.renderer.clippingPlanes = planes;
    this.dispatchEvent(new CustomEvent("drawn"));
  }

  /** Letters at the left, right, top and bottom of the view. */
  get edges() {
    const right = new THREE.Vector3().setFromMatrixColumn(this.camera.matrixWorld, 0);
    const up = new THREE.Vector3().setFromMatrixColumn(this.camera.matrixWorld, 1);
    return { left: letters(right.clone().negate()), right: letters(right), top: letters(up), bottom: letters(up.clone().negate()) };
  }
}
