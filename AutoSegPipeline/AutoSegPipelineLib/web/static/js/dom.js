// Elements are made here, never from text: what a file is called can then not become part of the page.

const SVG = "http://www.w3.org/2000/svg";
const ICONS = {
  alert: "M12 4 2.8 19.5h18.4zM12 10v4.5M12 17.2v.1",
  back: "M15 5l-7 7 7 7",
  box: "M12 3 4 7.2v9.6L12 21l8-4.2V7.2zM4 7.2l8 4.3 8-4.3M12 11.5V21",
  cancel: "M6 6l12 12M18 6 6 18",
  check: "M4.5 12.5 10 18 19.5 7",
  clock: "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17zM12 7.5V12l3 2",
  download: "M12 4v11M7.5 11 12 15.5 16.5 11M5 20h14",
  eye: "M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12zM12 9.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6z",
  "eye-off": "M4 4l16 16M9.6 5.8A9.7 9.7 0 0 1 12 5.5c6 0 9.5 6.5 9.5 6.5a16 16 0 0 1-2.7 3.4M6.3 7.8A15.6 15.6 0 0 0 2.5 12S6 18.5 12 18.5a9.5 9.5 0 0 0 3.8-.8",
  first: "M12 20V9M7 13.5 12 8.5l5 5M5 4h14",
  down: "M12 4v15M6.5 13.5 12 19l5.5-5.5",
  up: "M12 20V5M6.5 10.5 12 5l5.5 5.5",
  log: "M6 3.5h8.5L19 8v12.5H6zM9 12h7M9 16h7M9 8h3",
  only: "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17zM12 9.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5z",
  pause: "M8.5 5v14M15.5 5v14",
  play: "M8 5l11 7-11 7z",
  retry: "M19.5 12a7.5 7.5 0 1 1-2.3-5.4M19.5 3.5v4h-4",
  run: "M12 3.5v3.5M12 17v3.5M3.5 12H7M17 12h3.5M6 6l2.5 2.5M15.5 15.5 18 18M18 6l-2.5 2.5M8.5 15.5 6 18",
  share: "M15.5 8.5 8.5 12l7 3.5M6 9.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5zM18 4.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5zM18 14.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5z",
  trash: "M5 7h14M10 7V4.5h4V7M7 7l.8 13h8.4L17 7M10.5 11v5.5M13.5 11v5.5",
  upload: "M12 16V4.5M7 9.5 12 4.5l5 5M4.5 15.5v4h15v-4",
};

/** An element; `props` are attributes, `on*` listeners, `text`, `class`, `data`. */
export function el(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "text") element.textContent = value;
    else if (name === "class") element.className = value;
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** A drawing that says nothing to a screen reader; the words stand beside it. */
export function icon(name, extra = "") {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", `icon-svg ${extra}`.trim());
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("focusable", "false");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** A button with words on it. */
export function button(text, onclick, kind = "") {
  return el("button", { type: "button", class: `button ${kind}`, text, onclick });
}

/** A square button that shows a drawing and is called `label`. */
export function iconButton(name, label, onclick, props = {}) {
  return el("button", { type: "button", class: "button icon plain", "aria-label": label, title: label, onclick, ...props },
    icon(name));
}

export function byId(id) {
  return document.getElementById(id);
}

/** A progress bar from 0 to 1; null is "some, nobody knows how much". */
export function bar(label) {
  const inner = el("i");
  const outer = el("div", { class: "bar", role: "progressbar", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": 100 },
    inner);
  outer.set = (fraction, kind = "") => {
    outer.className = `bar ${kind} ${fraction === null ? "unknown" : ""}`;
    if (fraction === null) {
      outer.removeAttribute("aria-valuenow");
      inner.style.removeProperty("width");
    } else {
      const percent = Math.floor(Math.min(1, Math.max(0, fraction)) * 100);
      outer.setAttribute("aria-valuenow", percent);
      inner.style.width = `${percent}%`;
    }
  };
  return outer;
}

/** Replace the text only where it differs: a screen reader hears what is new. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const waiting = new Map();
let timer = 0;

/**
 * Say it to a screen reader; what comes within a second is said at once, the newest at the end.
 * Of one `topic` only the newest is said; of more than three the oldest are only counted, since
 * the answer to what a person just did comes last.
 */
export function announce(text, topic = text) {
  waiting.delete(topic);
  waiting.set(topic, text);
  if (timer) return;
  timer = setTimeout(() => {
    timer = 0;
    const said = [...waiting.values()];
    waiting.clear();
    const older = said.length > 3 ? `${said.length - 3} more before: ` : "";
    byId("announcer").textContent = older + said.slice(-3).join(" ");
  }, 1000);
}

/** A message in the corner; problems stay until they are closed. */
export function toast(text, kind = "good", hint = "") {
  const box = el("div", { class: `notice ${kind}`, role: kind === "bad" ? "alert" : "status" },
    el("div", { class: "grow" }, el("p", { text }), hint && hint !== text ? el("p", { class: "small", text: hint }) : null),
    iconButton("cancel", "Close this message", () => box.remove()));
  byId("toasts").append(box);
  if (kind !== "bad") setTimeout(() => box.remove(), 6000);
}
