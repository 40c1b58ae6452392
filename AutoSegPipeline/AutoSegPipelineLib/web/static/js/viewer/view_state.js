// A view as a short text for the address, and back. Version 1: parts `key=value`; what is unknown or broken is passed over.

const VERSION = 1;
const numbers = (text, count) => {
  const found = text.split(",").map(Number);
  return found.length === count && found.every(Number.isFinite) ? found : null;
};
const short = (value, digits) => String(Number(value.toFixed(digits)));

/** Which of many are on, as base64 for addresses; the count goes first. */
export function packBits(bits) {
  const bytes = new Uint8Array(Math.ceil(bits.length / 8));
  bits.forEach((on, place) => { if (on) bytes[place >> 3] |= 1 << (place & 7); });
  return `${bits.length}.${btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "")}`;
}

/** The bits again, or null where it is none of these or not for `count`. */
export function unpackBits(text, count) {
  const [length, packed] = text.split(".");
  if (Number(length) !== count || packed === undefined) return null;
  try {
    const bytes = atob(packed.replaceAll("-", "+").replaceAll("_", "/"));
    if (bytes.length < Math.ceil(count / 8)) return null;
    return Array.from({ length: count }, (_, place) => Boolean(bytes.charCodeAt(place >> 3) & (1 << (place & 7))));
  } catch {
    return null;
  }
}

// Each part: how it is written, and read; `read` gives null for what is not understood. `count` structures there are.
const PARTS = {
  camera: ["c", (camera) => camera.map((value, place) => short(value, place < 3 ? 1 : 3)).join(","), (text) => numbers(text, 10)],
  shown: ["s", packBits, unpackBits],
  looks: ["o", (looks) => looks.map(([place, colour, percent]) => [place, colour.slice(1), percent].join(".")).join(","),
    (text, count) => {
      const looks = text.split(",").map((one) => /^(\d+)\.([0-9a-f]{6})\.(\d+)$/.exec(one));
      if (!looks.every((one) => one && Number(one[1]) < count && Number(one[3]) >= 1 && Number(one[3]) <= 100)) return null;
      return looks.map(([, place, colour, percent]) => [Number(place), `#${colour}`, Number(percent)]);
    }],
  cut: ["x", ([side, percent]) => `${side}${percent}`, (text) => {
    const found = /^([APLRSI])(\d+)$/.exec(text);
    return found && Number(found[2]) <= 100 ? [found[1], Number(found[2])] : null;
  }],
  place: ["p", (ras) => ras.map((value) => short(value, 1)).join(","), (text) => numbers(text, 3)],
  chosen: ["k", String, (text, count) => (/^\d+$/.test(text) && Number(text) < count ? Number(text) : null)],
  window: ["w", (range) => range.map((value) => short(value, 2)).join(","), (text) => {
    const range = numbers(text, 2);
    return range && range[0] < range[1] ? range : null;
  }],
  planes: ["l", String, (text) => (/^[0-4]$/.test(text) ? Number(text) : null)],
  overlay: ["t", String, (text) => (/^\d+$/.test(text) && Number(text) <= 100 ? Number(text) : null)],
  measures: ["m", (all) => all.map(([kind, points]) => `${kind}${points.flat().map((value) => short(value, 1)).join(",")}`).join("_"),
    (text) => {
      const all = text.split("_").map((one) => {
        const points = numbers(one.slice(1), { d: 6, a: 9 }[one[0]] ?? 0);
        return points && [one[0], Array.from({ length: points.length / 3 }, (_, place) => points.slice(3 * place, 3 * place + 3))];
      });
      return all.every(Boolean) ? all : null;
    }],
};

/** `state` has some of the parts above; the text that follows the # of an address. */
export function encode(state) {
  const written = Object.entries(PARTS).filter(([name]) => state[name] !== undefined && state[name] !== null)
    .map(([name, [key, write]]) => `${key}=${write(state[name])}`);
  return [`v=${VERSION}`, ...written].join("&");
}

/** The parts that are understood, for a result with `count` structures; `newer`: a later version wrote it. Null: no view. */
export function decode(text, count) {
  const given = new Map(text.replace(/^#/, "").split("&").map((one) => [one.slice(0, one.indexOf("=")), one.slice(one.indexOf("=") + 1)]));
  const version = Number(given.get("v"));
  if (!Number.isInteger(version) || version < 1) return null;
  const state = { newer: version > VERSION };
  for (const [name, [key, , read]] of Object.entries(PARTS)) {
    const found = given.has(key) ? read(given.get(key), count) : null;
    if (found !== null) state[name] = found;
  }
  return state;
}
