// The review of a result in the table: what is said of it, and a button to say it.
import { ask, mayDo, part } from "../api.js";
import { askReview } from "../dialogs.js";
import { el, toast } from "../dom.js";

/** What stands in a row: the mark, and for those who may a button; `changed()` once something else is said. */
export function reviewCell(row, changed) {
  const text = (row.review || (row.remark ? "remark" : "")) + (row.review_outdated ? " (of an earlier result)" : "");
  const title = [row.remark, row.reviewed_by ? `by ${row.reviewed_by}` : ""].filter(Boolean).join(" · ");
  if (!mayDo("operator")) return el("span", { text, title });
  return el("button", { type: "button", class: "button small", title, text: text || "Review",
    "aria-label": `Review ${row.case}${text ? `, now ${text}` : ""}`, onclick: () => review(row, changed) });
}

async function review(row, changed) {
  const said = row.reviewed_by ? `Reviewed by ${row.reviewed_by}.` : "It is kept for the case, with all its structures.";
  const given = await askReview(`Review of ${row.case}`, { mark: row.review, remark: row.remark, said });
  if (!given) return;
  try {
    await ask("PUT", `api/v1/jobs/${part(row.job)}/review`, given);
    changed();
  } catch (error) {
    toast(error.message, "bad", error.hint);
  }
}
