// Numbers, times and states as people read them.

export const STATES = {
  receiving: ["Arriving", "", "clock"],
  inspecting: ["Being checked", "run", "clock"],
  queued: ["Waiting", "", "clock"],
  preparing: ["Preparing", "run", "run"],
  segmenting: ["Segmenting", "run", "run"],
  exporting: ["Making files", "run", "run"],
  publishing: ["Publishing", "run", "run"],
  done: ["Done", "done", "check"],
  refused: ["Refused", "warn", "alert"],
  failed: ["Failed", "bad", "alert"],
  cancelled: ["Cancelled", "", "cancel"],
};
export const RUNNING = new Set(["preparing", "segmenting", "exporting", "publishing"]);
export const WAITING = new Set(["receiving", "inspecting", "queued"]);
export const ENDED = new Set(["done", "refused", "failed", "cancelled"]);
export const PROBLEMS = new Set(["refused", "failed"]);

const WARNINGS = {
  "sides.not_verified": "Side not verified",
  "engine.side_not_verified": "Side not verified",
  "sides.swapped": "Left and right look swapped",
  "segmentation.absent": "Empty structure",
  "engine.structures_absent": "Structures not found",
  "surface.empty": "Empty surface",
  "statistics.touches_border": "Touches the border",
  "picture.not_drawn": "No picture",
  "engine.stepped_down": "Lower quality used",
  "engine.task_switched": "Task switched",
  "engine.model_trusted": "Trusted model",
  "engine.modality_guessed": "CT or MR was guessed",
  "dicom.missing_slices": "Missing slices",
  "dicom.uneven_slices": "Uneven slices",
  "dicom.odd_slices": "Slices left out",
  "dicom.gantry_tilt": "Gantry tilt straightened",
  "dicom.several_stacks": "One of several volumes",
  "dicom.uids_missing": "UIDs missing",
  "dicom.modality_assumed": "Modality from the SOP class",
  "dicom.duplicates": "Repeated slices left out",
  "dicom.odd_values": "Odd values in the header",
};

/** A short title for a warning's code. */
export function warningTitle(code) {
  if (WARNINGS[code]) return WARNINGS[code];
  const words = code.split(".").pop().replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export function bytes(size) {
  if (size < 1000) return `${size} bytes`;
  const units = ["kB", "MB", "GB", "TB"];
  let value = size;
  let unit = -1;
  do { value /= 1000; unit += 1; } while (value >= 999.5 && unit < units.length - 1);
  return `${value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${units[unit]}`;
}

export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

export function millilitres(volume) {
  const digits = volume >= 100 ? 0 : volume >= 10 ? 1 : 2;
  return `${volume.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits })} ml`;
}

export function percent(fraction) {
  return `${Math.floor(fraction * 100)} %`;
}

/** "14:05" today, "21 Nov, 14:05" before. */
export function clockTime(rfc3339) {
  const at = new Date(rfc3339);
  if (Number.isNaN(at.getTime())) return "";
  const time = at.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
  if (at.toDateString() === new Date().toDateString()) return time;
  return `${at.toLocaleDateString(undefined, { day: "numeric", month: "short" })}, ${time}`;
}

export function many(count, one, more = `${one}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : more}`;
}

const cameIn = new WeakMap();

/** When a job came in; remembered, because long lists are sorted by it. */
export function arrived(job) {
  let at = cameIn.get(job);
  if (at === undefined) {
    at = Object.values(job.times ?? {}).reduce((first, time) => (first && first < time ? first : time), "");
    cameIn.set(job, at);
  }
  return at;
}
