// The other results, to choose one that is shown beside this one: the newest, or those that a search finds.
import { address, getJson, part } from "../api.js";
import { el, toast } from "../dom.js";

const MOST = 100; // in the list at once
const PAUSE_MS = 250; // without a key, before it searches

/** A button that becomes the search and the list; choosing a result opens both side by side. */
export function compareWith(id) {
  const button = el("button", { type: "button", class: "button small", id: "compare", text: "Compare with ...", onclick: open });
  const search = el("input", { type: "search", id: "compare-search", placeholder: "Search the results", "aria-label": "Search the other results",
    autocomplete: "off", spellcheck: "false" });
  const list = el("select", { id: "compare-with", "aria-label": "Compare with" });
  list.addEventListener("change", () => { if (list.value) location.href = address(`compare/${part(id)}?with=${part(list.value)}`); });
  let timer = 0;
  let looks = 0;
  search.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => fill().catch((error) => toast(error.message, "bad", error.hint)), PAUSE_MS);
  });

  /** How many others match. */
  async function fill() {
    const number = looks += 1;
    const { results, cursor } = await getJson(`api/v1/results?${new URLSearchParams({ limit: MOST + 1, search: search.value.trim() })}`);
    const others = results.filter((one) => one.job !== id).slice(0, MOST);
    if (number !== looks) return others.length; // somebody typed on
    const title = others.length ? "Compare with ..." : "No other result matches";
    list.replaceChildren(el("option", { value: "", text: title }), ...others.map((one) => el("option", { value: one.job, text: one.label || one.name })));
    if (cursor) list.append(el("option", { value: "", disabled: true, text: "Search for older ones" }));
    return others.length;
  }

  async function open() {
    try {
      if (!(await fill())) return toast("There is no other result to compare with.", "warn");
    } catch (error) {
      return toast(error.message, "bad", error.hint);
    }
    button.replaceWith(search, list);
    return list.focus();
  }

  return button;
}
