// The main page: one feed of jobs, and what shows it.
import { mayDo } from "./api.js";
import { byId, el } from "./dom.js";
import { JobTable } from "./jobs/table.js";
import { Live } from "./live.js";
import { Models } from "./models.js";
import { Options } from "./options.js";
import { ResultGrid } from "./results.js";
import { UploadList } from "./uploads/list.js";

const live = new Live();
window.autoseg = { live }; // for the console

function banner(name, make) {
  const old = byId(`banner-${name}`);
  if (!make) return old?.remove();
  if (old) return undefined;
  const box = make();
  box.id = `banner-${name}`;
  return byId("banners").append(box);
}

live.addEventListener("offline", () => banner("offline", () => el("div", { class: "notice bad", role: "alert" },
  el("b", { text: "The server does not answer. " }), "This page may be out of date. It reconnects by itself, and uploads continue where they stopped.")));
live.addEventListener("online", () => banner("offline", null));
live.addEventListener("status", (event) => {
  const paused = event.detail.status.paused;
  banner("paused", null);
  if (paused) {
    banner("paused", () => el("div", { class: "notice warn" }, el("b", { text: "The pipeline is paused. " }),
      paused.code === "request" ? "Somebody paused it; cases wait until someone resumes it." : paused.reason ?? paused.message ?? ""));
  }
  const cluster = event.detail.status.cluster;
  banner("cluster", null);
  if (cluster) {
    banner("cluster", () => el("div", { class: "notice warn" }, el("b", { text: "No cases leave for the cluster. " }),
      `${cluster.reason}. It is tried again by itself; this machine goes on.`));
  }
  banner("gone", null);
  if (event.detail.status.running === false) {
    banner("gone", () => el("div", { class: "notice warn" }, el("b", { text: "No pipeline is running. " }),
      "Jobs wait until the administrator starts it again."));
  }
});

new JobTable(live);
new ResultGrid(live);

if (mayDo("operator") && byId("upload")) {
  for (const part of document.querySelectorAll(".scripted-only")) part.hidden = false;
  document.querySelector(".plain-only")?.remove();
  const options = new Options();
  window.autoseg.options = options;
  window.autoseg.uploads = new UploadList(options, live);
  options.start().catch((error) => {
    byId("options-body").replaceChildren(el("p", { class: "soft", text: `The options cannot be read: ${error.message} Uploads use the defaults.` }));
  });
}
if (mayDo("admin")) {
  new Models().start().catch((error) => { byId("models-said").textContent = `The models cannot be read: ${error.message}`; });
}
live.start();
