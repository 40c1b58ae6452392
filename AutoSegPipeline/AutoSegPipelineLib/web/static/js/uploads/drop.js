// What was dropped or picked, as things to upload: single files, and folders with all that lies in them.

/** {label, files: [{file, path}]}; `folder` where it is one. */
function single(file) {
  return { label: file.name, folder: false, files: [{ file, path: file.name }] };
}

function readAll(reader) {
  return new Promise((resolve, reject) => {
    const found = [];
    const more = () => reader.readEntries((entries) => {
      if (!entries.length) return resolve(found);
      found.push(...entries);
      return more(); // a browser gives a hundred at a time
    }, reject);
    more();
  });
}

async function walk(entry, into) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    if (!skipped(file.name)) into.push({ file, path: entry.fullPath.replace(/^\/+/, "") });
    return;
  }
  for (const child of await readAll(entry.createReader())) await walk(child, into);
}

/** What systems leave in every folder. */
function skipped(name) {
  return name === ".DS_Store" || name === "Thumbs.db" || name === "desktop.ini" || name.startsWith("._");
}

/** Must be called at once in the `drop` event: afterwards the browser takes the items away. */
export function dropped(transfer) {
  const entries = [];
  const files = [];
  for (const item of transfer.items ?? []) {
    if (item.kind !== "file") continue;
    const entry = item.webkitGetAsEntry?.();
    if (entry?.isDirectory) entries.push(entry);
    else {
      const file = item.getAsFile();
      if (file) files.push(file);
    }
  }
  const plain = entries.length || files.length ? files : [...(transfer.files ?? [])];
  return collect(plain, entries);
}

async function collect(files, entries) {
  const things = withData(files);
  for (const entry of entries) {
    const inside = [];
    await walk(entry, inside);
    if (inside.length) things.push({ label: entry.name, folder: true, files: inside });
  }
  return things;
}

/** Headers and their data files that came together belong together; everything else is a scan of its own. */
export function withData(files) {
  const left = new Set([...files].filter((file) => !skipped(file.name)));
  const things = [];
  for (const file of [...left]) {
    const found = file.name.match(/^(.*)\.(mhd|nhdr)$/i);
    if (!found) continue;
    const stem = found[1].toLowerCase();
    const data = [...left].filter((one) => one !== file && /\.(z?raw|img|bin)(\.gz)?$/i.test(one.name) &&
      one.name.toLowerCase().startsWith(`${stem}.`));
    if (!data.length) continue;
    for (const one of [file, ...data]) left.delete(one);
    things.push({ label: file.name, folder: true, files: [file, ...data].map((one) => ({ file: one, path: one.name })) });
  }
  const dicom = [...left].filter((file) => /\.(dcm|ima|dicom)$/i.test(file.name) || !ENDING.test(file.name));
  if (dicom.length > 1) {
    for (const file of dicom) left.delete(file);
    things.push({ label: "DICOM files", folder: true, files: dicom.map((file) => ({ file, path: file.name })) });
  }
  const rest = [...left].filter(isNoScan);
  for (const file of rest) left.delete(file);
  return withRest([...things, ...[...left].map(single)], rest);
}

// An ending has a letter: the last number of a UID is none.
const ENDING = /\.(?=[a-z0-9]*[a-z])[a-z0-9]{1,8}$/i;
// As `SCAN_ENDINGS` of the intake, with archives; options stay with the scans that they are for.
const SCANS = /\.(nii|nrrd|nhdr|mha|mhd|hdr|img|z?raw|dcm|dicom|ima|zip|mgz|mgh|mnc|par|rec|head|brik)(\.(gz|bz2))?$/i;

function isNoScan(file) {
  return ENDING.test(file.name) && !SCANS.test(file.name) && !/(^|\.)options\.json$/i.test(file.name);
}

/** Viewers, pictures, documents and sidecars go with the first scan, whose job lists them; alone they are one thing. */
function withRest(things, rest) {
  const files = rest.map((file) => ({ file, path: file.name }));
  if (!things.length && files.length > 1) return [{ label: `${rest[0].name} and ${rest.length - 1} more`, folder: true, files }];
  if (!things.length || !files.length) return [...things, ...rest.map(single)];
  const [first, ...others] = things;
  return [{ ...first, folder: true, files: [...first.files, ...files] }, ...others];
}

/** Files of `<input webkitdirectory>`: one thing for the folder that was chosen. */
export function pickedFolder(files) {
  const inside = [...files].filter((file) => !skipped(file.name)).map((file) => ({ file, path: file.webkitRelativePath || file.name }));
  if (!inside.length) return [];
  return [{ label: inside[0].path.split("/")[0], folder: true, files: inside }];
}
