// Directions of the patient. glTF is in metres: +x left, +y head, +z front. NiiVue and people use RAS millimetres.

export const AXES = [
  ["L", [1, 0, 0]], ["R", [-1, 0, 0]], ["S", [0, 1, 0]], ["I", [0, -1, 0]], ["A", [0, 0, 1]], ["P", [0, 0, -1]],
];
export const SIDES = {
  A: ["the front", [0, 0, 1], [0, 1, 0]], P: ["the back", [0, 0, -1], [0, 1, 0]],
  L: ["the left", [1, 0, 0], [0, 1, 0]], R: ["the right", [-1, 0, 0], [0, 1, 0]],
  S: ["the head", [0, 1, 0], [0, 0, 1]], I: ["the feet", [0, -1, 0], [0, 0, 1]],
};

export function toRas(point) {
  return [-1000 * point.x, 1000 * point.z, 1000 * point.y];
}

export function fromRas([r, a, s]) {
  return [-r / 1000, s / 1000, a / 1000];
}

/** The letters of a direction, the strongest first: "L", or "LA" between left and front. */
export function letters(direction) {
  return AXES.map(([letter, axis]) => [letter, axis[0] * direction.x + axis[1] * direction.y + axis[2] * direction.z])
    .filter(([, part]) => part > 0.38).sort((a, b) => b[1] - a[1]).slice(0, 2).map(([letter]) => letter).join("");
}

/** "R 12.0, A 30.1, S 4.0 mm" */
export function place([r, a, s]) {
  const part = (value, plus, minus) => `${value >= 0 ? plus : minus} ${Math.abs(value).toFixed(1)}`;
  return `${part(r, "R", "L")}, ${part(a, "A", "P")}, ${part(s, "S", "I")} mm`;
}
