"""A DICOM segmentation as label layers: overlapping segments in layers of their own, names and codes kept."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ..core.errors import PipelineError
from ..core.segmentation import Segment, Segmentation
from ..core.structure_names import machine_name
from ..formats.dicom_seg.frames import FrameReader, missing_reader
from ..formats.dicom_seg.grid import FramePlace
from ..formats.dicom_seg.header import FRACTIONAL, LABEL_MAP, THRESHOLD, SegHeader, SegmentItem, read_header
from .anatomy import guess_group, likely_colour, readable_title
from .known_structures import structure_called
from .layers import smallest_type
from .read_seg_nrrd import MAX_LABEL, unique_name

# Labels that programs hand out by themselves; the coded type says more.
_AUTOMATIC = re.compile(r"(?:segment|label|region|roi|object)?[ _#-]*\d*", re.IGNORECASE)


def is_dicom(path: Path) -> bool:
    """Whether the file is DICOM: by its ending, which the inspection gives, or its magic word."""
    if path.suffix.lower() == ".dcm":
        return True
    with open(path, "rb") as stream:
        return stream.read(132)[128:] == b"DICM"


def read_dicom_seg(path: Path, name: str = "") -> Segmentation:
    """The segmentation of a DICOM object: binary, fractional (from half of the maximum on) or label map.

    ``name`` is what messages call it. Raises :class:`PipelineError`: ``dicom.no_segmentation_reader``,
    ``dicom.compressed``, ``export.*`` and ``input.*``.
    """
    missing = missing_reader()
    if missing is not None:
        raise missing
    header = read_header(str(path), name or path.name)
    values = _values(header)
    with FrameReader(header) as reader:
        if header.kind == LABEL_MAP:
            layers, places = [_label_map(header, reader, values)], dict.fromkeys(values, 0)
        else:
            layers, places = _layers(header, reader, values)
    taken: set[str] = set()
    segments = tuple(
        _segment(item, places[item.number], values[item.number], order, taken)
        for order, item in enumerate(header.segments)
        if item.number in places
    )
    return Segmentation(header.grid, layers, segments)


def _values(header: SegHeader) -> dict[int, int]:
    """The label of each segment: its number, or the next free one for what may not be one."""
    numbers = [item.number for item in header.segments]
    if min(numbers) < 0 or max(numbers) > MAX_LABEL:
        raise PipelineError(
            "input.corrupt", f"{header.name} numbers its segments {min(numbers)} to {max(numbers)}"
        )
    return {number: number or max(numbers) + 1 for number in numbers}


def _label_map(header: SegHeader, reader: FrameReader, values: dict[int, int]) -> np.ndarray:
    dtype = smallest_type(max(values.values()))
    layer = np.zeros(header.grid.array_shape, dtype)
    table = np.zeros(max(values) + 1, dtype)
    for number, value in values.items():
        table[number] = value
    for number, place in enumerate(header.places):
        pixels = reader.frame(number)
        # A value that no segment describes is background.
        found = table[np.where(pixels < len(table), pixels, 0)]
        found[pixels >= len(table)] = 0
        for k in place.slices:
            part = _part(layer, header, place, k)
            part[found > 0] = found[found > 0]
    return layer


def _layers(
    header: SegHeader, reader: FrameReader, values: dict[int, int]
) -> tuple[list[np.ndarray], dict[int, int]]:
    """As few layers as hold every segment without two in one voxel, and the layer of each segment."""
    dtype = smallest_type(max(values.values()))
    of_segment: dict[int, list[int]] = {}
    for frame, number in enumerate(header.numbers):
        of_segment.setdefault(number, []).append(frame)
    least = THRESHOLD * header.highest if header.kind == FRACTIONAL else 1
    layers = [np.zeros(header.grid.array_shape, dtype)]
    places: dict[int, int] = {}
    for item in header.segments:
        masks = [
            (header.places[frame], k, reader.frame(frame) >= least)
            for frame in of_segment.get(item.number, [])
            for k in header.places[frame].slices
        ]
        at = next((n for n, layer in enumerate(layers) if _free(layer, header, masks)), len(layers))
        if at == len(layers):
            layers.append(np.zeros(header.grid.array_shape, dtype))
        for place, k, mask in masks:
            _part(layers[at], header, place, k)[mask] = values[item.number]
        places[item.number] = at
    return layers, places


def _part(layer: np.ndarray, header: SegHeader, place: FramePlace, k: int) -> np.ndarray:
    """The view of ``layer`` that a frame fills, shape (rows, columns)."""
    return layer[k, place.j : place.j + header.rows, place.i : place.i + header.columns]


def _free(layer: np.ndarray, header: SegHeader, masks: list[tuple[FramePlace, int, np.ndarray]]) -> bool:
    return not any(_part(layer, header, place, k)[mask].any() for place, k, mask in masks)


def _segment(item: SegmentItem, layer: int, value: int, order: int, taken: set[str]) -> Segment:
    text = item.label
    if _AUTOMATIC.fullmatch(text):
        text = _coded_name(item) or text or f"Segment {item.number}"
    name = unique_name(machine_name(text), taken)
    usual = structure_called(name)
    colour = item.colour or (usual.colour if usual else likely_colour(name, order))
    return Segment(
        layer, value, name, readable_title(text), colour, usual.group if usual else guess_group(name),
        category=item.category, code=item.code, modifier=item.modifier, region=item.region,
        region_modifier=item.region_modifier,
    )  # fmt: skip


def _coded_name(item: SegmentItem) -> str:
    """What the codes call it: ``Left kidney``; nothing without codes."""
    if item.code is None or item.modifier is None:
        return item.code.meaning if item.code else ""
    return f"{item.modifier.meaning} {item.code.meaning[:1].lower()}{item.code.meaning[1:]}"
