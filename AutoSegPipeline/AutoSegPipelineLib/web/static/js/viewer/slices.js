// The scan's slices with the label map over it, by NiiVue. Without the scan the structures alone.
import { Niivue } from "../../../assets/@niivue/niivue/dist/index.js";
import { el, setText } from "../dom.js";
import { place } from "./anatomy.js";
import { fetchBytes } from "./glb.js";

const WINDOWS = {
  CT: [["Soft tissue", -160, 240], ["Lung", -1350, 150], ["Bone", -450, 1050], ["Brain", 0, 80], ["Everything", null, null]],
  other: [["Automatic", null, null]],
};
const LAYOUTS = [["All planes", "sliceTypeMultiplanar"], ["Axial", "sliceTypeAxial"], ["Coronal", "sliceTypeCoronal"], ["Sagittal", "sliceTypeSagittal"]];

/** Events: `place` {ras, label}. */
export class Slices extends EventTarget {
  constructor(box, tools, said) {
    super();
    this.box = box;
    this.tools = tools;
    this.said = said;
    this.structures = [];
  }

  /** `scan` {url, name, affine} or null, `labels` {url, name}. */
  async load(scan, labels, modality, structures) {
    this.structures = structures;
    this.canvas = el("canvas", { tabindex: 0, role: "application", "aria-roledescription": "slice view",
      "aria-label": "Slices. Arrow keys, Page up and Page down move the crosshair.", "aria-describedby": "slices-said" });
    this.box.replaceChildren(this.canvas);
    this.nv = new Niivue({
      backColor: [0.04, 0.055, 0.075, 1], crosshairColor: [1, 0.86, 0.25, 0.9], crosshairWidth: 0.35, crosshairWidthUnit: "percent", fontColor: [0.92, 0.95, 0.98, 1],
      show3Dcrosshair: false, dragAndDropEnabled: false, loadingText: "", logLevel: "error", multiplanarShowRender: 0,
      isColorbar: false, fontMinPx: 15, fontSizeScaling: 0.4, isRadiologicalConvention: true, isNearestInterpolation: false,
    });
    await this.nv.attachToCanvas(this.canvas);
    this.nv.opts.multiplanarShowRender = 0;
    const volumes = [];
    for (const one of [scan, labels]) {
      if (!one) continue;
      const bytes = await fetchBytes(one.url, (part) => setText(this.said, part === null ? "Loading ..." : `Loading ${Math.floor(part * 100)} %`));
      volumes.push({ url: URL.createObjectURL(new Blob([bytes])), name: one.name, colormap: "gray", opacity: 1 });
    }
    await this.nv.loadVolumes(volumes);
    for (const one of volumes) URL.revokeObjectURL(one.url);
    this.scan = scan ? this.nv.volumes[0] : null;
    this.labels = labels ? this.nv.volumes[scan ? 1 : 0] : null;
    if (scan?.affine) this.place(scan.affine);
    this.nv.setSliceType(this.nv.sliceTypeMultiplanar);
    this.nv.setInterpolation(false);
    this.nv.onLocationChange = (data) => this.moved(data);
    this.paint();
    this.makeTools(modality);
    this.keys();
    setText(this.said, "");
    new ResizeObserver(() => this.nv.resizeListener?.()).observe(this.box);
  }

  /** Where the case was segmented (index to LPS mm) counts, also where the file says something else. */
  place(lps) {
    const ras = lps.map((row, index) => (index < 2 ? row.map((value) => -value) : [...row]));
    const found = this.scan.getAffine();
    const differs = ras.slice(0, 3).some((row, i) => row.some((value, j) => Math.abs(value - found[i][j]) > 0.01));
    if (!differs) return;
    this.scan.setAffine(ras);
    this.nv.updateGLVolume();
  }

