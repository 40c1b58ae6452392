// Which structures lie at a place: the label map says it where it can, the surfaces where structures overlap.
import { encloses } from "./inside.js";

const PARTS = 4; // of a voxel, from a surface inward

/** `labels`: the label map as NiiVue holds it, or null. */
export class Readout {
  constructor(structures, labels) {
    this.labels = labels;
    this.byLabel = new Map(structures.filter((one) => Number.isInteger(one.label)).map((one) => [one.label, one]));
    const counts = labels ? countLabels(labels.img) : new Map();
    // The label map holds one structure at each voxel; these have voxels that it gives to others.
    this.covered = structures.filter((one) => !labels || (one.voxels ?? 0) > (counts.get(one.label) ?? 0));
  }

  /** Every structure at a place (RAS mm): the one that the label map shows first. */
  at(ras) {
    const shown = this.byLabel.get(this.label(ras));
    return [...(shown ? [shown] : []), ...this.covered.filter((one) => one !== shown && encloses(one, ras))];
  }

  label(ras) {
    if (!this.labels) return 0;
    return Math.round(this.labels.getValue(...this.labels.mm2vox(ras)) ?? 0);
  }

  /** The place of what was picked on a surface, moved into the structure by at most a voxel, so that it is there too. */
  inward({ structure, ras, inward }) {
    const moved = (direction, part) => ras.map((value, axis) => value + direction[axis] * this.voxel(direction) * part);
    for (const direction of inward) {
      for (let step = 1; step <= PARTS; step += 1) {
        const place = moved(direction, step / PARTS);
        if (this.at(place).includes(structure)) return place;
      }
    }
    const near = moved(inward[0], 0.5);
    return this.around(near).find((place) => this.at(place).includes(structure)) ?? near;
  }

  /** The places one voxel away, the nearest first: a smooth surface may lie beside the voxels it came from. */
  around(ras) {
    if (!this.labels) return [];
    const rows = this.labels.getAffine();
    const steps = [-1, 0, 1];
    const all = steps.flatMap((i) => steps.flatMap((j) => steps.map((k) => [0, 1, 2].map((row) => i * rows[row][0] + j * rows[row][1] + k * rows[row][2]))));
    return all.sort((a, b) => Math.hypot(...a) - Math.hypot(...b)).map((step) => ras.map((value, row) => value + step[row]));
  }

  /** How far (mm) it is from one voxel to the next along a direction. */
  voxel(direction) {
    if (!this.labels) return 1;
    const rows = this.labels.getAffine();
    const parts = [0, 1, 2].map((axis) => {
      const along = [0, 1, 2].map((row) => rows[row][axis]);
      const square = along.reduce((sum, value) => sum + value * value, 0);
      return Math.abs(along.reduce((sum, value, row) => sum + value * direction[row], 0)) / square;
    });
    return 1 / Math.max(...parts);
  }
}

function countLabels(voxels) {
  let most = 0;
  for (let place = 0; place < voxels.length; place += 1) if (voxels[place] > most) most = voxels[place];
  const counts = new Uint32Array(most + 1);
  for (let place = 0; place < voxels.length; place += 1) counts[voxels[place]] += 1;
  return new Map([...counts].map((count, label) => [label, count]).filter(([, count]) => count));
}
