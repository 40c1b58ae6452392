"""Which of the files that came together are one input: folders, slices, a header with its data, a scan with
its options.

It reads the files, so no event loop calls it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from ...core.errors import PipelineError
from ...core.incoming import (
    DETACHED_HEADERS,
    Intent,
    IntentFile,
    data_names,
    ending_of,
    image_names,
    safe_name,
)
from ...core.input_names import is_document_name, is_index, is_scan_name
from ...core.own_models import channel_of
from ...core.safe_open import bare_name
from ...core.table_files import TABLE_ENDINGS, FolderNames, table_files
from ..case_names import FOLDER_OPTIONS, OPTIONS_ENDING, without_endings
from ..sniff import HEAD, UNKNOWN, ZIP, sniff
from .client_input import CaseRequest, UniqueNames, last_part, read_json_options

_LABEL_MAPS = (".seg.nrrd", ".nii.gz", ".nii", ".nrrd", ".mha", *DETACHED_HEADERS)
_DICOM = (".dcm", ".dicom", ".ima")
_MOST_OPTIONS = 1 << 20


@dataclass(frozen=True)
class ReceivedFile:
    """A complete file at ``file`` below the door's root; ``name`` is what the client calls it, cleaned.

    ``sha256`` is hex, or empty where nobody computed it.
    """

    file: str
    name: str
    size: int
    sha256: str = ""


@dataclass
class Group:
    """Files that become one job, with the names that they get below its ``input/``."""

    label: str
    files: list[tuple[ReceivedFile, str]] = field(default_factory=list)  # file, staged name
    container: bool = False
    file_options: dict[str, object] = field(default_factory=dict)
    folder_options: dict[str, object] = field(default_factory=dict)

    def intent(self, door: str, by: str, request: CaseRequest) -> Intent:
        """What the pipeline is asked to do with it; ``by`` is who brought it by ``door``."""
        names = UniqueNames()
        files = [
            IntentFile(staged, None, names.take(one.name, number), one.size)
            for number, (one, staged) in enumerate(self.files, 1)
        ]
        return Intent(
            door=door,
            by=by,
            input=self.label,
            label=self.label,
            name=request.name,
            options=request.options,
            file_options={**self.folder_options, **self.file_options},
            folder_options=self.folder_options,
            expect=request.expect,
            labels=request.labels or None,
            files=files,
            container=self.container,
        )


def group(root: Path, files: list[ReceivedFile], expect: str) -> list[Group]:
    """The inputs in ``files`` (below ``root``), in the order in which they came.

    Raises ``options.*`` for a file of options that is wrong or belongs to nothing here.
    """
    folders: dict[str, list[ReceivedFile]] = {}
    loose: list[ReceivedFile] = []
    for one in files:
        top, slash, _ = one.name.partition("/")
        if slash:
            folders.setdefault(top, []).append(one)
        else:
            loose.append(one)
    return _loose(root, loose, expect) + [_folder(root, top, found) for top, found in folders.items()]


# --- a folder: everything in it is one input, which the intake takes apart ---------------------


def _folder(root: Path, top: str, files: list[ReceivedFile]) -> Group:
    grouped = Group(top, container=True)
    places: dict[str, dict[str, ReceivedFile]] = {}
    for one in files:
        places.setdefault(one.name.rpartition("/")[0], {}).setdefault(last_part(one.name), one)
    numbers = {one.file: number for number, one in enumerate(files, 1)}
    for depth, (_, here) in enumerate(places.items()):
        staged = _names(root, here, numbers)
        grouped.files += [(one, f"d{depth:04d}/{staged[one.file]}") for one in here.values()]
    # Two of one name in one folder: the second stands apart, and the intake says what it is.
    known = {one.file for one, _ in grouped.files}
    grouped.files += [
        (one, f"again/{safe_name(one.name, numbers[one.file])}") for one in files if one.file not in known
    ]
    return grouped


def _names(root: Path, here: dict[str, ReceivedFile], numbers: dict[str, int]) -> dict[str, str]:
    """Names below ``input/`` for the files of one folder, by file."""
    names = {one.file: safe_name(base, numbers[one.file]) for base, one in here.items()}
    stems = {without_endings(base): one for base, one in here.items() if not _is_options(base)}
    for base, one in here.items():
        if ending_of(base) in DETACHED_HEADERS:
            data = _data_of(root, one, here)
            if data is not None:
                called = _data_name(names[one.file], data)
                if called not in names.values():
                    names[data.file] = called
        elif _is_options(base) and base.casefold() != FOLDER_OPTIONS:
            stem = base[: -len(OPTIONS_ENDING)]
            scan = here.get(stem) or stems.get(stem)
            if scan is not None:
                names[one.file] = f"{numbers[scan.file]:06d}{OPTIONS_ENDING}"
    return names


def _data_of(root: Path, header: ReceivedFile, here: dict[str, ReceivedFile]) -> ReceivedFile | None:
    """The file of ``here`` that a text header names, if it may keep that name."""
    for name in data_names(last_part(header.name), root / header.file):
        found = here.get(name) if bare_name(name) else None
        if found is not None and found.file != header.file:
            return found
    return None


def _data_name(staged: str, data: ReceivedFile) -> str:
    """What ``data`` is called beside its header ``staged``: as a text header says, or like it in a pair."""
    base = last_part(data.name)
    if ending_of(staged) not in (".hdr", ".hdr.gz"):
        return base
    return next(name for name in image_names(staged) if name.lower().endswith(ending_of(base)))


def _is_options(base: str) -> bool:
    low = base.casefold()
    return low.endswith(OPTIONS_ENDING) or low == FOLDER_OPTIONS


# --- files that came one by one ---------------------------------------------------------------


def _loose(root: Path, files: list[ReceivedFile], expect: str) -> list[Group]:
    options = [one for one in files if _is_options(one.name)]
    rest = [one for one in files if not _is_options(one.name)]
    by_name: dict[str, ReceivedFile] = {}
    for one in rest:
        by_name.setdefault(one.name, one)
    data: dict[str, list[ReceivedFile]] = {}
    for one in rest:
        found = _data_of(root, one, by_name) if ending_of(one.name) in DETACHED_HEADERS else None
        if found is not None and all(found not in others for others in data.values()):
            data[one.file] = [found]
    taken = {found.file for others in data.values() for found in others}
    tables = {} if expect == "scan" else _tables(rest, by_name)
    taken.update(table.file for others in tables.values() for table in others)
    together = _sharing(rest, tables) or _channels(rest)
    slices = [
        one for one in rest if one.file not in taken and not is_index(one.name) and _is_dicom(root, one)
    ]
    passed = [one for one in rest if one.file not in taken and len(rest) > 1 and _is_no_scan(root, one)]
    taken.update(one.file for one in passed)
    slices = [one for one in rest if one.file not in taken and _is_dicom(root, one)]
    groups: list[Group] = []
    for one in rest:
        if one.file in taken:
            continue
        if len(slices) > 1 and one in slices:
            if one is slices[0]:
                groups.append(_slices(slices))
        elif one in together:
            if one is together[0]:
                others = [
                    other
                    for each in together
                    for other in (*data.get(each.file, ()), *tables.get(each.file, ()))
                ]
                groups.append(_label_maps(root, together, others, options))
        else:
            groups.append(_single(one, [*data.get(one.file, ()), *tables.get(one.file, ())]))
    if passed:
        _give_passed(groups, passed)
    _give_options(root, options, groups)
    return groups


def _is_no_scan(root: Path, one: ReceivedFile) -> bool:
    """Whether nobody would expect a scan in it: a viewer's program, a picture, a document, a DICOMDIR."""
    if is_index(one.name):
        return True
    with open(root / one.file, "rb") as stream:
        head = stream.read(HEAD)
    found = sniff(head) if head else UNKNOWN
    return (found == UNKNOWN and not is_scan_name(one.name)) or (found == ZIP and is_document_name(one.name))


