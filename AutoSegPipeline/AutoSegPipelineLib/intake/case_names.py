"""Which names are scans, which wait, and what a case is called.

Pure: no file is looked at. Stems are what every result's name begins with;
they hold nothing that a file system, a shell or a web server trips over.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata

from ..core.safe_open import RESERVED

MAX_STEM = 80
# 80 characters may be 320 bytes, yet most file systems stop at 255 with the ending.
MAX_STEM_BYTES = 200
ENDINGS = (
    ".seg.nrrd", ".seg.nhdr", ".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd",
    ".dcm", ".dicom", ".ima", ".zip",
)  # fmt: skip
PARTIAL_ENDINGS = (
    ".part", ".partial", ".crdownload", ".download", ".opdownload", ".filepart", ".tmp", ".temp", ".!ut",
)  # fmt: skip
SYSTEM_FILES = ("thumbs.db", "desktop.ini", "ehthumbs.db", "icon\r")
SYSTEM_FOLDERS = ("__macosx", "$recycle.bin", "system volume information", "lost+found")
JUNK_ENDINGS = (
    ".txt",
    ".md",
    ".pdf",
    ".html",
    ".htm",
    ".xml",
    ".csv",
    ".tsv",
    ".ctbl",
    ".log",
    ".inf",
    ".exe",
    ".jar",
    ".json",
    ".dll",
    ".ini",
    ".bat",
    ".cmd",
    ".sh",
    ".msi",
    ".app",
    ".so",
    ".dylib",
    ".css",
    ".js",
    ".png",
    ".jpg",
    ".jpeg",
    ".gif",
    ".bmp",
    ".ico",
    ".svg",
    ".doc",
    ".docx",
    ".rtf",
    ".lnk",
    ".url",
    ".chm",
    ".cfg",
    ".conf",
    ".yaml",
    ".yml",
    ".toml",
    ".bval",
    ".bvec",
)
DEVICES = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$"]
    + [port + digit for port in ("com", "lpt") for digit in "0123456789¹²³"]
)
OPTIONS_ENDING = ".options.json"
FOLDER_OPTIONS = "options.json"
# Only hides the UID from a passer-by; the pipeline gives a secret of its home instead.
DEFAULT_KEY = b"AutoSegPipeline series"


def name_state(relative: str) -> str:
    """``take``, ``partial`` (a download under way: wait) or ``ignored``, for a path below the inbox."""
    parts = [part for part in re.split(r"[/\\]", relative) if part]
    if not parts:
        return "ignored"
    if any(part.startswith(".") or part.casefold() in SYSTEM_FOLDERS for part in parts):
        return "ignored"
    name = parts[-1].casefold()
    if name in SYSTEM_FILES:
        return "ignored"
    if name.endswith(("~", *PARTIAL_ENDINGS)) or name.startswith("~$"):
        return "partial"
    return "take"


def is_options_name(name: str) -> bool:
    """Whether a file of this name holds options and not a scan."""
    lowered = name.casefold()
    return lowered.endswith(OPTIONS_ENDING) or lowered == FOLDER_OPTIONS


def is_junk_name(name: str) -> bool:
    """Whether a file that is no scan may lie beside scans without a word (a README, a viewer)."""
    lowered = name.casefold()
    return lowered.endswith(JUNK_ENDINGS) or lowered in (
        "readme",
        "license",
        "dicomdir",
        "lockfile",
        "version",
    )


def without_endings(name: str) -> str:
    """``ct.nii.gz`` -> ``ct``; endings fall as long as there are any, in any case."""
    while True:
        lowered = name.lower()
        for ending in ENDINGS:
            if lowered.endswith(ending) and len(name) > len(ending):
                name = name[: -len(ending)]
                break
        else:
            return name


def safe_stem(text: str) -> str:
    """``text`` as a file name on every system: NFC, at most 80 characters, nothing reserved."""
    text = unicodedata.normalize("NFC", text)
    # Controls, bidirectional overrides, surrogates of undecodable names, private use.
    text = "".join("_" if unicodedata.category(c)[0] == "C" else c for c in text)
    text = RESERVED.sub("_", text)
    text = re.sub(r"\s+", " ", text).strip(" .").lstrip("-")
    if len(text) > MAX_STEM or len(text.encode("utf-8")) > MAX_STEM_BYTES:
        text = _shortened(text)
    if text.split(".")[0].rstrip(" ").casefold() in DEVICES:
        text = "_" + text
    return text or "scan"


def _shortened(text: str) -> str:
    """The beginning and eight letters that keep two long names apart."""
    mark = "-" + hashlib.sha256(text.encode("utf-8")).hexdigest()[:8]
    head = text[: MAX_STEM - len(mark) - 1]
    while len((head + mark).encode("utf-8")) > MAX_STEM_BYTES - 1:
        head = head[:-1]
    return head.rstrip(" .") + mark


def file_stem(relative: str) -> str:
    """Stem of a file below the inbox or the staged folder: ``folder/ct.nii.gz`` -> ``folder_ct``."""
    parts = [part for part in re.split(r"[/\\]", relative) if part not in ("", ".", "..")]
    if not parts:
        return "scan"
    # An unpacked archive is a folder whose name still has its ending.
    folders = [without_endings(part) for part in parts[:-1]]
    return safe_stem("_".join([*folders, without_endings(parts[-1])]))


def dicom_stem(modality: str, number: int | None, series_uid: str, key: bytes = DEFAULT_KEY) -> str:
    """``CT_3_1f0c9a77``: nothing of the patient, and the UID only as a keyed hash."""
    digest = hmac.new(key, series_uid.encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:8]
    return safe_stem(f"{modality or 'DICOM'}_{0 if number is None else number}_{digest}")
