// Filled cuts: where the plane goes through a structure, its colour closes the hole. By counting walls in the stencil
// (each pixel's walls in front of the plane, away from the camera less those towards it), one structure after another.
import * as THREE from "../../../assets/three/build/three.module.js";

const FIRST = 100; // of the render orders: after the structures themselves

export class Caps {
  constructor(scene, renderer) {
    this.renderer = renderer;
    this.group = new THREE.Group();
    scene.add(this.group);
    this.made = new Map();
    this.sheet = new THREE.PlaneGeometry(1, 1);
  }

  /** `planes`: none, or the one that cuts; `centre` and `size` of everything. */
  update(structures, planes, centre, size) {
    this.group.visible = planes.length > 0;
    if (!planes.length) return;
    const [plane] = planes;
    // The large first: what lies in another structure is seen on its cut.
    const shown = structures.filter((one) => one.visible).sort((a, b) => (b.volume ?? 0) - (a.volume ?? 0));
    for (const { parts } of this.made.values()) for (const part of parts) part.visible = false;
    shown.forEach((one, place) => {
      const made = this.made.get(one) ?? this.make(one);
      const glass = one.opacity < 1;
      made.parts.forEach((part, index) => {
        part.visible = true;
        part.renderOrder = FIRST + 3 * place + index;
        part.material.transparent = glass; // in one list with its structure: the other is drawn later
        if (index < 2) part.material.clippingPlanes = planes;
      });
      const [, , sheet] = made.parts;
      sheet.material.color.set(one.colour);
      sheet.material.opacity = glass ? Math.max(0.25, one.opacity) : 1;
      sheet.material.depthWrite = !glass;
      plane.projectPoint(centre, sheet.position);
      sheet.lookAt(sheet.position.clone().add(plane.normal));
      sheet.scale.setScalar(4 * size);
    });
  }

  make(one) {
    const walls = (side, operation) => {
      const material = new THREE.MeshBasicMaterial({ side, depthWrite: false, depthTest: false, colorWrite: false, stencilWrite: true,
        stencilFunc: THREE.AlwaysStencilFunc });
      material.stencilFail = material.stencilZFail = material.stencilZPass = operation;
      const mesh = new THREE.Mesh(one.mesh.geometry, material);
      mesh.matrixAutoUpdate = false;
      mesh.matrix.copy(one.mesh.matrixWorld);
      return mesh;
    };
    const sheet = new THREE.Mesh(this.sheet, new THREE.MeshLambertMaterial({ side: THREE.DoubleSide, stencilWrite: true, stencilRef: 0,
      stencilFunc: THREE.NotEqualStencilFunc, stencilFail: THREE.ReplaceStencilOp, stencilZFail: THREE.ReplaceStencilOp,
      stencilZPass: THREE.ReplaceStencilOp }));
    sheet.onAfterRender = () => this.renderer.clearStencil();
    const made = { parts: [walls(THREE.BackSide, THREE.IncrementWrapStencilOp), walls(THREE.FrontSide, THREE.DecrementWrapStencilOp), sheet] };
    this.group.add(...made.parts);
    this.made.set(one, made);
    return made;
  }
}
