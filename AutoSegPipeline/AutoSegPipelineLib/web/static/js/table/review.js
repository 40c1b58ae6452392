// The review of a result: what is said of it, and a dialog to say it.
import { byId, el, setText, toast } from "../dom.js";

export class Reviews {
  constructor(ask, may, changed) {
    this.ask = ask;
    this.may = may;
    this.changed = changed;
    this.dialog = byId("review");
    this.dialog.addEventListener("close", () => { if (this.dialog.returnValue === "save") this.save(); });
  }

  /** What stands in a row: the mark, and for those who may a button that opens the dialog. */
  cell(row) {
    const text = (row.review || (row.remark ? "remark" : "")) + (row.review_outdated ? " (of an earlier result)" : "");
    const title = [row.remark, row.reviewed_by ? `by ${row.reviewed_by}` : ""].filter(Boolean).join(" · ");
    if (!this.may) return el("span", { text, title });
    return el("button", { type: "button", class: "button small", title, text: text || "Review",
      "aria-label": `Review ${row.case}${text ? `, now ${text}` : ""}`, onclick: () => this.open(row) });
  }

  open(row) {
    this.row = row;
    setText(byId("review-title"), `Review of ${row.case}`);
    for (const radio of byId("review-form").elements.mark) radio.checked = radio.value === row.review;
    byId("review-remark").value = row.remark;
    setText(byId("review-said"), row.reviewed_by ? `Reviewed by ${row.reviewed_by}.` : "It is kept for the case, with all its structures.");
    this.dialog.returnValue = "";
    this.dialog.showModal();
  }

  async save() {
    const body = { mark: byId("review-form").elements.mark.value, remark: byId("review-remark").value };
    try {
      await this.ask("PUT", `api/v1/jobs/${this.row.job}/review`, body);
      this.changed();
    } catch (error) {
      toast(error.message, "bad", error.hint);
    }
  }
}
