// The scan as a volume that one looks into. NiiVue draws it from what its slices are drawn from: nothing more is loaded or kept.
import { el } from "../dom.js";

export const VOLUME = "sliceTypeRender";
const LOOKS = { // name, NiiVue's colours with their transparency, lowest and highest value
  CT: [["Bones", "ct_bones", 180, 600], ["Skin and airways", "ct_surface", -600, 100], ["Muscles and vessels", "ct_muscles", -100, 246]],
  other: [["Bright values", "gray", null, null]],
};
const FRONT = [180, 0]; // azimuth and elevation
const STEP = 15; // degrees

/** Shown in place of the slices of `slices`, whose scan, canvas and NiiVue it uses. */
export class Rendering {
  constructor(slices, modality) {
    this.slices = slices;
    this.on = false;
    const looks = LOOKS[modality] ?? LOOKS.other;
    this.look = el("select", { id: "volume-look", "aria-label": "What the volume shows", hidden: true }, ...looks.map(([text], index) => el("option", { value: index, text })));
    this.look.addEventListener("change", () => this.paint());
    this.looks = looks;
    const button = (text, degrees) => el("button", { type: "button", class: "button small", hidden: true, onclick: () => this.turn(degrees, 0) }, text);
    this.tools = [this.look, button("Turn left", -STEP), button("Turn right", STEP)];
  }

  /** `others`: tools that mean nothing to a volume. */
  show(on, others) {
    if (on === this.on) return;
    this.on = on;
    const { canvas, nv, scan } = this.slices;
    if (on) {
      this.window = [scan.cal_min, scan.cal_max]; // of the slices
      [nv.scene.renderAzimuth, nv.scene.renderElevation] = FRONT;
      this.words = canvas.getAttribute("aria-label");
    }
    canvas.setAttribute("aria-label", on ? "Volume of the scan. Arrow keys turn it, Page up and Page down zoom." : this.words);
    for (const one of this.tools) one.hidden = !on || (one === this.look && this.looks.length < 2);
    for (const one of others) one.hidden = on;
    this.paint();
  }

  paint() {
    const { scan } = this.slices;
    const [, colours, low, high] = this.on ? this.looks[Number(this.look.value)] : ["", "gray", ...this.window];
    scan.colormap = colours;
    scan.cal_min = low ?? scan.robust_min;
    scan.cal_max = high ?? scan.robust_max;
    this.slices.repaint();
  }

  turn(azimuth, elevation) {
    const { nv } = this.slices;
    const { renderAzimuth, renderElevation } = nv.scene;
    nv.setRenderAzimuthElevation((renderAzimuth + azimuth + 360) % 360, Math.max(-90, Math.min(90, renderElevation + elevation)));
  }

  /** The step of a key: right, up, and towards the head. */
  key([right, up, head]) {
    const { nv } = this.slices;
    if (head) nv.setScale(nv.scene.volScaleMultiplier * (head > 0 ? 1.1 : 1 / 1.1));
    else this.turn(right * STEP, up * STEP);
  }
}
