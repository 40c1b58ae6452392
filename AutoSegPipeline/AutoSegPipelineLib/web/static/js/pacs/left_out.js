// Series that rules left out: they are no jobs, so no table of jobs can show them.
import { byId, el } from "../dom.js";
import { time } from "./fetches.js";

export class LeftOut {
  show({ left_out: series }) {
    byId("left-out-card").hidden = !series.length;
    byId("left-out-body").replaceChildren(...series.map((one) => el("tr", {},
      el("th", { scope: "row" }, one.series, el("span", { class: "sub", text: `for ${one.entry}, study ${one.study}` })),
      el("td", { text: one.reason }),
      el("td", { class: "when", text: time(one.at) }))));
  }
}
