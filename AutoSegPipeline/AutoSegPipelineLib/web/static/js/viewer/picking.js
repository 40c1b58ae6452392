// What lies under the pointer in the 3D view.
import * as THREE from "../../../assets/three/build/three.module.js";
import { toRas } from "./anatomy.js";

const CLICK_PIXELS = 5;

/** Calls `pick(x, y, box)` with pixels of the canvas for each click or tap on the view that was no drag. */
export function clicks(stage, canvas, pick) {
  let down = null;
  stage.addEventListener("pointerdown", (event) => { down = event.isPrimary ? [event.clientX, event.clientY] : null; });
  stage.addEventListener("pointercancel", () => { down = null; });
  stage.addEventListener("pointerup", (event) => {
    if (!down || Math.hypot(event.clientX - down[0], event.clientY - down[1]) > CLICK_PIXELS) return;
    if (event.target !== canvas && event.target !== stage) return;
    const box = canvas.getBoundingClientRect();
    pick(event.clientX - box.left, event.clientY - box.top, box);
  });
}

/**
 * What a line from the camera through a point of the screen (-1 to 1) meets first: solid things before what is like
 * glass. `counts` says whether a point of the scene is seen at all. {structure, ras, inward}: `ras` on the surface,
 * `inward` two directions (RAS, unit length) that lead into the structure.
 */
export function meets(structures, camera, x, y, counts) {
  const ray = new THREE.Raycaster();
  ray.setFromCamera(new THREE.Vector2(x, y), camera);
  const shown = structures.filter((one) => one.visible);
  const hits = ray.intersectObjects(shown.map((one) => one.mesh), false).filter((hit) => counts(hit.point));
  const hit = hits.find((one) => one.object.material.opacity > 0.6) ?? hits[0];
  if (!hit) return null;
  const along = ray.ray.direction;
  const normal = hit.face.normal.clone().transformDirection(hit.object.matrixWorld);
  if (normal.dot(along) > 0) normal.negate(); // a wall seen from behind, in a cut
  const direction = (vector) => toRas(vector).map((part) => part / 1000);
  return { structure: shown.find((one) => one.mesh === hit.object), ras: toRas(hit.point),
    inward: [direction(normal.negate()), direction(along)] };
}
