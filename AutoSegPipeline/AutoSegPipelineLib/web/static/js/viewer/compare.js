// Two results side by side: the same structures shown in both, one camera for both, volumes beside one another.
import { address, part } from "../api.js";
import { byId, el, setText } from "../dom.js";
import { millilitres } from "../words.js";
import { fetchBytes, toGlb } from "./glb.js";
import { toRas } from "./anatomy.js";

const cases = JSON.parse(byId("main").dataset.cases);
const compare = { cases, scenes: [], ready: false };
window.autosegCompare = compare; // for the console and the tests

async function open(facts, stage) {
  const { Scene } = await import("./scene.js");
  const kind = facts.files.glb ? "glb" : "gltf";
  const bytes = await fetchBytes(address(`api/v1/results/${part(facts.id)}/files/${part(facts.files[kind])}`), () => {});
  const scene = new Scene(stage);
  await scene.load(toGlb(bytes));
  return scene;
}

/** Turning, moving and zooming one moves the other, each about the middle of what it shows. */
function link([one, other]) {
  const size = (from, to) => to.view.radius / from.view.radius;
  const middle = (scene) => toRas(scene.view.centre);
  let busy = false;
  const follow = (from, to) => {
    if (busy || !byId("linked").checked) return;
    busy = true;
    const state = from.view.state;
    const target = state.slice(0, 3).map((value, axis) => value - middle(from)[axis] + middle(to)[axis]);
    // The same millimetres for a pixel in both.
    to.view.restore([...target, ...state.slice(3, 9), state[9] * size(from, to)]);
    busy = false;
  };
  one.view.controls.addEventListener("change", () => follow(one, other));
  other.view.controls.addEventListener("change", () => follow(other, one));
  byId("linked").addEventListener("change", () => follow(one, other));
  compare.follow = follow;
}

function row(name, [one, other]) {
  const title = (one ?? other).title;
  const box = el("input", { type: "checkbox", checked: (one ?? other).visible, "aria-label": `Show ${title}` });
  box.addEventListener("change", () => {
    [one, other].forEach((structure, side) => { if (structure) compare.scenes[side].show(structure, box.checked); });
  });
  const volume = (structure) => (!structure ? "not there" : structure.volume === null ? "unknown" : millilitres(structure.volume));
  const known = one?.volume && other?.volume;
  const change = known ? `${other.volume >= one.volume ? "+" : "−"}${Math.abs(100 * (other.volume / one.volume - 1)).toFixed(1)} %` : "";
  const swatch = el("i", { class: "swatch" });
  swatch.style.background = (one ?? other).colour;
  return el("tr", { data: { name } }, el("th", { scope: "row" }, el("label", { class: "check" }, box, swatch, title)),
    el("td", { class: "number", text: volume(one) }), el("td", { class: "number", text: volume(other) }), el("td", { class: "number", text: change }));
}

function table(scenes) {
  const names = [...new Set(scenes.flatMap((scene) => scene.structures.map((one) => one.name)))];
  byId("compare-rows").replaceChildren(...names.map((name) => row(name, scenes.map((scene) => scene.structures.find((one) => one.name === name)))));
}

function tools(scenes) {
  const { follow } = compare;
  byId("look-from").addEventListener("change", (event) => {
    if (!event.target.value) return;
    for (const scene of scenes) scene.view.lookFrom(event.target.value);
    follow(scenes[0], scenes[1]);
    event.target.value = "";
  });
  scenes.forEach((scene, side) => {
    const stage = scene.stage;
    stage.tabIndex = 0;
    stage.setAttribute("role", "application");
    stage.setAttribute("aria-label", `3D view of ${cases[side].label || cases[side].name}. Arrow keys turn, plus and minus zoom.`);
    const acts = scene.view.keys;
    stage.addEventListener("keydown", (event) => {
      if (!acts[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      acts[event.key]();
      follow(scene, scenes[1 - side]);
    });
  });
}

async function start() {
  try {
    compare.scenes = [await open(cases[0], byId("stage-0")), await open(cases[1], byId("stage-1"))];
    link(compare.scenes);
    compare.follow(...compare.scenes);
    table(compare.scenes);
    tools(compare.scenes);
    setText(byId("compare-said"), "");
  } catch (error) {
    setText(byId("compare-said"), `The results cannot be compared. ${error.message}`);
  }
  compare.ready = true;
  document.documentElement.dataset.ready = "true";
}

start();
