// The page of the PACS: one document, asked for again while the page is shown.
import { getJson } from "../api.js";
import { byId, el } from "../dom.js";
import { Fetches } from "./fetches.js";
import { Find } from "./find.js";
import { LeftOut } from "./left_out.js";
import { Peers } from "./peers.js";

const SECONDS = 3;
const parts = [];
let timer = 0;

function banner(kind, title, text) {
  const words = text ? `${title} ${text}` : "";
  if (byId("banners").textContent.trim() === words.trim()) return;
  byId("banners").replaceChildren(...(text ? [el("div", { class: `notice ${kind}` }, el("b", { text: `${title} ` }), text)] : []));
}

async function look() {
  clearTimeout(timer);
  try {
    const pacs = await getJson("api/v1/pacs");
    if (!pacs.running) banner("warn", "Archives cannot be reached from here now:", `${pacs.note}.`);
    else banner("bad", "dicom.json is wrong, the one before it is used:", pacs.note);
    for (const part of parts) part.show(pacs);
  } catch (error) {
    banner("bad", "The server does not answer.", error.message);
  }
  if (!document.hidden) timer = setTimeout(look, SECONDS * 1000);
}

parts.push(new Find(look), new Fetches(look), new LeftOut(), new Peers(look));
document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
look();
