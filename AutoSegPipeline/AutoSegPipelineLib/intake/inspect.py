"""From a job's staged files to cases and refusals: unzip, group, convert, look inside."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Mapping

from ..core import incoming
from ..core.errors import PipelineError, Refused
from ..core.input_names import is_document_name, is_scan_name
from ..core.messages.found_cases import FoundCase, Refusal
from ..core.messages.intake_messages import Inspect, Inspected
from ..core.progress import Check, no_check
from ..core.safe_open import check_regular, is_link_stat, open_input
from ..formats.geometry import spacing_of
from ..formats.volume_file import VolumeFile, completeness, read_volume_file
from . import sniff
from .by_content import say_segmentation, why_segmentation
from .case_names import file_stem, is_options_name, name_state
from .channels import join_channels
from .durable_copy import hash_file, hash_of
from .foreign_files import unknown_format
from .header_checks import AUTO, SCAN, SEGMENTATION, check_content, check_header
from .inspection_state import InputFile, Inspection
from .label_names import FoundTables, has_own_names
from .mask_folders import MASK, NAMED, SEVERAL, join_masks
from .options_files import Layers, scan_options_path
from .passed_by import Siblings, answer_for
from .shared_reasons import merge_refusals
from .staged_products import StagedProducts
from .voxel_content import guess_modality, scan_content


def inspect(task: Inspect, check: Check = no_check) -> Inspected:
    """The ``inspect`` task."""
    state = _look(task, SCAN if task.expect == AUTO else task.expect, check)
    if task.expect == AUTO and (reason := why_segmentation(state.refusals, state.cases)):
        state = _look(task, SEGMENTATION, check)
        say_segmentation(state.cases, reason)
    merge_refusals(state)
    answer_for(state)
    ignored = [*state.ignored, *(one.label for one in state.passed)]
    for case in state.cases:
        case.facts["ignored"] = ignored[:20]
    if state.patient_words:
        from .dicom.patients import take_out

        take_out(state.patient_words, state.cases, state.refusals)
    if task.only is None:
        return Inspected(state.cases, state.refusals)
    return Inspected(
        [case for case in state.cases if case.label in task.only],
        [refusal for refusal in state.refusals if refusal.label in task.only],
    )


def _look(task: Inspect, expect: str, check: Check) -> Inspection:
    """What the files of ``task`` hold where ``expect`` (a scan or a segmentation) is expected."""
    folder = os.path.abspath(task.folder)
    state = Inspection(
        expect=expect,
        limits=task.limits,
        own_outputs=frozenset(task.own_outputs),
        staging=StagedProducts(os.path.abspath(task.work)),
        check=check,
        layers=Layers(task.options, task.caller),
        key=bytes.fromhex(task.key) if task.key else None,
        given_labels=task.labels,
        label=task.label,
        models=Path(task.models) if task.models else None,
    )
    try:
        inspect_folder(state, folder, task.names or original_names(folder), "")
    except OSError as error:
        state.name_given(error)
        raise
    return state


def original_names(folder: str) -> dict[str, str]:
    """Staged name -> the source's relative name, from the intent beside the staged folder."""
    intent = incoming.read_intent(Path(folder).parent)
    if intent is None:
        return {}
    names = incoming.given_names(intent)
    if intent.name and len(intent.files) == 1 and intent.files[0].name in names:
        # A stem that the caller wishes.
        names[intent.files[0].name] = intent.name
    return names