def _give_passed(groups: list[Group], passed: list[ReceivedFile]) -> None:
    """They go with the first input, whose inspection lists them; without one they are an input."""
    if not groups:
        groups.append(Group(_and_more(passed) if len(passed) > 1 else passed[0].name, container=True))
    first = groups[0]
    for one in passed:
        first.files.append((one, f"beside/{safe_name(one.name, len(first.files) + 1)}"))


def _tables(files: list[ReceivedFile], here: dict[str, ReceivedFile]) -> dict[str, list[ReceivedFile]]:
    """Files that may name the labels of a label map, by the label map's file."""
    names = FolderNames(here)
    slices = sum(ending_of(one.name) in _DICOM for one in files)
    endings = (*_LABEL_MAPS, *_DICOM) if slices == 1 else _LABEL_MAPS
    found = {}
    for one in files:
        if ending_of(one.name) in endings:
            tables = [here[table.name] for table in table_files(one.name, [names]) if table.name != one.name]
            if tables:
                found[one.file] = tables
    return found


def _sharing(files: list[ReceivedFile], tables: dict[str, list[ReceivedFile]]) -> list[ReceivedFile]:
    """Label maps of which two have a table in common: one input, since a file belongs to one."""
    count: dict[str, int] = {}
    for table in (table for others in tables.values() for table in others):
        count[table.file] = count.get(table.file, 0) + 1
    return [one for one in files if any(count[table.file] > 1 for table in tables.get(one.file, ()))]


