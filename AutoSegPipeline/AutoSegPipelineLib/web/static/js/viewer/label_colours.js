// Colours of the label map in the slices, as the 3D view has them.

/** How strongly a structure is drawn, 0 to 1 in tenths: full as it looks at first, fainter where it was made fainter. */
export function strength(one) {
  if (!one.visible) return 0;
  return Math.max(1, Math.round(10 * Math.min(1, one.opacity / one.first.opacity))) / 10;
}

/**
 * NiiVue's table for labels up to `most`. `alpha(one)` 0 to 1 says how a structure is drawn; `fade`: by a darker
 * colour, for a label map with nothing behind it, whose alpha NiiVue ignores.
 */
export function colourTable(structures, most, alpha, fade) {
  const map = { R: [], G: [], B: [], A: [], I: [] };
  const byLabel = new Map(structures.map((one) => [one.label, one]));
  // NiiVue's shader lets no value below 2/256 of the table, so the table begins that much before the first label.
  for (let value = -Math.ceil(most / 100) - 2; value <= most; value += 1) {
    const one = byLabel.get(value);
    const part = one ? alpha(one) : 0;
    const colour = part ? parseInt(one.colour.slice(1), 16) : 0;
    const factor = fade ? part : 1;
    map.I.push(value);
    map.R.push(Math.round(factor * (colour >> 16)));
    map.G.push(Math.round(factor * ((colour >> 8) & 255)));
    map.B.push(Math.round(factor * (colour & 255)));
    map.A.push(part ? 255 : 0);
  }
  return map;
}
