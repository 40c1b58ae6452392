"""The one table of result formats.

A row here and the file that it names in ``processing/writers/`` make a format: settings, command line,
API, page, panel, the names of result files and the docs follow from the row.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Iterable, Mapping

# When a format is written. An overview may show or list the files before it; what completes the case
# comes after every file was checked.
FILES, OVERVIEW, COMPLETION = range(3)

# What a file of an unknown ending is: bytes.
BYTES = "application/octet-stream"


@dataclass(frozen=True)
class ResultFormat:
    """One kind of result.

    ``kind`` is the word of ``--formats``; ``title`` and ``help`` are for people. ``files`` are the
    endings that follow the stem with their media types; ``writer`` is a module of
    ``processing/writers/`` with the functions of :class:`~..processing.writers.load.Writer`.
    ``picture``: it needs the drawn picture of the case. ``module``: what must be importable for it, of
    the package that ``python3 autoseg.py install KIND`` adds.
    """

    kind: str
    title: str
    files: Mapping[str, str]
    writer: str
    help: str
    default: bool = True
    always: bool = False
    written: int = FILES
    picture: bool = False
    module: str = ""
    package: str = ""

    @property
    def endings(self) -> tuple[str, ...]:
        """What follows the stem in the names of its files."""
        return tuple(self.files)

    @property
    def lacks(self) -> str:
        """What is missing here to write it, and how to install that; empty where nothing is missing."""
        if not self.module or importlib.util.find_spec(self.module) is not None:
            return ""
        return (
            f"{self.title} needs the package {self.package}: `python3 autoseg.py install {self.kind}`, "
            f"in 3D Slicer `slicer.util.pip_install('{self.package}')`"
        )


FORMATS: tuple[ResultFormat, ...] = (
    ResultFormat(
        "gltf", "glTF", {".gltf": "model/gltf+json"}, "gltf",
        "one named object per structure; every 3D viewer", always=True,
    ),
    ResultFormat("glb", "GLB", {".glb": "model/gltf-binary"}, "glb", "the same as one smaller binary file"),
    ResultFormat(
        "seg", "3D Slicer segmentation", {".seg.nrrd": BYTES}, "seg_nrrd",
        "segmentation for 3D Slicer, structures may overlap",
    ),
    ResultFormat(
        "labels", "Label map", {".labels.nii.gz": "application/gzip"}, "labels",
        "one label map on the scan's grid",
    ),
    ResultFormat(
        "statistics", "Statistics",
        {".statistics.csv": "text/csv; charset=utf-8", ".statistics.json": "application/json"}, "statistics",
        "volumes, intensities, positions",
    ),
    ResultFormat(
        "picture", "Picture", {".png": "image/png"}, "picture",
        "surfaces from the front and from the left, three slices", written=OVERVIEW, picture=True,
    ),
    ResultFormat(
        "report", "Report", {".report.html": "text/html; charset=utf-8"}, "report", "one page for people",
        written=OVERVIEW, picture=True,
    ),
    ResultFormat(
        "stl", "STL", {".stl.zip": "application/zip"}, "stl", "one STL per structure", default=False,
    ),
    ResultFormat(
        "obj", "OBJ", {".obj.zip": "application/zip"}, "obj", "one OBJ per structure, with colours",
        default=False,
    ),
    ResultFormat(
        "usdz", "USDZ", {".usdz": "model/vnd.usdz+zip"}, "usdz",
        "the scene for phones and tablets", default=False, module="pxr", package="usd-core",
    ),
    ResultFormat(
        "manifest", "Manifest", {".manifest.json": "application/json"}, "manifest",
        "how everything was computed", always=True, written=COMPLETION,
    ),
)  # fmt: skip

BY_KIND: dict[str, ResultFormat] = {row.kind: row for row in FORMATS}
KINDS: tuple[str, ...] = tuple(BY_KIND)
ALWAYS: tuple[str, ...] = tuple(row.kind for row in FORMATS if row.always)
DEFAULT: tuple[str, ...] = tuple(row.kind for row in FORMATS if row.default)
ENDINGS: tuple[str, ...] = tuple(ending for row in FORMATS for ending in row.endings)
# With this file a case is complete.
MANIFEST: str = BY_KIND["manifest"].endings[0]


def complete(kinds: Iterable[str]) -> list[str]:
    """``kinds`` with those that are never left out, in the order of the table."""
    wanted = set(kinds)
    return [row.kind for row in FORMATS if row.always or row.kind in wanted]


def media_type(name: str) -> str:
    """Of the result file ``name``; what is none is bytes."""
    low = name.casefold()
    found = (kind for row in FORMATS for ending, kind in row.files.items() if low.endswith(ending))
    return next(found, BYTES)
