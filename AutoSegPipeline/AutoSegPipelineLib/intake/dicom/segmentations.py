"""DICOM segmentations among what was given: each object is a case of its own, exported as it is."""

from __future__ import annotations

import math
import os

from ...core.errors import PipelineError, Refused
from ...core.messages.found_cases import FoundCase
from ...core.segmentation import Grid
from ...formats.dicom_seg.frames import FrameReader, missing_reader
from ...formats.dicom_seg.header import CLASSES, SegHeader, read_header
from ..case_names import DEFAULT_KEY, dicom_stem
from ..durable_copy import hash_of, link_or_copy
from ..header_checks import SEGMENTATION
from ..inspection_state import Inspection
from ..label_names import FoundTables
from .instance import Instance


def take_segmentations(
    state: Inspection, instances: list[Instance], tables: FoundTables | None = None
) -> list[Instance]:
    """Cases and refusals of the segmentations; what is left are the other objects.

    A table of names in ``tables`` goes along with a segmentation, which says whether the two differ.
    Where segmentations are expected, the scans that they were drawn on are no input: they are listed.
    """
    found = [one for one in instances if one.sop_class in CLASSES and one.image]
    rest = [one for one in instances if one not in found]
    seen: set[str] = set()
    names: set[str] = set()
    for one in found:
        state.check()
        if one.sha256 in seen:  # a copy under another name
            state.ignored.append(one.label)
            continue
        seen.add(one.sha256)
        _one(state, one, names, tables)
    if found and state.expect == SEGMENTATION:
        state.ignored += [one.label for one in rest]
        return []
    return rest


def _one(state: Inspection, instance: Instance, taken: set[str], tables: FoundTables | None) -> None:
    key = DEFAULT_KEY if state.key is None else state.key
    stem = dicom_stem("SEG", instance.number, instance.sop_uid or instance.sha256, key)
    label = _label(instance)
    first, count = label, 1
    while label in taken:
        count += 1
        label = f"{first} ({count})"
    taken.add(label)
    try:
        case = _case(state, instance, label)
    except PipelineError as error:
        if error.is_environment or error.code == "job.cancelled":
            raise
        state.refuse(error, [instance.relative], stem, label)
        return
    case.stem = stem
    table = tables.beside_names(instance.label) if tables else None
    if table is not None:
        case.table = state.staging.table(case.path, table.path, state.check, os.path.basename(table.label))
        case.files.append(table.relative)
    state.cases.append(case)


def _label(instance: Instance) -> str:
    """The same when the object lies alone: a retry of one case of a folder finds it by its label."""
    number = "?" if instance.number is None else instance.number
    part = f" (instance {instance.instance})" if (instance.instance or 1) != 1 else ""
    return f"SEG series {number} {instance.description}".strip() + part


def _case(state: Inspection, instance: Instance, label: str) -> FoundCase:
    if state.expect != SEGMENTATION and instance.sha256 in state.own_outputs:
        raise Refused("input.own_output", f"{label} is a result of this pipeline.")
    missing = missing_reader()
    if missing is not None:
        raise missing
    folder_file, own_file = state.layers.nearest(instance.label), state.layers.of_series(instance.label)
    state.layers.options(folder_file, own_file)  # an options file that is wrong refuses its case here
    header = read_header(instance.path, label)
    _check_size(header.grid, label, state.max_voxels)
    with FrameReader(header) as reader:
        reader.frame(0)  # a compression that cannot be decoded is refused, it does not fail later
    path = os.path.join(state.staging.folder(), "scan.dcm")
    link_or_copy(instance.path, path, state.check, label)
    return FoundCase(
        kind=SEGMENTATION,
        path=path,
        stem="",
        label=label,
        modality="",
        shape=list(header.grid.shape),
        spacing=list(header.grid.spacing),
        affine=[list(row) for row in header.grid.affine],
        sha256=hash_of([instance.sha256]),
        format="dicom",
        warnings=_warnings(header),
        facts={
            "format": "dicom", "orientation": "stated", "series_number": instance.number,
            "series_description": instance.description, "transfer_syntax": header.syntax, **header.facts,
        },
        files=[instance.relative, *state.layers.relatives(own_file, folder_file)],
        options_file=own_file,
        folder_options_file=folder_file,
    )  # fmt: skip


def _check_size(grid: Grid, label: str, most: int) -> None:
    voxels = math.prod(grid.shape)
    if voxels > most:
        raise Refused("input.too_large", f"{label} has {voxels} voxels, the limit is {most}.")


def _warnings(header: SegHeader) -> list[dict[str, str]]:
    if not header.uneven:
        return []
    message = f"the distances of its slices differ; they were brought to {header.grid.spacing[2]:.2f} mm"
    return [{"code": "dicom.uneven_slices", "message": message}]