  /** Colours of the label map as the 3D view has them; hidden structures are clear. */
  paint() {
    if (!this.labels) return;
    const known = this.structures.filter((one) => Number.isInteger(one.label));
    const most = Math.max(1, ...known.map((one) => one.label), Math.round(this.labels.global_max ?? 0));
    const map = { R: [], G: [], B: [], A: [], I: [], labels: [] };
    const byLabel = new Map(known.map((one) => [one.label, one]));
    for (let value = 0; value <= most; value += 1) {
      const one = byLabel.get(value);
      const colour = one ? parseInt(one.colour.slice(1), 16) : 0;
      map.I.push(value);
      map.R.push(colour >> 16);
      map.G.push((colour >> 8) & 255);
      map.B.push(colour & 255);
      map.A.push(one?.visible ? 255 : 0);
      map.labels.push(one?.title ?? "");
    }
    this.labels.setColormapLabel(map);
    if (this.scan) this.labels.opacity = this.strength ?? 0.45;
    this.nv.updateGLVolume();
  }

  makeTools(modality) {
    const layout = el("select", { id: "slice-layout", "aria-label": "Planes" }, ...LAYOUTS.map(([text, value]) => el("option", { value, text })));
    layout.addEventListener("change", () => this.nv.setSliceType(this.nv[layout.value]));
    const tools = [layout];
    if (this.scan) {
      const windows = WINDOWS[modality] ?? WINDOWS.other;
      if (windows.length > 1) {
        const choose = el("select", { id: "slice-window", "aria-label": "Window" }, ...windows.map(([text], index) => el("option", { value: index, text })));
        const apply = () => {
          const [, low, high] = windows[Number(choose.value)];
          this.scan.cal_min = low ?? this.scan.global_min;
          this.scan.cal_max = high ?? this.scan.global_max;
          this.nv.updateGLVolume();
        };
        choose.addEventListener("change", apply);
        apply();
        tools.push(choose);
      }
      if (this.labels) {
        const strength = el("input", { type: "range", id: "slice-strength", min: 0, max: 100, step: 5, value: 45, "aria-label": "Strength of the overlay" });
        strength.addEventListener("input", () => {
          this.strength = Number(strength.value) / 100;
          this.labels.opacity = this.strength;
          this.nv.updateGLVolume();
        });
        tools.push(el("span", { class: "small soft", text: "Overlay", "aria-hidden": "true" }), strength);
      }
    }
    this.tools.replaceChildren(...tools);
  }

  keys() {
    const steps = { ArrowLeft: [-1, 0, 0], ArrowRight: [1, 0, 0], ArrowUp: [0, 1, 0], ArrowDown: [0, -1, 0], PageUp: [0, 0, 1], PageDown: [0, 0, -1] };
    this.canvas.addEventListener("keydown", (event) => {
      const step = steps[event.key];
      if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      this.nv.moveCrosshairInVox(...step.map((one) => one * (event.shiftKey ? 10 : 1)));
      this.nv.createOnLocationChange();
    }, true);
  }

  moved(data) {
    const ras = [...data.mm].slice(0, 3);
    const value = (volume) => data.values?.[this.nv.volumes.indexOf(volume)]?.value;
    const label = this.labels ? Math.round(value(this.labels) ?? 0) : 0;
    const structure = this.structures.find((one) => one.label === label) ?? null;
    const words = [place(ras)];
    if (this.scan) words.push(`value ${Math.round((value(this.scan) ?? 0) * 10) / 10}`);
    words.push(structure ? structure.title : "no structure");
    setText(this.said, words.join(" · "));
    if (!this.moving) this.dispatchEvent(new CustomEvent("place", { detail: { ras, structure } }));
  }

  /** Move the crosshair; says nothing back. */
  go(ras) {
    if (!this.nv?.volumes.length) return;
    this.moving = true;
    this.nv.scene.crosshairPos = this.nv.mm2frac(ras);
    this.nv.createOnLocationChange();
    this.nv.drawScene();
    this.moving = false;
  }
}
