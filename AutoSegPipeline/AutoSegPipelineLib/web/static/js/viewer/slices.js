// The scan's slices with the label map over it, by NiiVue. Without the scan the structures alone.
import { Niivue } from "../../../assets/@niivue/niivue/dist/index.js";
import { el, setText } from "../dom.js";
import { place } from "./anatomy.js";
import { fetchBytes } from "./glb.js";
import { colourTable, strength } from "./label_colours.js";
import { Readout } from "./readout.js";
import { Rendering, VOLUME } from "./rendering.js";

const WINDOWS = {
  CT: [["Soft tissue", -160, 240], ["Lung", -1350, 150], ["Bone", -450, 1050], ["Brain", 0, 80], ["Everything", null, null]],
  other: [["Automatic", null, null]],
};
const LAYOUTS = [["All planes", "sliceTypeMultiplanar"], ["Axial", "sliceTypeAxial"], ["Coronal", "sliceTypeCoronal"], ["Sagittal", "sliceTypeSagittal"]];

/** Events: `looked`: window, planes or overlay were changed, `place` {ras, structure}, `where`: somebody asks for the crosshair's place. */
export class Slices extends EventTarget {
  constructor(box, tools, said) {
    super();
    this.box = box;
    this.tools = tools;
    this.said = said;
    this.structures = [];
    this.layers = [];
    this.overlay = 0.45;
  }