def _channels(files: list[ReceivedFile]) -> list[ReceivedFile]:
    """Files that may be channels of scans: one input, and the inspection says which of them are."""
    found = [(one, channel_of(one.name)) for one in files]
    count = Counter((name[0], name[2]) for _, name in found if name is not None)
    return [one for one, name in found if name is not None and count[name[0], name[2]] > 1]


def _single(one: ReceivedFile, companions: list[ReceivedFile]) -> Group:
    grouped = Group(one.name, [(one, safe_name(one.name, 1))], container=ending_of(one.name) == ".zip")
    header = ending_of(one.name) in DETACHED_HEADERS
    for number, other in enumerate(companions, 2):
        data = header and ending_of(other.name) not in TABLE_ENDINGS
        name = _data_name(grouped.files[0][1], other) if data else safe_name(other.name, number)
        grouped.files.append((other, name))
        if grouped.files[0][1].casefold() == name.casefold():
            grouped.files[0] = (one, f"header-{grouped.files[0][1]}")
    return grouped


def _slices(slices: list[ReceivedFile]) -> Group:
    files = [(one, safe_name(one.name, number)) for number, one in enumerate(slices, 1)]
    return Group(_and_more(slices), files, container=True)


def _and_more(files: list[ReceivedFile]) -> str:
    return f"{files[0].name} and {len(files) - 1} more"


def _label_maps(
    root: Path, maps: list[ReceivedFile], others: list[ReceivedFile], options: list[ReceivedFile]
) -> Group:
    """Label maps that share a table, or channels, as if they had come in one folder.

    Their ``options`` are taken out.
    """
    names = {form for one in maps for form in (one.name, without_endings(one.name))}
    own = [one for one in options if one.name[: -len(OPTIONS_ENDING)] in names]
    options[:] = [one for one in options if one not in own]
    here = {one.name: one for one in (*maps, *others, *own)}
    staged = _names(root, here, {one.file: number for number, one in enumerate(here.values(), 1)})
    files = [(one, staged[one.file]) for one in here.values()]
    return Group(_and_more(maps), files, container=True)


def _is_dicom(root: Path, one: ReceivedFile) -> bool:
    if ending_of(one.name) in _DICOM:
        return True
    with open(root / one.file, "rb") as stream:
        return stream.read(132)[128:] == b"DICM"


def _give_options(root: Path, options: list[ReceivedFile], groups: list[Group]) -> None:
    for one in options:
        if one.size > _MOST_OPTIONS:
            raise PipelineError("options.unreadable", f"{one.name} is too large for options")
        text = (root / one.file).read_bytes().decode("utf-8-sig", "replace")
        given = read_json_options(text, one.name)
        if one.name.casefold() == FOLDER_OPTIONS:
            for grouped in groups:
                grouped.folder_options = given
            continue
        stem = one.name[: -len(OPTIONS_ENDING)]
        found = [grouped for grouped in groups if stem in (grouped.label, without_endings(grouped.label))]
        if not found:
            raise PipelineError(
                "options.invalid", f"{one.name} belongs to no scan that came with it", status=422
            )
        found[0].file_options = given
