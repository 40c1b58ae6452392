// The structures as groups of rows: shown or not, which one is chosen, how it looks, what is known of it.
import { byId, el, icon, iconButton, setText } from "../dom.js";
import { many, millilitres } from "../words.js";
import { presets } from "./presets.js";

/** Events: `chosen` {structure}, `shown`. */
export class Tree extends EventTarget {
  constructor(scene) {
    super();
    this.scene = scene;
    this.rows = new Map();
    this.chosen = null;
    this.groups = Map.groupBy ? Map.groupBy(scene.structures, (one) => one.group) : groupBy(scene.structures);
    byId("tree").replaceChildren(...[...this.groups].map(([title, members]) => this.makeGroup(title, members)));
    byId("tree-search").addEventListener("input", (event) => this.search(event.target.value));
    byId("tree-tools").replaceChildren(
      el("button", { type: "button", class: "button small", id: "show-all", text: "Show all", onclick: () => this.showOnly(() => true) }),
      el("button", { type: "button", class: "button small", id: "hide-all", text: "Hide all", onclick: () => this.showOnly(() => false) }),
      el("button", { type: "button", class: "button small", id: "looks", text: "Reset looks", onclick: () => this.resetLooks() }),
      presets(this));
    scene.addEventListener("cut", () => this.count());
    const hidden = scene.structures.filter((one) => one.hiddenAtFirst);
    this.load = el("p", { class: "soft small", id: "tree-load" });
    byId("tree").prepend(...(hidden.length ? [this.softNote(hidden)] : []));
    byId("tree").append(this.load);
    this.empty = el("p", { class: "soft small", hidden: true, text: "No structure has that name." });
    byId("tree").append(this.empty);
    this.tell();
    this.changed();
  }

  /** What covers the rest begins hidden: say so, and offer it. */
  softNote(hidden) {
    return el("p", { class: "small", id: "soft-note" }, `${many(hidden.length, "structure")} of soft tissue ${hidden.length === 1 ? "is" : "are"} hidden at first. `,
      el("button", { type: "button", class: "button small", id: "show-soft", text: "Show soft tissue", onclick: () => { for (const one of hidden) this.show(one, true); } }));
  }

  makeGroup(title, members) {
    const box = el("input", { type: "checkbox", checked: true });
    box.addEventListener("change", () => { for (const one of members) this.show(one, box.checked); });
    const group = el("details", { open: true, class: "group" },
      el("summary", {}, el("span", { class: "group-title", text: title }), el("span", { class: "soft small number", text: String(members.length) })),
      members.length > 1 ? el("label", { class: "check group-check small" }, box, `All of ${title}`) : null,
      el("ul", { class: "members" }, ...members.map((one) => this.makeRow(one))));
    members.box = box;
    members.element = group;
    return group;
  }

  makeRow(one) {
    const box = el("input", { type: "checkbox", checked: one.visible, "aria-label": `Show ${one.title}` });
    box.addEventListener("change", () => this.show(one, box.checked));
    const swatch = el("i", { class: "swatch" });
    swatch.style.background = one.colour;
    const name = el("button", { type: "button", class: "structure", "aria-pressed": "false", onclick: () => this.choose(one, "tree") },
      swatch, el("span", { text: one.title }));
    const only = iconButton("only", `Show only ${one.title}`, () => { this.showOnly((other) => other === one); this.choose(one, "tree"); });
    const row = el("li", { class: "member", data: { name: one.name } }, box, name,
      el("span", { class: "small soft number", text: one.volume === null ? "" : millilitres(one.volume) }), only);
    this.rows.set(one, { row, box, name, swatch });
    return row;
  }

  show(one, on) {
    this.scene.show(one, on);
    this.rows.get(one).box.checked = on;
    this.changed();
  }

  showOnly(holds) {
    for (const one of this.scene.structures) {
      this.scene.show(one, holds(one));
      this.rows.get(one).box.checked = one.visible;
    }
    this.changed();
  }

  /** `look(one)` says of each structure whether it is shown, and how opaque. */
  arrange(look) {
    for (const one of this.scene.structures) {
      const [on, opacity] = look(one);
      if (one.opacity !== opacity) this.scene.opacity(one, opacity);
      this.scene.show(one, on);
      this.rows.get(one).box.checked = on;
    }
    this.tell();
    this.changed();
  }

  look(one, colour, opacity) {
    this.scene.colour(one, colour);
    this.scene.opacity(one, opacity);
    this.rows.get(one).swatch.style.background = colour;
    this.changed();
  }

