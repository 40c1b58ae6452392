"""The inspection's DICOM part: read, group, convert, look at the result."""

from __future__ import annotations

import os
import shutil

from ...core.errors import PipelineError, Refused
from ...core.messages.found_cases import FoundCase
from ...formats.geometry import spacing_of
from ...formats.header import decide_affine
from ...formats.volume_file import read_volume_file
from ..case_names import DEFAULT_KEY, dicom_stem
from ..durable_copy import hash_file, hash_of
from ..header_checks import SEGMENTATION
from ..inspection_state import InputFile, Inspection
from ..label_names import FoundTables
from ..sniff import DICOMDIR_CLASS
from ..voxel_content import scan_content
from .convert import Converted, convert, dcm2niix_path
from .group import Rejected, group_series, series_name
from .identity import name_instance, name_series
from .instance import Instance
from .keep_headers import keep_headers
from .mend import odd_headers, write_mended
from .read import read_instance
from .segmentations import take_segmentations
from .series_channels import join_series
from .stack import Stack, stack_facts
from .twins import pixel_digest, with_twins

_ALONE = "Give the folder with all slices of the series, not a single file."
_NO_MORE = "There are no more slices of it here; export the complete series again."


def group_dicom(state: Inspection, found: list[InputFile], tables: FoundTables | None = None) -> None:
    """Cases and refusals of all DICOM files of one folder or archive; ``tables`` came with them."""
    instances: list[Instance] = []
    for item in found:
        state.check()
        try:
            instance = _read(state, item, instances)
        except PipelineError as error:
            state.refuse_file(error, item)
            continue
        if instance.sop_class == DICOMDIR_CLASS:
            state.passed.append(item)
            continue
        instance.sha256 = hash_file(item.path, state.check, os.path.basename(item.label)).sha256
        name_instance(instance)
        instances.append(instance)
    name_series(instances)
    instances = take_segmentations(state, instances, tables)
    stacks: list[Stack] = []
    for fewest, some in _by_fewest(state, instances).items():
        more, rejected = group_series(some, fewest, pixel_digest(state.check))
        stacks += more
        for one in rejected:
            _reject(state, one, len(found) > 1)
    program = dcm2niix_path()
    made: list[tuple[Stack, FoundCase]] = []
    for stack in stacks:
        case = _one(state, stack, program)
        if case is not None:
            made.append((stack, case))
    join_series(state, made)
    shutil.rmtree(_mended(state), ignore_errors=True)


def _mended(state: Inspection) -> str:
    """Where copies of odd files are for as long as the inspection reads them."""
    return os.path.join(state.staging.work, "mended")


def _read(state: Inspection, item: InputFile, instances: list[Instance]) -> Instance:
    """One file; where converters misread its numbers or elements, a copy is read from here on."""
    instance = read_instance(item.path, item.relative, item.label)
    state.patient_words |= instance.patient_words
    if instance.mended or instance.unknown_kinds:
        os.makedirs(_mended(state), mode=0o700, exist_ok=True)
        instance.path = os.path.join(_mended(state), f"{len(instances):06d}.dcm")
        write_mended(item.path, instance)
    return instance


def _by_fewest(state: Inspection, instances: list[Instance]) -> dict[int, list[Instance]]:
    """Instances by the option min_slices of their series; a series with bad options files is refused."""
    series: dict[str, list[Instance]] = {}
    for instance in instances:
        series.setdefault(instance.series_uid, []).append(instance)
    found: dict[int, list[Instance]] = {}
    for members in series.values():
        try:
            options = state.layers.options(*_options_files(state, members[0]))
        except PipelineError as error:
            _reject(state, Rejected(members, Refused(error.code, error.message, error.hint)))
        else:
            found.setdefault(int(options.get("min_slices") or 2), []).extend(members)
    return found


def _options_files(state: Inspection, instance: Instance) -> tuple[str | None, str | None]:
    """``options.json`` of a folder above, and ``SERIES.options.json`` beside the folder of the slices."""
    return state.layers.nearest(instance.label), state.layers.of_series(instance.label)


def _stem(state: Inspection, instance: Instance) -> str:
    key = DEFAULT_KEY if state.key is None else state.key
    return dicom_stem(instance.modality, instance.number, instance.series_uid, key)


def _series_key(instance: Instance) -> str | None:
    """The series UID; what stands for a missing one says nothing beyond this job."""
    return instance.series_uid if instance.series_stated else None


