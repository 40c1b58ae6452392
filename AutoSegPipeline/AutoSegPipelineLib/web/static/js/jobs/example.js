// The button of an empty list: a synthetic scan, for whoever has none at hand.
import { ask } from "../api.js";
import { byId, toast } from "../dom.js";

/** Only who may upload has the button. */
export function offerExample(table) {
  const button = byId("example");
  button?.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await ask("POST", "api/v1/jobs/example");
      await table.look();
      byId("jobs-scroll").focus({ preventScroll: true }); // the button is gone from the list
    } catch (error) {
      toast(error.message, "bad", error.hint);
    } finally {
      button.disabled = false;
    }
  });
}