def inspect_folder(state: Inspection, folder: str, names: Mapping[str, str], prefix: str) -> None:
    """Every file below ``folder``; ``prefix`` stands before the relative names (an archive's member)."""
    found = list(_files(state, folder, names, prefix))
    before = len(state.cases), len(state.refusals)
    claimed: set[str] = set()
    rest: list[InputFile] = []
    dicom: list[InputFile] = []
    tables = FoundTables.among(found) if state.expect == SEGMENTATION and not state.given_labels else None
    for item in found:
        state.check()
        if item.format in (sniff.NIFTI, sniff.NRRD, sniff.METAIMAGE):
            claimed.update(_volume(state, item, tables))
        elif item.format == sniff.DICOM:
            dicom.append(item)
        elif item.format == sniff.ZIP and (prefix or (is_document_name(item.label) and len(found) > 1)):
            item.nested = bool(prefix) and not is_document_name(item.label)
            rest.append(item)
        elif item.format == sniff.ZIP:
            _archive(state, item)
        else:
            rest.append(item)
    if state.expect == SEGMENTATION:
        join_masks(state, *before)
    else:
        join_channels(state, before[0])
    if dicom:
        from .dicom.cases import group_dicom

        if tables is None and not state.given_labels:
            tables = FoundTables.among(found)  # a DICOM segmentation comes unannounced
        group_dicom(state, dicom, tables)
    claimed.update(tables.claimed if tables else ())
    slices = Siblings(item.label for item in dicom)
    for item in rest:
        if item.path not in claimed and not is_options_name(os.path.basename(item.label)):
            _no_scan(state, item, slices)


def _files(state: Inspection, folder: str, names: Mapping[str, str], prefix: str) -> list[InputFile]:
    found = []
    every = _walk(folder)
    for path, relative in every:
        label = names.get(relative, relative)
        item = InputFile(path, prefix + relative, prefix + label)
        state.labels[path] = item.label
        if name_state(label) == "ignored" and len(every) > 1:
            state.ignored.append(item.label)
            continue
        try:
            name = os.path.basename(label)
            check_regular(path, name)
            with open_input(path, name=name) as stream:
                head = stream.read(sniff.HEAD)
            item.format, item.start = sniff.sniff(head) if head else "empty", head[:32]
        except PipelineError as error:
            state.refuse_file(error, item)
            continue
        if is_options_name(os.path.basename(item.label)):
            state.layers.add(item.label, path, item.relative)
        found.append(item)
    return found


def _walk(folder: str) -> list[tuple[str, str]]:
    """(path, relative name with slashes) of everything below ``folder``, links never followed."""
    if not os.path.isdir(folder):
        return [(folder, os.path.basename(folder))] if os.path.lexists(folder) else []
    found = []
    for place, folders, names in os.walk(folder):
        links = [name for name in folders if is_link_stat(os.lstat(os.path.join(place, name)))]
        folders[:] = sorted(name for name in folders if name not in links)
        for name in sorted([*names, *links]):
            path = os.path.join(place, name)
            found.append((path, os.path.relpath(path, folder).replace(os.sep, "/")))
    return found


def _archive(state: Inspection, item: InputFile) -> None:
    from .zip_archive import unpack_archive

    try:
        place = state.staging.folder("unzipped")
        names = unpack_archive(item.path, place, item.label, state.limits, state.check)
    except PipelineError as error:
        if error.is_environment:
            raise
        state.refuse_file(error, item)
        return
    state.archives[item.relative] = item.label
    before, passed = len(state.cases) + len(state.refusals), len(state.passed)
    inspect_folder(state, place, names, item.label + "/")
    # To the pipeline the archive is the file; its members are ours.
    rows: list[FoundCase | Refusal] = [*state.cases, *state.refusals]
    for row in rows:
        if any(name.startswith(item.label + "/") for name in row.files):
            outside = [name for name in row.files if not name.startswith(item.label + "/")]
            row.files = [item.relative, *outside]
    for one in state.passed[passed:]:
        one.relative = item.relative
    if (before, passed) == (len(state.cases) + len(state.refusals), len(state.passed)):
        state.passed.append(item)


def _volume(state: Inspection, item: InputFile, tables: FoundTables | None) -> list[str]:
    """One volume file becomes a case or a refusal; the paths that it owns. ``tables`` may name its labels."""
    files = [item.path]
    table: InputFile | None = None
    try:
        volume = read_volume_file(item.path, item.format, name=os.path.basename(item.label))
        files = volume.files
        table = tables.of(item) if tables else None
        if tables and table:
            tables.check(table)
        case = volume_case(state, volume, item, table is not None)
        if table is not None:
            name = os.path.basename(table.label)
            case.table = state.staging.table(case.path, table.path, state.check, name)
            case.files.append(table.relative)
        state.cases.append(case)
    except PipelineError as error:
        if error.is_environment or error.code == "job.cancelled":
            raise
        relatives = [item.relative] + [_beside(item.relative, path) for path in files[1:]]
        relatives += [table.relative] if table else []
        state.refuse(error, relatives, file_stem(item.label), item.label)
    return files


