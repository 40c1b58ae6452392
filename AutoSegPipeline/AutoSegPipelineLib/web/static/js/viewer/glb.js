// The result's 3D file as one GLB in memory, with how much of it has come.

const MAGIC = 0x46546c67;
const JSON_CHUNK = 0x4e4f534a;
const BIN_CHUNK = 0x004e4942;

/** Fetch a file; `progress` hears a fraction, or null where the size is unknown. */
export async function fetchBytes(url, progress) {
  const response = await fetch(url, { credentials: "same-origin" });
  if (!response.ok) throw new Error(`The file could not be loaded (${response.status}).`);
  const size = Number(response.headers.get("content-length")) || 0;
  if (!response.body) return response.arrayBuffer();
  const parts = [];
  let have = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    have += value.length;
    progress(size ? Math.min(1, have / size) : null);
  }
  return new Blob(parts).arrayBuffer();
}

/** Plain glTF with its data inside as GLB: data addresses are then nobody's to fetch, and the page's policy stays strict. */
export function toGlb(bytes) {
  const view = new DataView(bytes);
  if (bytes.byteLength >= 4 && view.getUint32(0, true) === MAGIC) return bytes;
  const document = JSON.parse(new TextDecoder().decode(bytes));
  const starts = [];
  const parts = [];
  let length = 0;
  for (const buffer of document.buffers ?? []) {
    const found = /^data:[^,]*;base64,(.*)$/s.exec(buffer.uri ?? "");
    if (!found) throw new Error("The data of the 3D file is not inside the file.");
    const part = Uint8Array.from(atob(found[1]), (letter) => letter.charCodeAt(0));
    starts.push(length);
    parts.push([length, part]);
    length += Math.ceil(part.length / 4) * 4;
  }
  for (const one of document.bufferViews ?? []) {
    one.byteOffset = (one.byteOffset ?? 0) + starts[one.buffer];
    one.buffer = 0;
  }
  document.buffers = [{ byteLength: length }];
  const text = new TextEncoder().encode(JSON.stringify(document));
  const padded = Math.ceil(text.length / 4) * 4;
  const out = new Uint8Array(12 + 8 + padded + 8 + length);
  const head = new DataView(out.buffer);
  [MAGIC, 2, out.length, padded, JSON_CHUNK].forEach((value, index) => head.setUint32(4 * index, value, true));
  out.fill(0x20, 20, 20 + padded);
  out.set(text, 20);
  head.setUint32(20 + padded, length, true);
  head.setUint32(24 + padded, BIN_CHUNK, true);
  for (const [start, part] of parts) out.set(part, 28 + padded + start);
  return out.buffer;
}
