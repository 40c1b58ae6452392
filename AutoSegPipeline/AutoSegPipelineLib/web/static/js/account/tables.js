// What the pages about accounts share: rows, and saying what went wrong.
import { el, toast } from "../dom.js";

/** Runs `work`; a problem is shown, and nothing else happens. */
export async function trying(work) {
  try {
    return await work();
  } catch (error) {
    toast(error.message, "bad", error.hint);
    return null;
  }
}

export function row(head, ...cells) {
  return el("tr", {}, el("th", { scope: "row" }, ...[head].flat()), ...cells.map((cell) => el("td", {}, ...[cell].flat())));
}

export function sub(text) {
  return el("span", { class: "sub", text });
}

/** Day and time of here. */
export function moment(rfc3339, never = "never") {
  if (!rfc3339) return never;
  return new Date(rfc3339).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}

/** What a browser calls itself, short enough to be known again. */
export function browserName(agent) {
  const name = ["Edg", "OPR", "Firefox", "Chrome", "Safari"].find((one) => agent.includes(one));
  const system = ["Android", "iPhone", "iPad", "Windows", "Mac OS", "Linux"].find((one) => agent.includes(one));
  const shown = { Edg: "Edge", OPR: "Opera" }[name] ?? name;
  if (!shown) return agent.slice(0, 40) || "unknown";
  return system ? `${shown} on ${system}` : shown;
}
