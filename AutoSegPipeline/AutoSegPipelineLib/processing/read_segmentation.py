"""An existing segmentation for ``export``: ``.seg.nrrd``, or a label map with names from somewhere.

Names come from, in this order: the table that was given, the segments of a
``.seg.nrrd``, a label table inside a NIfTI file (what ``TotalSegmentator --ml``
and our own label maps carry), a table beside the file (``NAME.csv``, ``.ctbl``,
``.txt``). A label map without any is refused: nobody wants ``label_17``.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np

from ..core.errors import PipelineError
from ..core.incoming import table_names, tables_beside
from ..core.segmentation import Affine, Segment, Segmentation
from ..core.structure_names import machine_name
from .anatomy import guess_group, likely_colour, readable_title
from .label_tables import Entry, read_table
from .nifti_labels import read_label_table
from .read_seg_nrrd import MAX_LABEL, is_seg_nrrd, read_seg_nrrd, unique_name
from .volume import Volume, read_volume


def read_segmentation(
    path: Path, labels: Path | None = None, affine: Affine | None = None, name: str = ""
) -> Segmentation:
    """The segmentation of a file; ``labels`` is a table, ``affine`` (index to LPS mm) overrides the file's.

    ``name`` is what messages call the file. Raises :class:`PipelineError`: ``export.no_names``,
    ``export.bad_table``, ``export.empty`` or what reading the file raises (``input.*``).
    """
    name = name or path.name
    if is_seg_nrrd(path):
        segmentation = read_seg_nrrd(path, affine, name)
        return segmentation if labels is None else _renamed(segmentation, read_table(labels), labels)
    volume = read_volume(path, affine, name=name)
    array = _as_labels(volume, name)
    return _from_table(volume, array, _entries(path, labels, name), name)


def _as_labels(volume: Volume, name: str) -> np.ndarray:
    """The voxels as the smallest unsigned integers; raises when they are no labels."""
    array = volume.array
    integral = array.dtype.kind != "f" or (np.isfinite(array).all() and np.array_equal(np.rint(array), array))
    if not integral:
        raise PipelineError("input.corrupt", f"{name} holds fractions, so it is no label map")
    lowest, highest = array.min(), array.max()
    if lowest < 0 or highest > MAX_LABEL:
        raise PipelineError(
            "input.corrupt", f"{name} holds values from {lowest} to {highest}, so it is no label map"
        )
    if highest == 0:
        raise PipelineError("export.empty", f"{name} holds no label but 0")
    dtype = np.uint8 if highest < 1 << 8 else np.uint16 if highest < 1 << 16 else np.uint32
    return np.ascontiguousarray(array, dtype=dtype)


def _entries(path: Path, labels: Path | None, name: str) -> list[Entry]:
    if labels is not None:
        return read_table(labels)
    if path.name.lower().endswith((".nii", ".nii.gz")):
        try:
            stored = read_label_table(path)
        except (ElementTree.ParseError, ValueError) as error:
            raise PipelineError(
                "export.bad_table", f"the label table inside {name} is damaged: {error}"
            ) from error
        if stored:
            return _without_cycled_colours(stored)
    for beside in tables_beside(path):
        names = dict(zip(table_names(path.name), table_names(name)))
        return read_table(beside, names.get(beside.name, ""))
    raise PipelineError("export.no_names", f"{name} holds labels without names")


def _without_cycled_colours(entries: list[Entry]) -> list[Entry]:
    """Colours that repeat were dealt out in turn, not chosen; better ones follow from the names."""
    colours = [entry.colour for entry in entries if entry.colour is not None]
    if len(set(colours)) == len(colours):
        return entries
    return [Entry(entry.value, entry.name) for entry in entries]


def _from_table(volume: Volume, array: np.ndarray, entries: list[Entry], name: str) -> Segmentation:
    present = _present(array)
    by_value = {entry.value: entry for entry in entries}
    named = sorted(value for value in present if value in by_value)
    if not named:
        raise PipelineError(
            "export.no_names", f"the table names none of the labels of {name} ({_some(present)})"
        )
    taken: set[str] = set()
    segments = tuple(_segment(by_value[value], taken, number) for number, value in enumerate(named))
    segmentation = Segmentation(volume.grid, [array], segments)
    nameless = sorted(set(present) - set(by_value))
    if nameless:
        segmentation.warnings.append(
            {
                "code": "export.unnamed_labels",
                "message": f"labels without a name were left out: {_some(nameless)}",
            }
        )
    return segmentation


def _present(array: np.ndarray) -> list[int]:
    """The labels that occur, counted slice by slice to keep the memory flat."""
    counts = np.zeros(int(array.max()) + 1, dtype=np.int64)
    for voxels in array:
        counts += np.bincount(voxels.reshape(-1), minlength=len(counts))
    return [value for value in np.flatnonzero(counts).tolist() if value]


def _some(values: list[int]) -> str:
    more = f" and {len(values) - 10} more" if len(values) > 10 else ""
    return ", ".join(str(value) for value in values[:10]) + more


def _segment(entry: Entry, taken: set[str], number: int) -> Segment:
    from .engines.structures import STRUCTURES

    name = unique_name(machine_name(entry.name), taken)
    known = STRUCTURES.get(name)
    return Segment(
        layer=0,
        value=entry.value,
        name=name,
        title=known.title if known else readable_title(entry.name),
        colour=entry.colour or likely_colour(name, number),
        group=known.group if known else guess_group(name),
        opacity=known.opacity if known else 1.0,
        category=known.category if known else None,
        code=known.code if known else None,
        modifier=known.modifier if known else None,
    )


def _renamed(segmentation: Segmentation, entries: list[Entry], table: Path) -> Segmentation:
    """A table given for a one-layer ``.seg.nrrd`` renames its segments by label value."""
    from dataclasses import replace

    if len(segmentation.layers) > 1:
        raise PipelineError(
            "export.bad_table", f"{table.name}: values name no segment where labels overlap in several layers"
        )
    by_value = {entry.value: entry for entry in entries}
    taken: set[str] = set()
    renamed = []
    for segment in segmentation.segments:
        entry = by_value.get(segment.value)
        name = unique_name(machine_name(entry.name) if entry else segment.name, taken)
        if entry:
            title, colour = readable_title(entry.name), entry.colour or segment.colour
            segment = replace(segment, title=title, colour=colour, group=guess_group(name))
        renamed.append(replace(segment, name=name))
    return Segmentation(segmentation.grid, segmentation.layers, tuple(renamed), segmentation.warnings)
