"""One module for each result format, and the names that the files get.

A writer takes a path inside the case's output folder and what it writes; it
raises :class:`OSError` when the disk does not take it. Verification is not the
writers' business: ``processing/verify.py`` opens every file anew.
"""

from __future__ import annotations

DISCLAIMER = "For research, not a medical device."

# kind (a word of --formats) -> the endings that follow the stem.
ENDINGS: dict[str, tuple[str, ...]] = {
    "gltf": (".gltf",),
    "glb": (".glb",),
    "seg": (".seg.nrrd",),
    "labels": (".labels.nii.gz",),
    "statistics": (".statistics.csv", ".statistics.json"),
    "picture": (".png",),
    "report": (".report.html",),
    "stl": (".stl.zip",),
    "obj": (".obj.zip",),
    "manifest": (".manifest.json",),
}
