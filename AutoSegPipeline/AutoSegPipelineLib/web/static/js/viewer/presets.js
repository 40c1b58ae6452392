// Ready-made views of the structures: each group alone, or with the rest around it like glass.
import { el } from "../dom.js";

const GLASS = 0.12;

export function presets(tree) {
  const titles = [...tree.groups.keys()];
  const box = el("select", { id: "presets", "aria-label": "Ready-made views" }, el("option", { value: "", text: "Ready-made views ..." }),
    el("option", { value: "first", text: "As at first" }),
    ...titles.map((title, index) => el("option", { value: `only ${index}`, text: `${title} alone` })),
    ...(titles.length > 1 ? titles.map((title, index) => el("option", { value: `glass ${index}`, text: `${title}, the rest like glass` })) : []));
  box.addEventListener("change", () => {
    const [kind, index] = box.value.split(" ");
    box.value = "";
    const members = new Set(tree.groups.get(titles[Number(index)]) ?? []);
    tree.arrange((one) => {
      if (kind === "first") return [!one.hiddenAtFirst, one.first.opacity];
      if (members.has(one)) return [true, kind === "glass" ? Math.max(one.first.opacity, 0.7) : one.first.opacity];
      return [kind === "glass" && !one.hiddenAtFirst, kind === "glass" ? GLASS : one.first.opacity];
    });
  });
  return box;
}
