// The viewer's page: loads what there is, ties the parts together, says what is missing.
import { address, mayDo, part } from "../api.js";
import { announce, bar, byId, el, icon, setText } from "../dom.js";
import { showFiles } from "../dialogs.js";
import { bytes, many, millilitres, warningTitle } from "../words.js";
import { place } from "./anatomy.js";
import { compareWith } from "./compare_with.js";
import { fetchBytes, toGlb } from "./glb.js";

const facts = JSON.parse(byId("main").dataset.facts);
const stage = byId("stage");
const fileOf = (kind) => address(`api/v1/results/${part(facts.id)}/files/${part(facts.files[kind])}`);
const viewer = { facts, scene: null, tree: null, slices: null, ready: false, goTo };
window.autosegViewer = viewer; // for the console and the tests

function say(kind, title, ...more) {
  byId("banners").append(el("div", { class: `notice ${kind}` }, el("b", { text: `${title} ` }), ...more));
}

function head() {
  const files = facts.outputs.reduce((sum, output) => sum + output.size, 0);
  setText(byId("facts"), [facts.label === facts.name ? "" : facts.label, facts.modality, many(facts.outputs.length, "file"), bytes(files)].filter(Boolean).join(" · "));
  byId("head-tools").replaceChildren(
    el("button", { type: "button", class: "button small", onclick: () => showFiles(facts) }, icon("download"), "Files"));
  if (facts.warnings.length) {
    say("warn", many(facts.warnings.length, "warning") + ":", el("ul", { class: "warn-list" }, ...facts.warnings.map((one) =>
      el("li", {}, el("b", { text: `${warningTitle(one.code)}: ` }), one.message))));
  }
  if (facts.missing.length) {
    const remedy = mayDo("admin") ? [" On the server run ", el("code", { text: "python3 autoseg.py install viewer" }), ", then load this page again."]
      : [" An administrator can install them."];
    say("warn", "The viewer's libraries are not installed:", `${facts.missing.join(", ")}.`, ...remedy, " All files can be downloaded without them.");
  }
}

function tabs() {
  byId("tabs").hidden = false;
  for (const button of byId("tabs").children) {
    button.addEventListener("click", () => {
      byId("panes").dataset.tab = button.dataset.tab;
      for (const one of byId("tabs").children) one.setAttribute("aria-pressed", String(one === button));
      dispatchEvent(new Event("resize"));
    });
  }
}

async function openScene() {
  const kind = facts.files.glb ? "glb" : "gltf";
  const waiting = bar("Loading the 3D view");
  stage.replaceChildren(el("div", { class: "stage-note" }, el("p", { text: "Loading the 3D view" }), waiting));
  waiting.set(null);
  const [{ Scene }, { Tree }, { Overlay }, { Measures }, { Hover }, { Teaching }, raw] = await Promise.all([import("./scene.js"), import("./tree.js"),
    import("./overlay.js"), import("./measures.js"), import("./hover.js"), import("./teaching.js"),
    fetchBytes(fileOf(kind), (fraction) => waiting.set(fraction))]);
  stage.replaceChildren();
  viewer.scene = new Scene(stage);
  await viewer.scene.load(toGlb(raw));
  viewer.tree = new Tree(viewer.scene);
  viewer.measures = new Measures(viewer.scene, stage, () => viewer.ras);
  viewer.overlay = new Overlay(viewer.scene, stage, byId("scene-tools"), facts, viewer.measures);
  viewer.hover = new Hover(viewer.scene, stage);
  viewer.teaching = new Teaching(viewer.scene, stage.parentElement, stage, viewer.tree, viewer.hover);
  const { button, names, all, said } = viewer.teaching;
  byId("scene-tools").append(button, names, all, said, viewer.measures.list);
  viewer.scene.addEventListener("picked", (event) => {
    const found = event.detail;
    if (found && viewer.measures.take(found)) return;
    viewer.tree.choose(found?.structure ?? null, "scene");
    if (!found) return;
    goTo(viewer.slices?.readout.inward(found) ?? found.ras);
    announce(where(), "place");
  });
  viewer.tree.addEventListener("chosen", (event) => {
    const { structure, from } = event.detail;
    if (!structure || from !== "tree") return;
    goTo(viewer.scene.middle(structure));
    announce(`${structure.title}${structure.volume === null ? "" : `, ${millilitres(structure.volume)}`}`);
  });
  viewer.overlay.addEventListener("where", () => announce(where(), "place"));
  viewer.tree.addEventListener("shown", () => viewer.slices?.paint());
}

async function openSlices() {
  const told = byId("slices-said");
  if (!facts.scan) say("", "Slices:", `${facts.noScan}${facts.files.labels ? " The slices show the structures alone." : ""}`);
  if (!facts.scan && !facts.files.labels) {
    byId("slices").replaceChildren(el("p", { class: "stage-note", text: "There is no scan and no label map to show." }));
    return;
  }
  const { Slices } = await import("./slices.js");
  const slices = new Slices(byId("slices"), byId("slice-tools"), told);
  const scan = facts.scan ? { ...facts.scan, url: address(`api/v1/results/${part(facts.id)}/scan`) } : null;
  const labels = facts.files.labels ? { url: fileOf("labels"), name: "labels.nii.gz" } : null;
  await slices.load(scan, labels, facts.modality, viewer.scene?.structures ?? []);
  slices.addEventListener("place", (event) => {
    viewer.ras = event.detail.ras;
    viewer.scene?.markAt(event.detail.ras);
    if (event.detail.structure) viewer.tree?.choose(event.detail.structure, "slices");
  });
  slices.addEventListener("where", () => announce(where(), "place"));
  viewer.slices = slices;
}

/** A place (RAS mm) in the 3D view and in the slices. */
function goTo(ras) {
  viewer.ras = ras;
  viewer.scene.markAt(ras);
  viewer.slices?.go(ras);
}

/** The crosshair's place in words. */
function where() {
  if (byId("slices-said").textContent) return byId("slices-said").textContent;
  return viewer.ras ? [place(viewer.ras), viewer.tree.chosen?.title].filter(Boolean).join(", ") : "No place was chosen yet.";
}

function failed(box, what, error) {
  const text = /WebGL|context/i.test(String(error.message)) ? "The 3D view needs WebGL, which this browser does not have." : error.message;
  box.replaceChildren(el("p", { class: "stage-note", role: "alert", text: `${what} cannot be shown. ${text}` }));
}

async function start() {
  head();
  tabs();
  const has = (name) => !facts.missing.includes(name);
  if (has("three")) await openScene().catch((error) => failed(stage, "The 3D view", error));
  else stage.replaceChildren(el("p", { class: "stage-note", text: "The 3D view needs the library three." }));
  if (has("@niivue/niivue")) await openSlices().catch((error) => failed(byId("slices"), "The slices", error));
  else byId("slices").replaceChildren(el("p", { class: "stage-note", text: "The slices need the library @niivue/niivue." }));
  if (viewer.scene?.box) {
    const { ViewLink } = await import("./view_link.js");
    viewer.link = new ViewLink(viewer);
    if (!facts.embedded) byId("head-tools").append(viewer.link.button()); // a frame has no address bar
    if (!facts.share) byId("head-tools").append(compareWith(facts.id));
  }
  viewer.ready = true;
  document.documentElement.dataset.ready = "true";
}

start();
