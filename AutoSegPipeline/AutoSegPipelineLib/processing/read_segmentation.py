"""An existing segmentation for ``export``: ``.seg.nrrd``, DICOM, or a label map with names from somewhere.

Names come from the first of these that exists: the table that was given, the file
itself (the segments of a ``.seg.nrrd``, the label table in a NIfTI header, which
``TotalSegmentator --ml`` and our own label maps carry), the table beside the file.
A mask, which has one label, is else named by its file, and what still has no name
is called ``Label 7``. A folder of masks is :mod:`.read_masks`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ..core import mask_plan
from ..core.errors import PipelineError
from ..core.segmentation import Affine, Segmentation
from ..core.structure_names import machine_name
from ..core.table_files import map_stem, structure_of
from ..core.task_labels import is_task, labels_of, structures_of
from ..formats.label_rows import Entry
from ..formats.label_tables import read_table
from ..formats.nifti_labels import read_label_table
from .foreign_names import segment_of
from .layers import smallest_type
from .read_dicom_seg import is_dicom, read_dicom_seg
from .read_masks import read_masks
from .read_seg_nrrd import MAX_LABEL, is_seg_nrrd, read_seg_nrrd, unique_name
from .regions import add_regions
from .volume import Volume, read_volume

_MOST_VALUE = 0xFFFFFFFF


def read_segmentation(
    path: Path,
    labels: Path | None = None,
    affine: Affine | None = None,
    name: str = "",
    table: Path | None = None,
) -> Segmentation:
    """The segmentation of a file; ``affine`` (index to LPS mm) overrides the file's.

    ``labels`` is the table of names that was given or the name of a task, ``table`` the one that
    lies beside the file, ``name`` is what messages call the file. Raises :class:`PipelineError`:
    ``export.bad_table``, ``export.empty`` or what reading the file raises (``input.*``).
    """
    name = name or path.name
    if path.name == mask_plan.FILE:
        return read_masks(path, affine)
    if is_dicom(path):
        coded = read_dicom_seg(path, name)
        if labels is not None:
            return _renamed(coded, given_entries(labels), labels)
        return _with_note(coded, table, name)
    if is_seg_nrrd(path):
        segmentation = read_seg_nrrd(path, affine, name)
        if labels is not None:
            return _renamed(segmentation, given_entries(labels), labels)
        return _with_note(segmentation, table, name)
    volume = read_volume(path, affine, name=name)
    array, values = _as_labels(volume, name)
    warnings: list[dict[str, str]] = []
    entries = _entries(path, array, labels, table, name, warnings)
    if values:
        entries = _renumbered(entries, values)
        warnings.append(_renumbering(values, name))
    segmentation = _from_entries(volume, array, entries, name, labels or table, values)
    segmentation.warnings[:0] = warnings
    return segmentation


def _as_labels(volume: Volume, name: str) -> tuple[np.ndarray, list[int]]:
    """The voxels as the smallest unsigned integers, and the labels of the file in the order of theirs.

    The list is empty where a label is its own number. Values above :data:`MAX_LABEL` (Allen's atlases
    count to 614 million) are counted from 1. Raises when the voxels are no labels.
    """
    array = volume.array
    integral = array.dtype.kind != "f" or (np.isfinite(array).all() and np.array_equal(np.rint(array), array))
    if not integral:
        raise PipelineError("input.corrupt", f"{name} holds fractions, so it is no label map")
    lowest, highest = array.min(), array.max()
    if lowest < 0 or highest > _MOST_VALUE:
        raise PipelineError(
            "input.corrupt", f"{name} holds values from {lowest} to {highest}, so it is no label map"
        )
    if highest == 0:
        raise PipelineError("export.empty", f"{name} holds no label but 0")
    if highest > MAX_LABEL:
        return _counted(array)
    return np.ascontiguousarray(array, dtype=smallest_type(int(highest))), []


def _counted(array: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """The voxels with the labels counted from 1 in their order, and the labels; slice by slice."""
    found = np.unique(np.concatenate([np.unique(voxels) for voxels in array]))
    values = found[found != 0]
    counted = np.empty(array.shape, dtype=smallest_type(len(values)))
    for voxels, row in zip(array, counted):
        row[...] = np.where(voxels == 0, 0, np.searchsorted(values, voxels) + 1)
    return counted, [int(value) for value in values]


def _renumbered(entries: list[Entry], values: list[int]) -> list[Entry]:
    """``entries`` for labels that are counted now."""
    numbers = {value: number for number, value in enumerate(values, 1)}
    kept = [replace(entry, value=numbers[entry.value]) for entry in entries if entry.value in numbers]
    regions = [
        replace(entry, region=tuple(numbers[value] for value in entry.region if value in numbers))
        for entry in entries
        if entry.region
    ]
    return [*kept, *(entry for entry in regions if entry.region)]


def _renumbering(values: list[int], name: str) -> dict[str, str]:
    message = (
        f"{map_stem(name)} has labels up to {values[-1]}; the results count them from 1 to {len(values)}, "
        "in their order"
    )
    return {"code": "export.labels_renumbered", "message": message}


def _entries(
    path: Path,
    array: np.ndarray,
    labels: Path | None,
    table: Path | None,
    name: str,
    warnings: list[dict[str, str]],
) -> list[Entry]:
    """What names the labels; empty for nothing."""
    if labels is not None:
        return _of_mask(array, labels, name) or given_entries(labels)
    if path.name.lower().endswith((".nii", ".nii.gz")):
        stored = read_label_table(path, name)
        if stored:
            if table is not None:
                warnings += _unused(stored, table, name)
            return _without_cycled_colours(stored)
    return read_table(table) if table is not None else []


def given_entries(labels: Path) -> list[Entry]:
    """The rows of the table that was given; what is no absolute path is a task of TotalSegmentator."""
    if is_task(str(labels)):
        return [Entry(value, structure) for value, structure in labels_of(str(labels)).items()]
    return read_table(labels)


def _of_mask(array: np.ndarray, labels: Path, name: str) -> list[Entry]:
    """A mask that is called as a structure of the given task holds that, whatever its label; else nothing."""
    stem = structure_of(name)
    if not is_task(str(labels)) or stem.casefold() not in structures_of(str(labels)):
        return []
    present = _present(array)
    return [Entry(present[0], stem)] if len(present) == 1 else []


def _with_note(segmentation: Segmentation, table: Path | None, name: str) -> Segmentation:
    """``segmentation``, which names its own labels, with a note of the table beside its file."""
    if table is not None:
        own = [Entry(segment.value, segment.name, segment.colour) for segment in segmentation.segments]
        segmentation.warnings += _unused(own, table, name)
    return segmentation


def _unused(own: list[Entry], table: Path, name: str) -> list[dict[str, str]]:
    """A note where a table beside a file says anything else than the file itself, which wins."""
    names: dict[int, list[str]] = {}
    colours: dict[int, object] = {}
    for entry in own:
        names.setdefault(entry.value, []).append(machine_name(entry.name))
        colours[entry.value] = entry.colour
    other = ""
    for entry in read_table(table):
        here, there = names.get(entry.value, []), machine_name(entry.name)
        if here and there not in here:
            other = f"label {entry.value}: {here[0]}, not {there}"
            break
        if here and entry.colour is not None and entry.colour != colours[entry.value]:
            other = other or f"label {entry.value}: another colour of {there}"
    if not other:
        return []
    message = (
        f"{name.rpartition('/')[2]} names its own labels, so {table.name} beside it was not used ({other})"
    )
    return [{"code": "export.table_not_used", "message": message}]


def _without_cycled_colours(entries: list[Entry]) -> list[Entry]:
    """Colours that repeat were dealt out in turn, not chosen; better ones follow from the names."""
    colours = [entry.colour for entry in entries if entry.colour is not None]
    if len(set(colours)) == len(colours):
        return entries
    return [Entry(entry.value, entry.name) for entry in entries]


def _from_entries(
    volume: Volume, array: np.ndarray, entries: list[Entry], name: str, source: Path | None, values: list[int]
) -> Segmentation:
    """The segmentation of a label map; ``source`` is the table of ``entries``, if they have one.

    ``values`` are the labels as the file has them, where ``array`` counts them from 1.
    """
    present = _present(array)
    by_value = {entry.value: entry for entry in entries if not entry.region}
    regions = [entry for entry in entries if set(entry.region).intersection(present)]
    in_regions = {value for entry in regions for value in entry.region}
    nameless = [value for value in present if value not in by_value and value not in in_regions]
    if not entries and len(present) == 1:
        by_value[present[0]] = Entry(present[0], structure_of(name))  # a mask is what its file is called
        nameless = []
    own = {value: values[value - 1] if values else value for value in nameless}
    by_value.update({value: Entry(value, f"Label {own[value]}") for value in nameless})
    taken: set[str] = set()
    named = [value for value in present if value in by_value]
    segments = tuple(segment_of(by_value[value], taken, number) for number, value in enumerate(named))
    segmentation = Segmentation(volume.grid, [array], segments)
    if regions:
        segmentation = add_regions(
            segmentation, [(segment_of(entry, taken, 0), entry.region) for entry in regions]
        )
    if nameless:
        segmentation.warnings.append(_nameless(list(own.values()), name, bool(entries), source))
    return segmentation


def _nameless(labels: list[int], name: str, some_named: bool, source: Path | None) -> dict[str, str]:
    base = name.rpartition("/")[2]
    if some_named and source is not None:
        what = f"{source.name} does not name {len(labels)} of the labels of {base}"
    else:
        some = f"{len(labels)} of the" if some_named else "the"
        what = f"nothing names {some} labels of {base}"
    called = ", ".join(f"Label {value}" for value in labels[:3])
    more = f" and so on: {_some(labels)}" if len(labels) > 3 else ""
    return {"code": "export.unnamed_labels", "message": f"{what}; they are called {called}{more}"}


def _present(array: np.ndarray) -> list[int]:
    """The labels that occur, counted slice by slice to keep the memory flat."""
    counts = np.zeros(int(array.max()) + 1, dtype=np.int64)
    for voxels in array:
        counts += np.bincount(voxels.reshape(-1), minlength=len(counts))
    return [value for value in np.flatnonzero(counts).tolist() if value]


def _some(values: list[int]) -> str:
    more = f" and {len(values) - 10} more" if len(values) > 10 else ""
    return ", ".join(str(value) for value in values[:10]) + more


def _renamed(segmentation: Segmentation, entries: list[Entry], table: Path) -> Segmentation:
    """A table given for a file with names of its own renames its segments by label value.

    Raises ``export.bad_table`` where a label that it names is in several layers, so that it may mean either.
    """
    by_value = {entry.value: entry for entry in entries if not entry.region}
    values = [segment.value for segment in segmentation.segments]
    twice = sorted({value for value in values if value in by_value and values.count(value) > 1})
    if twice:
        raise PipelineError(
            "export.bad_table",
            f"{table.name}: label {twice[0]} names no segment, because several layers have it",
        )
    taken: set[str] = set()
    renamed = []
    for number, segment in enumerate(segmentation.segments):
        entry = by_value.get(segment.value)
        if entry is None or machine_name(entry.name) == segment.name:
            colour = segment.colour if entry is None else entry.colour or segment.colour
            renamed.append(replace(segment, name=unique_name(segment.name, taken), colour=colour))
            continue
        named = segment_of(entry, taken, number)
        renamed.append(
            replace(
                named,
                layer=segment.layer,
                priority=segment.priority,
                colour=entry.colour or segment.colour,
            )
        )
    return Segmentation(
        segmentation.grid, segmentation.layers, tuple(renamed), segmentation.warnings, segmentation.facts
    )
