// What lies within a closed surface: by counting the walls that a line passes.
import * as THREE from "../../../assets/three/build/three.module.js";
import { fromRas, toRas } from "./anatomy.js";

const OFF_THE_GRID = 1.37e-5; // of a mesh's own units: a line through a corner would count it twice

/** Where the line through `point` along the mesh's own axis (0, 1 or 2) passes its walls, sorted, in its own units. */
function walls(mesh, point, axis) {
  const { position } = mesh.geometry.attributes;
  const index = mesh.geometry.index;
  const [u, v] = axis === 0 ? [1, 2] : axis === 1 ? [2, 0] : [0, 1];
  const scale = mesh.geometry.boundingBox.getSize(new THREE.Vector3()).toArray();
  const at = point.toArray();
  const pu = at[u] + OFF_THE_GRID * scale[u];
  const pv = at[v] + 0.7 * OFF_THE_GRID * scale[v];
  const count = index ? index.count : position.count;
  const found = [];
  for (let corner = 0; corner < count; corner += 3) {
    const a = index ? index.getX(corner) : corner;
    const b = index ? index.getX(corner + 1) : corner + 1;
    const c = index ? index.getX(corner + 2) : corner + 2;
    const au = position.getComponent(a, u) - pu;
    const bu = position.getComponent(b, u) - pu;
    const cu = position.getComponent(c, u) - pu;
    if ((au > 0 && bu > 0 && cu > 0) || (au < 0 && bu < 0 && cu < 0)) continue;
    const av = position.getComponent(a, v) - pv;
    const bv = position.getComponent(b, v) - pv;
    const cv = position.getComponent(c, v) - pv;
    const forC = au * bv - av * bu;
    const forA = bu * cv - bv * cu;
    const forB = cu * av - cv * au;
    if (!((forA > 0 && forB > 0 && forC > 0) || (forA < 0 && forB < 0 && forC < 0))) continue;
    found.push((forA * position.getComponent(a, axis) + forB * position.getComponent(b, axis)
      + forC * position.getComponent(c, axis)) / (forA + forB + forC));
  }
  return found.sort((one, other) => one - other);
}

function own(mesh, world) {
  mesh.geometry.boundingBox ?? mesh.geometry.computeBoundingBox();
  return mesh.worldToLocal(world.clone());
}

/** Whether the structure's surface encloses a place (RAS mm). */
export function encloses(one, ras) {
  const world = new THREE.Vector3(...fromRas(ras));
  if (!one.box.containsPoint(world)) return false;
  const point = own(one.mesh, world);
  return walls(one.mesh, point, 0).filter((wall) => wall > point.x).length % 2 === 1;
}

/** A place (RAS mm) well within a structure: the middle of the longest way through it near its own middle. */
export function innerPoint(one) {
  const centre = one.box.getCenter(new THREE.Vector3());
  const { position } = one.mesh.geometry.attributes;
  const corner = new THREE.Vector3().fromBufferAttribute(position, Math.floor(position.count / 2));
  for (const start of [own(one.mesh, centre), corner]) {
    let best = null;
    for (const axis of [0, 1, 2]) {
      const found = walls(one.mesh, start, axis);
      for (let pair = 0; pair + 1 < found.length; pair += 2) {
        const length = found[pair + 1] - found[pair];
        if (!best || length > best.length) best = { length, axis, at: (found[pair] + found[pair + 1]) / 2 };
      }
    }
    if (best) return toRas(one.mesh.localToWorld(start.clone().setComponent(best.axis, best.at)));
  }
  return toRas(centre);
}
