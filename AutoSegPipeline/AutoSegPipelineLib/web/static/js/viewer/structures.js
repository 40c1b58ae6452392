// The structures of a result's 3D file: one mesh each, with its name, label, volume and looks.
import * as THREE from "../../../assets/three/build/three.module.js";
import { GLTFLoader } from "../../../assets/three/examples/jsm/loaders/GLTFLoader.js";

const GLASS_BELOW = 0.7;
const GLASS_PART = 0.22;

/** Read a GLB: its scene, and the structures in the file's order. */
export async function readStructures(bytes) {
  const model = (await new GLTFLoader().parseAsync(bytes, "")).scene;
  model.updateMatrixWorld(true);
  const structures = [];
  model.traverse((node) => { if (node.isMesh) structures.push(structureOf(node)); });
  return { model, structures };
}

function structureOf(node) {
  const extras = node.userData ?? {};
  const name = extras.name ?? node.name;
  node.material = node.material.clone();
  const colour = `#${node.material.color.getHexString()}`;
  const group = node.parent?.userData?.title ?? node.parent?.name ?? "Other";
  // What wraps the organs begins like glass, as in the result's picture.
  const wraps = node.material.opacity < GLASS_BELOW || /^muscles/i.test(group);
  const opacity = wraps ? node.material.opacity * GLASS_PART : node.material.opacity;
  const one = {
    name, title: extras.title ?? name.replaceAll("_", " "), mesh: node, label: extras.label ?? null,
    volume: extras.volume_ml ?? null, voxels: extras.voxels ?? null, code: extras.code ?? null, colour, opacity,
    first: { colour, opacity }, visible: !extras.hidden_at_first, hiddenAtFirst: Boolean(extras.hidden_at_first), group,
    triangles: (node.geometry.index?.count ?? node.geometry.attributes.position.count) / 3,
    box: new THREE.Box3().setFromObject(node),
  };
  node.visible = one.visible;
  setOpacity(one, opacity);
  return one;
}

export function setOpacity(one, value) {
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
}
