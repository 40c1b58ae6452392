"""Reading ``.seg.nrrd``: our own and those that 3D Slicer wrote, with every layer."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import PipelineError
from ..core.segmentation import Affine, Grid, Segment, Segmentation
from ..core.structure_names import machine_name
from .anatomy import distinct_colour, guess_group
from .nrrd import Nrrd, read_data, read_header
from .seg_nrrd_fields import FACTS, TAG
from .terminology import parse_entry

# What makes each space left-posterior-superior; NRRD's definition of "space".
_TO_LPS = {
    "left-posterior-superior": (1, 1, 1), "lps": (1, 1, 1),
    "right-anterior-superior": (-1, -1, 1), "ras": (-1, -1, 1),
    "left-anterior-superior": (1, -1, 1), "las": (1, -1, 1),
}  # fmt: skip
MAX_LABEL = 1 << 20  # atlases count to some ten thousand; tables by value are made up to the highest
_AUTOMATIC_ID = re.compile(r"segment_?\d*|\d[\d.]*", re.IGNORECASE)


def is_seg_nrrd(path: Path) -> bool:
    """Whether the file is a NRRD with segments in its header."""
    with open(path, "rb") as stream:
        if not stream.read(7).startswith(b"NRRD000"):
            return False
    return "Segment0_ID" in read_header(path).pairs


def read_seg_nrrd(path: Path, affine: Affine | None = None) -> Segmentation:
    """The segmentation of a ``.seg.nrrd``; ``affine`` (index to LPS mm) overrides the file's.

    Raises :class:`PipelineError` with ``input.corrupt``, ``input.truncated``,
    ``input.orientation_unstated`` or ``export.no_names``.
    """
    header = read_header(path)
    grid = _grid(header, affine)
    layers = _layers(header)
    segments = _segments(header, len(layers))
    if not segments:
        raise PipelineError("export.no_names", f"{path.name} names no segment")
    try:
        return Segmentation(grid, layers, segments)
    except ValueError as error:
        raise PipelineError("input.corrupt", f"{path.name}: {error}") from error


def read_facts(path: Path) -> dict[str, Any]:
    """The ``facts`` that our writer was given; empty for other programs' files."""
    try:
        facts = json.loads(read_header(path).pairs.get(FACTS, "{}"))
    except ValueError:
        return {}
    return facts if isinstance(facts, dict) else {}


def _grid(header: Nrrd, affine: Affine | None) -> Grid:
    name = header.path.name
    shape = header.sizes[-3:]
    if len(shape) != 3 or len(header.sizes) > 4:
        raise PipelineError(
            "input.corrupt", f"{name} has {len(header.sizes)} axes; a segmentation has 3 or 4"
        )
    if affine is not None:
        return Grid(shape, affine)
    signs = _TO_LPS.get(header.fields.get("space", "").lower())
    if signs is None:
        raise PipelineError("input.orientation_unstated", f"{name} does not state its space")
    vectors = re.findall(r"\(([^)]*)\)", header.fields.get("space directions", ""))
    origin = re.findall(r"\(([^)]*)\)", header.fields.get("space origin", "(0,0,0)"))
    try:
        columns = [[float(x) for x in text.split(",")] for text in vectors[-3:] + origin[:1]]
        rows = tuple(tuple(sign * column[row] for column in columns) for row, sign in enumerate(signs))
        grid = Grid(shape, (*rows, (0.0, 0.0, 0.0, 1.0)))  # type: ignore[arg-type]
        regular = len(columns) == 4 and abs(grid.determinant) > 1e-12
    except (ValueError, IndexError):
        regular = False
    if not regular:
        raise PipelineError("input.bad_affine", f"{name} has no usable space directions")
    return grid


def _layers(header: Nrrd) -> list[np.ndarray]:
    array = read_data(header)
    if array.ndim == 3:
        array = array[..., np.newaxis]
    if header.dtype.kind == "f":
        rounded = np.rint(array)
        if not np.array_equal(rounded, array):
            raise PipelineError("input.corrupt", f"{header.path.name} holds fractions, not labels")
        array = rounded
    lowest, highest = array.min(), array.max()
    if lowest < 0 or highest > MAX_LABEL:
        raise PipelineError(
            "input.corrupt",
            f"{header.path.name} holds values from {lowest} to {highest}, which are no labels",
        )
    dtype = np.uint8 if highest < 1 << 8 else np.uint16 if highest < 1 << 16 else np.uint32
    return [np.ascontiguousarray(array[..., n], dtype=dtype) for n in range(array.shape[-1])]


def _segments(header: Nrrd, layers: int) -> tuple[Segment, ...]:
    segments: list[Segment] = []
    taken: set[str] = set()
    number = 0
    while f"Segment{number}_ID" in header.pairs:
        segment = _segment(header, number, layers)
        segments.append(replace(segment, name=unique_name(segment.name, taken)))
        number += 1
    return tuple(segments)


def unique_name(name: str, taken: set[str]) -> str:
    """``name`` or ``name_2``, ``name_3`` ...; the answer is added to ``taken``."""
    answer, count = name, 1
    while answer in taken:
        count += 1
        answer = f"{name}_{count}"
    taken.add(answer)
    return answer


def _segment(header: Nrrd, number: int, layers: int) -> Segment:
    def get(key: str, default: str = "") -> str:
        return header.pairs.get(f"Segment{number}_{key}", default)

    try:
        # Slicer before 4.11 wrote one layer for each segment, with the value 1, and neither key.
        layer = int(get("Layer") or (number if layers > 1 else 0))
        value = int(get("LabelValue") or 1)
        red, green, blue = (float(x) for x in get("Color", "").split())
    except ValueError:
        if get("Color"):
            raise PipelineError("input.corrupt", f"{header.path.name}: segment {number} is damaged") from None
        red, green, blue = distinct_colour(number)
    tags = _tags(get("Tags"))
    title = " ".join((get("Name") or get("ID")).split())
    identity = get("ID")
    own = tags.get(TAG + "Name")
    name = own or machine_name(title if _AUTOMATIC_ID.fullmatch(identity) else identity)
    codes = parse_entry(tags.get("TerminologyEntry", ""))
    return Segment(
        layer=layer,
        value=value,
        name=name,
        title=title,
        colour=(red, green, blue),
        group=tags.get(TAG + "Group") or guess_group(name),
        priority=int(tags.get(TAG + "Priority", "0") or 0),
        opacity=float(tags.get(TAG + "Opacity", "1") or 1),
        **codes,
    )


def _tags(text: str) -> dict[str, str]:
    parts = (part.partition(":") for part in text.split("|") if part)
    return {key: value for key, _, value in parts}
