// The picture to save: what is seen, with letters and scale, and below it a strip with its name and what it is not.
import { el } from "../dom.js";

const STRIP = 40; // pixels of the page
const NOT_A_DEVICE = "For research, not a medical device";

/** `from`: the drawn canvas; `edges`, `scale` {pixels, text} as they are shown over it; `name` of the result. */
export function picture(from, pageHeight, edges, scale, name) {
  const unit = from.height / pageHeight;
  const canvas = el("canvas", { width: from.width, height: from.height + Math.round(STRIP * unit) });
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#10161d";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(from, 0, 0);
  pen.fillStyle = "#fff";
  pen.strokeStyle = "rgba(0,0,0,.8)";
  pen.lineWidth = 3 * unit;
  pen.textBaseline = "middle";
  const write = (text, x, y, align, size) => {
    pen.font = `600 ${size * unit}px system-ui, sans-serif`;
    pen.textAlign = align;
    pen.strokeText(text, x, y);
    pen.fillText(text, x, y);
  };
  const edge = 16 * unit;
  write(edges.left, edge, from.height / 2, "center", 18);
  write(edges.right, canvas.width - edge, from.height / 2, "center", 18);
  write(edges.top, canvas.width / 2, edge, "center", 18);
  write(edges.bottom, canvas.width / 2, from.height - edge, "center", 18);
  pen.fillRect(edge, from.height - 14 * unit, scale.pixels * unit, 3 * unit);
  write(scale.text, edge, from.height - 26 * unit, "left", 13);
  pen.font = `600 ${12 * unit}px system-ui, sans-serif`;
  write(shortened(pen, name, canvas.width - 2 * edge), edge, from.height + 11 * unit, "left", 12);
  write(NOT_A_DEVICE, edge, from.height + 28 * unit, "left", 12);
  return new Promise((resolve) => { canvas.toBlob(resolve, "image/png"); });
}

/** A name that is too long loses its middle: scans of a series differ at their ends. */
function shortened(pen, text, wide) {
  let cut = text;
  for (let keep = text.length - 1; pen.measureText(cut).width > wide && keep > 2; keep -= 1) {
    cut = `${text.slice(0, Math.ceil(keep / 2))}…${text.slice(text.length - Math.floor(keep / 2))}`;
  }
  return cut;
}