def _label(instance: Instance, reason: str = "") -> str:
    return f"{series_name(instance)} {instance.description}".strip() + (f" ({reason})" if reason else "")


def _reject(state: Inspection, rejected: Rejected, several: bool = True) -> None:
    """``several``: more than one file was given, so nobody is told to give the folder instead."""
    first = rejected.instances[0]
    files = sorted({one.relative for one in with_twins(rejected.instances)})
    label = _label(first, rejected.reason)
    if rejected.error.code == "input.too_thin" and len(rejected.instances) == 1:
        rejected.error.hint = _NO_MORE if several else _ALONE
    state.refuse(rejected.error, files, _stem(state, first), label, series_key=_series_key(first))


def _one(state: Inspection, stack: Stack, program: str | None) -> FoundCase | None:
    """The case of ``stack``, now in ``state``; None where it became a refusal."""
    files = sorted({one.relative for one in with_twins(stack.files)})
    stem = _stem(state, stack.first) + (f"_{stack.index + 1}" if stack.count > 1 else "")
    label = _label(stack.first, stack.reason)
    try:
        if state.expect == SEGMENTATION:
            raise Refused(
                "export.no_names", f"{label}: a DICOM series is no label map.", "Give a label map file."
            )
        first = stack.first
        voxels = first.rows * first.columns * stack.depth
        if voxels > state.max_voxels:
            raise Refused("input.too_large", f"{label} has {voxels} voxels, the limit is {state.max_voxels}.")
        case = _case(state, stack, _converted(state, stack, program), label)
    except PipelineError as error:
        if error.is_environment or error.code == "job.cancelled":
            raise
        state.refuse(error, files, stem, label, series_key=_series_key(stack.first))
        return None
    case.stem = stem
    case.files = files + state.layers.relatives(case.options_file, case.folder_options_file)
    state.cases.append(case)
    return case


def _converted(state: Inspection, stack: Stack, program: str | None) -> Converted:
    """The stack as a volume; where no converter reads its files, from mended copies."""
    try:
        return convert(stack, state.staging, state.check, program)
    except Refused as error:
        if error.code != "dicom.conversion_failed" or all(one.unknown_kinds for one in stack.instances):
            raise
        folder = os.path.join(_mended(state), hash_of([stack.first.series_uid, str(stack.index)]))
        os.makedirs(folder, mode=0o700, exist_ok=True)
        copies: dict[str, str] = {}  # frames share a file
        for number, instance in enumerate(stack.instances):
            state.check()
            instance.unknown_kinds = True
            source = instance.path
            instance.path = copies.get(source) or os.path.join(folder, f"{number:06d}.dcm")
            if source not in copies:
                write_mended(source, instance)
                copies[source] = instance.path
        try:
            return convert(stack, state.staging, state.check, program)
        except Refused:
            raise error from None


def _case(state: Inspection, stack: Stack, converted: Converted, label: str) -> FoundCase:
    volume = read_volume_file(converted.path, "nifti", name=label)
    header = volume.header
    if header.extra != 1:
        raise Refused("input.four_dimensional", f"{label} holds {header.extra} volumes.")
    affine = decide_affine(header, "", label)
    content = scan_content(volume, state.check)
    if not content.finite:
        raise Refused("input.non_finite", f"{label} holds NaN or infinity.")
    if content.constant:
        raise Refused("input.constant", f"{label}: every voxel is {content.low:g}.")
    first = stack.first
    folder_file, series_file = _options_files(state, first)
    pairs = sorted((one.sop_uid, f"{one.sha256}{one.frame or ''}") for one in stack.instances)
    digest = hash_of(part for pair in pairs for part in pair)
    kept = keep_headers(stack, os.path.dirname(converted.path), digest)
    return FoundCase(
        kind="scan",
        path=converted.path,
        stem="",
        label=label,
        modality=first.modality,
        shape=list(header.shape),
        spacing=list(spacing_of(affine)),
        affine=[list(row) for row in affine],
        series_key=_series_key(first),
        sha256=digest,
        format="dicom",
        warnings=converted.warnings + odd_headers(stack) + kept,
        facts={
            "format": "dicom", "modality_source": "dicom", "orientation": "stated",
            "converter": converted.converter, "converter_log": converted.log[-4000:],
            "intensity_range": [content.low, content.high], **stack_facts(stack),
        },
        options_file=series_file,
        folder_options_file=folder_file,
    )  # fmt: skip
