// A cube in the corner with the patient's sides; a click on one looks from there.
import * as THREE from "../../../assets/three/build/three.module.js";

const SIZE = 92; // pixels
const MARGIN = 10;
// In three.js' order of a box's faces: +x, -x, +y, -y, +z, -z.
const FACES = ["L", "R", "S", "I", "A", "P"];
const COLOURS = ["#b5483f", "#b5483f", "#3d6fb4", "#3d6fb4", "#3f8a56", "#3f8a56"];

function face(letter, colour) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 128;
  const pen = canvas.getContext("2d");
  pen.fillStyle = colour;
  pen.fillRect(0, 0, 128, 128);
  pen.strokeStyle = "rgba(255,255,255,.75)";
  pen.lineWidth = 6;
  pen.strokeRect(3, 3, 122, 122);
  pen.fillStyle = "#fff";
  pen.font = "700 84px system-ui, sans-serif";
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.fillText(letter, 64, 70);
  const texture = new THREE.CanvasTexture(canvas);
  texture.colorSpace = THREE.SRGBColorSpace;
  return new THREE.MeshBasicMaterial({ map: texture });
}

export class Cube {
  constructor() {
    this.scene = new THREE.Scene();
    this.box = new THREE.Mesh(new THREE.BoxGeometry(1, 1, 1), FACES.map((letter, index) => face(letter, COLOURS[index])));
    this.scene.add(this.box);
    this.camera = new THREE.OrthographicCamera(-1, 1, 1, -1, 0, 10);
  }

  draw(renderer, camera, { width }) {
    const back = new THREE.Vector3(0, 0, 1).applyQuaternion(camera.quaternion);
    this.camera.position.copy(back).multiplyScalar(4);
    this.camera.quaternion.copy(camera.quaternion);
    this.camera.updateMatrixWorld(true);
    renderer.setScissorTest(true);
    const x = width - SIZE - MARGIN;
    renderer.setViewport(x, MARGIN, SIZE, SIZE);
    renderer.setScissor(x, MARGIN, SIZE, SIZE);
    renderer.clearDepth();
    renderer.render(this.scene, this.camera);
    renderer.setScissorTest(false);
    const size = renderer.getSize(new THREE.Vector2());
    renderer.setViewport(0, 0, size.x, size.y);
  }

  /** The side under a click, or null. */
  pick(x, y, width, height) {
    const left = width - SIZE - MARGIN;
    const top = height - SIZE - MARGIN;
    if (x < left || x > left + SIZE || y < top || y > top + SIZE) return null;
    const ray = new THREE.Raycaster();
    ray.setFromCamera(new THREE.Vector2(((x - left) / SIZE) * 2 - 1, 1 - ((y - top) / SIZE) * 2), this.camera);
    const hit = ray.intersectObject(this.box)[0];
    return hit ? FACES[hit.face.materialIndex] : null;
  }
}