def _beside(relative: str, path: str) -> str:
    folder = relative.rpartition("/")[0]
    return f"{folder}/{os.path.basename(path)}" if folder else os.path.basename(path)


def volume_case(state: Inspection, volume: VolumeFile, item: InputFile, has_names: bool = False) -> FoundCase:
    """The case of an acceptable volume; raises :class:`Refused` for every other.

    ``has_names``: something names the labels of this label map.
    """
    name, header = os.path.basename(item.label), volume.header
    scan_file, folder_file = scan_options_path(item.path), state.layers.nearest(item.label)
    options = state.layers.options(folder_file, scan_file)
    affine = check_header(header, name, options, state.expect, state.max_voxels)
    problem = completeness(volume, state.check)
    if problem is not None:
        raise problem
    hashes = [
        hash_file(path, state.check, called).sha256
        for path, called in zip(volume.files, (name, volume.data_name))
    ]
    if state.expect != SEGMENTATION and state.own_outputs.intersection(hashes):
        raise Refused("input.own_output", f"{name} is a result of this pipeline.")
    content = scan_content(volume, state.check)
    has_names = has_names or state.names_labels_of(item.label) or has_own_names(volume)
    check_content(content, name, item.label, state.expect, has_names)
    labels = MASK if content.distinct is not None and len(content.distinct - {0.0}) == 1 else SEVERAL
    modality = str(options.get("modality") or "")
    source = "option" if modality else ""
    if not modality and state.expect != SEGMENTATION:
        modality = guess_modality(content)
        source = "intensities" if modality else ""
    content_kind = "" if state.expect != SEGMENTATION else NAMED if has_names else labels
    return FoundCase(
        kind=state.expect,
        path=state.staging.volume(volume, state.check),
        stem=file_stem(item.label),
        label=item.label,
        modality=modality,
        shape=list(header.shape),
        spacing=list(spacing_of(affine)),
        affine=[list(row) for row in affine],
        content=content_kind,
        sha256=hashes[0] if len(hashes) == 1 else hash_of(hashes),
        format=header.format,
        warnings=list(header.warnings),
        facts=_facts(volume, content.low, content.high, source, options),
        files=[item.relative]
        + [_beside(item.relative, path) for path in volume.files[1:]]
        + state.layers.relatives(scan_file, folder_file),
        options_file=scan_file,
        folder_options_file=folder_file,
    )


def _facts(
    volume: VolumeFile, low: float, high: float, modality_source: str, options: Mapping[str, object]
) -> dict[str, object]:
    header = volume.header
    assumed = header.orientation != "stated"
    return {
        "format": header.format,
        "dtype": header.dtype,
        "intensity_range": [low, high],
        "modality_source": modality_source,
        "orientation": f"assumed {options.get('assume_orientation')}" if assumed else "stated",
        "compressed": header.file_gzipped or header.encoding in ("gzip", "zlib"),
        "layers": header.extra,
        "own_output": header.own_output,
        **({"qform_code": header.facts["qform_code"], "sform_code": header.facts["sform_code"]}
           if header.format == "nifti" else {}),
    }  # fmt: skip


def _no_scan(state: Inspection, item: InputFile, slices: Siblings) -> None:
    """A file that is no scan is passed by, unless its name says that it should be one."""
    name = os.path.basename(item.label)
    if not is_scan_name(name) and not slices.resembles(item.label):
        state.passed.append(item)
    elif item.nested:
        state.refuse_file(Refused("archive.nested", f"{name} is an archive inside another archive."), item)
    elif item.format == "empty":
        state.refuse_file(Refused("input.empty", f"{name} is empty."), item)
    elif sniff.is_dicom_name(name) and os.path.getsize(item.path) < sniff.DICOM_PREFIX:
        state.refuse_file(Refused("input.truncated", f"{name} ends within its header."), item)
    else:
        state.refuse_file(unknown_format(item.start, name), item)
