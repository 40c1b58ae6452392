// The view in the address: what is seen goes there, and what stands there is shown.
import { el, icon, toast } from "../dom.js";
import { decode, encode } from "./view_state.js";

const REST = 400; // ms without a change, before the address is written

export class ViewLink {
  /** `viewer`: scene, tree, overlay, measures, slices (may be missing) and goTo(ras). */
  constructor(viewer) {
    this.viewer = viewer;
    this.first = encode(this.state());
    this.show(location.hash);
    viewer.scene.addEventListener("drawn", () => this.soon());
    viewer.slices?.addEventListener("looked", () => this.soon());
    addEventListener("hashchange", () => { if (location.hash !== this.written) this.show(location.hash); });
  }

  button() {
    return el("button", { type: "button", class: "button small", id: "view-link", onclick: () => this.copy() }, icon("share"), "Link to this view");
  }

  /** Everything that makes the view. */
  state() {
    const { scene, tree, overlay, measures, slices, ras } = this.viewer;
    const looks = scene.structures.map((one, place) => [place, one.colour, Math.max(1, Math.round(one.opacity * 100)), one])
      .filter(([, , , one]) => one.colour !== one.first.colour || one.opacity !== one.first.opacity).map((one) => one.slice(0, 3));
    return {
      camera: scene.view.state, shown: scene.structures.map((one) => one.visible), looks: looks.length ? looks : null,
      cut: overlay.cut, place: ras ?? null, chosen: tree.chosen ? scene.structures.indexOf(tree.chosen) : null,
      measures: measures.state, ...slices?.state,
    };
  }

  soon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.write(), REST);
  }

  write() {
    clearTimeout(this.timer);
    const text = encode(this.state());
    this.written = text === this.first ? "" : `#${text}`;
    if (this.written !== location.hash) history.replaceState(null, "", `${location.pathname}${location.search}${this.written}`);
  }

  show(hash) {
    const { scene, tree, overlay, measures, slices } = this.viewer;
    const state = decode(hash, scene.structures.length);
    if (!state) return;
    if (state.newer) toast("This link was made by a newer version; what is unknown here is left out.", "warn");
    state.shown?.forEach((on, place) => { if (scene.structures[place].visible !== on) tree.show(scene.structures[place], on); });
    tree.resetLooks(); // those of a link that was shown before
    for (const [place, colour, percent] of state.looks ?? []) tree.look(scene.structures[place], colour, percent / 100);
    overlay.setCut(...(state.cut ?? ["", 50]));
    measures.restore(state.measures ?? []);
    slices?.restore(state);
    tree.choose(state.chosen === undefined ? null : scene.structures[state.chosen], "link");
    if (state.place) this.viewer.goTo(state.place);
    if (state.camera) scene.view.restore(state.camera);
  }

  async copy() {
    this.write();
    const url = `${location.origin}${location.pathname}${location.search}#${encode(this.state())}`;
    try {
      await navigator.clipboard.writeText(url);
      toast("The link to this view was copied.");
    } catch { // no permission, or no TLS
      history.replaceState(null, "", url);
      toast("The link stands in the address bar.");
    }
  }
}
