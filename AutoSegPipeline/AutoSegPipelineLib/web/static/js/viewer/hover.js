// The name of what lies under the mouse, once it rests there.
import { el, setText } from "../dom.js";
import { millilitres } from "../words.js";

const REST = 70; // ms: a line through two hundred structures takes a while
const APART = 14; // pixels from the pointer

export class Hover {
  constructor(scene, stage) {
    this.scene = scene;
    this.box = el("div", { class: "hover-label", "aria-hidden": "true", hidden: true });
    stage.append(this.box);
    stage.addEventListener("pointermove", (event) => {
      clearTimeout(this.timer);
      this.box.hidden = true;
      if (event.pointerType !== "mouse" || event.buttons || this.off) return;
      this.timer = setTimeout(() => this.show(event), REST);
    });
    for (const kind of ["pointerdown", "pointerleave", "wheel", "keydown"]) stage.addEventListener(kind, () => this.hide(), { passive: true });
  }

  hide() {
    clearTimeout(this.timer);
    this.box.hidden = true;
  }

  show(event) {
    const { left, top, width, height } = this.scene.canvas.getBoundingClientRect();
    const x = event.clientX - left;
    const y = event.clientY - top;
    const one = this.scene.at((x / width) * 2 - 1, 1 - (y / height) * 2)?.structure;
    if (!one) return;
    setText(this.box, one.volume === null ? one.title : `${one.title}, ${millilitres(one.volume)}`);
    this.box.hidden = false;
    this.box.style.left = `${Math.max(0, Math.min(x + APART, width - this.box.offsetWidth - 4))}px`;
    this.box.style.top = `${Math.max(0, Math.min(y + APART, height - this.box.offsetHeight - 4))}px`;
  }
}
