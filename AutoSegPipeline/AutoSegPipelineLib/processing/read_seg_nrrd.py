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
from ..formats.geometry import is_finite
from ..formats.header import Header
from ..formats.volume_file import NRRD, VolumeFile, format_of, read_volume_file
from ..formats.voxels import read_voxels
from .anatomy import guess_group, likely_colour
from .layers import smallest_type
from .seg_nrrd_fields import FACTS, TAG
from .terminology import parse_entry

MAX_LABEL = 1 << 20  # atlases count to some ten thousand; tables by value are made up to the highest
_AUTOMATIC_ID = re.compile(r"segment_?\d*|\d[\d.]*", re.IGNORECASE)


def is_seg_nrrd(path: Path) -> bool:
    """Whether the file is a NRRD, attached or detached, with segments in its header."""
    with open(path, "rb") as stream:
        if format_of(stream.read(4096)) != NRRD:
            return False
    return "Segment0_ID" in read_volume_file(str(path), NRRD).header.values


def read_seg_nrrd(path: Path, affine: Affine | None = None, name: str = "") -> Segmentation:
    """The segmentation of a ``.seg.nrrd`` or ``.seg.nhdr``, its layers' axis wherever it is.

    ``affine`` (index to LPS mm) overrides the file's, ``name`` is what messages call it.
    Raises :class:`PipelineError` with ``input.*`` or ``export.no_names``.
    """
    volume = _open(path, name)
    grid = _grid(volume.header, volume.name, affine)
    layers = _layers(volume)
    segments = _segments(volume, len(layers))
    if not segments:
        raise PipelineError("export.no_names", f"{volume.name} names no segment")
    try:
        return Segmentation(grid, layers, segments)
    except ValueError as error:
        raise PipelineError("input.corrupt", f"{volume.name}: {error}") from error


def read_facts(path: Path) -> dict[str, Any]:
    """The ``facts`` that our writer was given; empty for other programs' files."""
    try:
        facts = json.loads(_open(path).header.values.get(FACTS, "{}"))
    except ValueError:
        return {}
    return facts if isinstance(facts, dict) else {}


def _open(path: Path, name: str = "") -> VolumeFile:
    return read_volume_file(str(path), NRRD, name=name or path.name)


def _grid(header: Header, name: str, affine: Affine | None) -> Grid:
    if len(header.spatial) != 3 or len(header.sizes) > 4:
        raise PipelineError(
            "input.corrupt", f"{name} has {len(header.sizes)} axes; a segmentation has 3 or 4"
        )
    if affine is not None:
        return Grid(header.shape, affine)
    if header.affine is None:
        raise PipelineError("input.orientation_unstated", f"{name} does not state its space")
    grid = Grid(header.shape, header.affine)
    if not is_finite(header.affine) or abs(grid.determinant) <= 1e-12:
        raise PipelineError("input.bad_affine", f"{name} has no usable space directions")
    return grid


def _layers(volume: VolumeFile) -> list[np.ndarray]:
    array = read_voxels(volume)
    if array.dtype.kind == "f":
        rounded = np.rint(array)
        if not np.array_equal(rounded, array):
            raise PipelineError("input.corrupt", f"{volume.name} holds fractions, not labels")
        array = rounded
    lowest, highest = array.min(), array.max()
    if lowest < 0 or highest > MAX_LABEL:
        raise PipelineError(
            "input.corrupt",
            f"{volume.name} holds values from {lowest} to {highest}, which are no labels",
        )
    return [np.ascontiguousarray(layer, dtype=smallest_type(highest)) for layer in array]


def _segments(volume: VolumeFile, layers: int) -> tuple[Segment, ...]:
    segments: list[Segment] = []
    taken: set[str] = set()
    number = 0
    while f"Segment{number}_ID" in volume.header.values:
        segment = _segment(volume, number, layers)
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


def _segment(volume: VolumeFile, number: int, layers: int) -> Segment:
    def get(key: str, default: str = "") -> str:
        return volume.header.values.get(f"Segment{number}_{key}", default)

    tags = _tags(get("Tags"))
    title = " ".join((get("Name") or get("ID")).split())
    identity = get("ID")
    own = tags.get(TAG + "Name")
    name = own or machine_name(title if _AUTOMATIC_ID.fullmatch(identity) else identity)
    try:
        # Slicer before 4.11 wrote one layer for each segment, with the value 1, and neither key.
        layer = int(get("Layer") or (number if layers > 1 else 0))
        value = int(get("LabelValue") or 1)
        priority = int(tags.get(TAG + "Priority") or 0)
        opacity = float(tags.get(TAG + "Opacity") or 1)
        stated = tuple(float(x) for x in get("Color").split())
        red, green, blue = stated or likely_colour(name, number)
    except ValueError:
        raise PipelineError("input.corrupt", f"{volume.name}: segment {number} is damaged") from None
    codes = parse_entry(tags.get("TerminologyEntry", ""))
    return Segment(
        layer=layer,
        value=value,
        name=name,
        title=title,
        colour=(red, green, blue),
        group=tags.get(TAG + "Group") or guess_group(name),
        priority=priority,
        opacity=opacity,
        **codes,
    )


def _tags(text: str) -> dict[str, str]:
    parts = (part.partition(":") for part in text.split("|") if part)
    return {key: value for key, _, value in parts}