  /** `scan` {url, name, affine} or null, `labels` {url, name}. */
  async load(scan, labels, modality, structures) {
    this.structures = structures;
    this.canvas = el("canvas", { tabindex: 0, role: "application", "aria-roledescription": "slice view",
      "aria-label": "Slices. Arrow keys, Page up and Page down move the crosshair, W says where it is.", "aria-describedby": "slices-said" });
    this.box.replaceChildren(this.canvas);
    this.nv = new Niivue({
      backColor: [0.04, 0.055, 0.075, 1], crosshairColor: [1, 0.86, 0.25, 0.9], crosshairWidth: 0.35, crosshairWidthUnit: "percent", fontColor: [0.92, 0.95, 0.98, 1],
      show3Dcrosshair: false, dragAndDropEnabled: false, loadingText: "", logLevel: "error", multiplanarShowRender: 0,
      isColorbar: false, isOrientCube: true, fontMinPx: 15, fontSizeScaling: 0.4, isRadiologicalConvention: true, isNearestInterpolation: false,
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
    if (this.labels) {
      this.labels.hdr.intent_code = 0; // NiiVue's own way with labels paints the rims of hidden ones
      this.layers.push(this.labels);
    }
    this.readout = new Readout(structures, this.labels);
    if (scan?.affine) this.place(scan.affine);
    this.nv.setSliceType(this.nv.sliceTypeMultiplanar);
    this.nv.setInterpolation(false);
    this.nv.onLocationChange = (data) => this.moved(data);
    this.paintNow();
    this.makeTools(modality);
    this.keys();
    this.touch();
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
    if (this.asked || !this.labels) return;
    this.asked = true;
    requestAnimationFrame(() => { this.asked = false; this.paintNow(); });
  }

  paintNow() {
    if (!this.labels) return;
    const known = this.structures.filter((one) => Number.isInteger(one.label));
    const most = Math.max(1, ...known.map((one) => one.label), Math.round(this.labels.global_max ?? 0));
    if (!this.scan) {
      this.labels.setColormapLabel(colourTable(known, most, strength, true));
      this.nv.updateGLVolume();
      return;
    }
    // A layer has one opacity: structures of another strength get a layer of their own, of the same voxels.
    const levels = [...new Set(known.map(strength))].filter(Boolean).sort((a, b) => b - a);
    if (!levels.length) levels.push(1);
    while (this.layers.length > levels.length) this.nv.removeVolume(this.layers.pop());
    while (this.layers.length < levels.length) {
      const copy = Object.assign(Object.create(Object.getPrototypeOf(this.labels)), this.labels, { id: `labels-${this.layers.length}` });
      this.layers.push(copy);
      this.nv.addVolume(copy);
    }
    for (const [index, level] of levels.entries()) {
      this.layers[index].setColormapLabel(colourTable(known, most, (one) => (strength(one) === level ? 1 : 0), false));
      this.layers[index].opacity = this.rendering?.on ? 0 : this.overlay * level;
    }
    this.nv.updateGLVolume();
  }

  makeTools(modality) {
    const layouts = this.scan ? [...LAYOUTS, ["Volume", VOLUME]] : LAYOUTS;
    const layout = el("select", { id: "slice-layout", "aria-label": "Planes" }, ...layouts.map(([text, value]) => el("option", { value, text })));
    this.rendering = this.scan ? new Rendering(this, modality) : null;
    const arrange = () => {
      this.rendering?.show(layout.value === VOLUME, tools.filter((one) => one !== layout));
      this.nv.setSliceType(this.nv[layout.value]);
      this.looked();
    };
    layout.addEventListener("change", arrange);
    this.controls = { layout, arrange };
    const tools = [layout];
    if (this.scan) {
      const windows = WINDOWS[modality] ?? WINDOWS.other;
      if (windows.length > 1) {
        const choose = el("select", { id: "slice-window", "aria-label": "Window" }, ...windows.map(([text], index) => el("option", { value: index, text })));
        const apply = () => {
          const [, low, high] = windows[Number(choose.value)];
          this.setWindow([low ?? this.scan.global_min, high ?? this.scan.global_max]);
          this.looked();
        };
        choose.addEventListener("change", apply);
        apply();
        Object.assign(this.controls, { choose, windows });
        tools.push(choose);
      }
      if (this.labels) {
        const overlay = el("input", { type: "range", id: "slice-strength", min: 0, max: 100, step: 5, value: 45, "aria-label": "Strength of the overlay" });
        overlay.addEventListener("input", () => {
          this.overlay = Number(overlay.value) / 100;
          this.paint();
          this.looked();
        });
        this.controls.overlay = overlay;
        tools.push(el("span", { class: "small soft", text: "Overlay", "aria-hidden": "true" }), overlay);
      }
    }
    this.tools.replaceChildren(...tools, ...(this.rendering?.tools ?? []));
  }

  setWindow(range) {
    if (this.rendering.on) this.rendering.window = range;
    else {
      [this.scan.cal_min, this.scan.cal_max] = range;
      this.nv.updateGLVolume();
    }
  }

  /** The scan has other colours or another window. */
  repaint() {
    if (this.labels) this.paintNow();
    else this.nv.updateGLVolume();
  }

  looked() {
    this.dispatchEvent(new Event("looked"));
  }

  /** For the address: window (values of the scan), planes, overlay in percent. */
  get state() {
    return { planes: this.controls.layout.selectedIndex, overlay: this.controls.overlay ? Math.round(this.overlay * 100) : null,
      window: this.controls.choose ? (this.rendering.on ? this.rendering.window : [this.scan.cal_min, this.scan.cal_max]) : null };
  }

  restore({ planes, overlay, window }) {
    const { layout, arrange, choose, windows } = this.controls;
    if (overlay !== undefined && this.controls.overlay) {
      this.controls.overlay.value = overlay;
      this.overlay = overlay / 100;
      this.paint();
    }
    if (window && choose) {
      choose.selectedIndex = windows.findIndex(([, low, high]) => (low ?? this.scan.global_min) === window[0] && (high ?? this.scan.global_max) === window[1]);
      this.setWindow(window);
    }
    if (planes < layout.length) {
      layout.selectedIndex = planes;
      arrange();
    }
  }

  keys() {
    const steps = { ArrowLeft: [-1, 0, 0], ArrowRight: [1, 0, 0], ArrowUp: [0, 1, 0], ArrowDown: [0, -1, 0], PageUp: [0, 0, 1], PageDown: [0, 0, -1] };
    this.canvas.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return undefined;
      if (event.key.toLowerCase() === "w") this.dispatchEvent(new Event("where"));
      const step = steps[event.key];
      if (!step) return undefined;
      event.preventDefault();
      event.stopImmediatePropagation();
      if (this.rendering?.on) return this.rendering.key(step);
      this.nv.moveCrosshairInVox(...step.map((one) => one * (event.shiftKey ? 10 : 1)));
      return this.nv.createOnLocationChange();
    }, true);
  }

  /** A tap moves the crosshair, as the browser's mouse events for it say; a swipe scrolls the page. */
  touch() {
    for (const kind of ["touchstart", "touchmove", "touchend", "touchcancel"]) {
      this.box.addEventListener(kind, (event) => event.stopPropagation(), { capture: true, passive: true });
    }
  }

  moved(data) {
    const ras = [...data.mm].slice(0, 3);
    const here = this.readout.at(ras);
    const words = [place(ras)];
    if (this.scan) {
      const value = data.values?.[this.nv.volumes.indexOf(this.scan)]?.value ?? 0;
      words.push(`value ${Math.round(value * 10) / 10}`);
    }
    words.push(here.length ? here.map((one) => one.title).join(", also ") : "no structure");
    setText(this.said, words.join(" · "));
    if (!this.moving) this.dispatchEvent(new CustomEvent("place", { detail: { ras, structure: here[0] ?? null } }));
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