  changed() {
    for (const members of this.groups.values()) {
      const shown = members.filter((one) => one.visible).length;
      members.box.checked = shown === members.length;
      members.box.indeterminate = shown > 0 && shown < members.length;
    }
    this.count();
    this.dispatchEvent(new CustomEvent("shown"));
  }

  count() {
    const { shown, drawCalls, triangles, all } = this.scene.drawing;
    setText(this.load, `${shown} of ${many(this.scene.structures.length, "structure")} shown: ${many(drawCalls, "draw call")}, ${triangles.toLocaleString("en")} of ${all.toLocaleString("en")} triangles.`);
  }

  search(text) {
    const wanted = text.trim().toLowerCase();
    let any = false;
    for (const members of this.groups.values()) {
      let found = 0;
      for (const one of members) {
        const hit = `${one.name} ${one.title} ${one.group} ${one.code?.value ?? ""} ${one.code?.meaning ?? ""}`.toLowerCase().includes(wanted);
        this.rows.get(one).row.hidden = !hit;
        found += hit ? 1 : 0;
      }
      members.element.hidden = !found;
      if (wanted && found) members.element.open = true;
      any ||= found > 0;
    }
    this.empty.hidden = any;
  }

  /** Mark one in tree and scene; null: none. */
  choose(one, from) {
    this.chosen = one;
    for (const [other, parts] of this.rows) {
      parts.name.setAttribute("aria-pressed", String(other === one));
      parts.row.classList.toggle("chosen", other === one);
    }
    this.scene.highlight(one);
    if (one && from !== "tree") {
      this.groups.get(one.group).element.open = true;
      this.rows.get(one).row.scrollIntoView({ block: "nearest" });
    }
    this.tell();
    this.dispatchEvent(new CustomEvent("chosen", { detail: { structure: one, from } }));
  }

  resetLooks() {
    for (const one of this.scene.structures) {
      this.scene.colour(one, one.first.colour);
      this.scene.opacity(one, one.first.opacity);
      this.rows.get(one).swatch.style.background = one.colour;
    }
    this.tell();
    this.changed();
  }

  tell() {
    const box = byId("selected");
    const one = this.chosen;
    if (!one) {
      box.replaceChildren(el("p", { class: "soft small", text: `${many(this.scene.structures.length, "structure")}. Choose one here or click on it in the 3D view.` }));
      return;
    }
    const colour = el("input", { type: "color", id: "chosen-colour", value: one.colour });
    colour.addEventListener("input", () => {
      this.scene.colour(one, colour.value);
      this.scene.highlight(one);
      this.rows.get(one).swatch.style.background = one.colour;
      this.changed();
    });
    const said = el("output", { class: "small number", for: "chosen-opacity", text: `${Math.round(one.opacity * 100)} %` });
    const opacity = el("input", { type: "range", id: "chosen-opacity", min: 1, max: 100, step: 1, value: Math.round(one.opacity * 100) });
    opacity.addEventListener("input", () => {
      this.scene.opacity(one, Number(opacity.value) / 100);
      setText(said, `${opacity.value} %`);
      this.dispatchEvent(new CustomEvent("shown"));
    });
    const code = one.code ? `${one.code.scheme === "SCT" ? "SNOMED CT" : one.code.scheme} ${one.code.value}${one.code.meaning ? `, ${one.code.meaning}` : ""}` : "no code";
    box.replaceChildren(
      el("h3", { text: one.title }),
      el("dl", { class: "facts-list" }, el("dt", { text: "Volume" }), el("dd", { text: one.volume === null ? "unknown" : millilitres(one.volume), id: "chosen-volume" }),
        el("dt", { text: "Code" }), el("dd", { text: code, id: "chosen-code" })),
      el("div", { class: "row" }, el("label", { for: "chosen-colour", text: "Colour" }), colour,
        el("label", { for: "chosen-opacity", text: "Opacity" }), opacity, said),
      el("div", { class: "row" },
        el("button", { type: "button", class: "button small", id: "chosen-hide", onclick: () => this.show(one, !one.visible) }, icon("eye-off"), "Hide or show"),
        el("button", { type: "button", class: "button small", id: "chosen-only", onclick: () => this.showOnly((other) => other === one) }, icon("only"), "Isolate"),
        el("button", { type: "button", class: "button small", id: "chosen-fit", text: "Zoom to it", onclick: () => this.scene.fit(one) })));
  }
}

function groupBy(structures) {
  const groups = new Map();
  for (const one of structures) groups.set(one.group, [...(groups.get(one.group) ?? []), one]);
  return groups;
}
