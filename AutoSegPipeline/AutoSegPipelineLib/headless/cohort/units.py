"""Divide a folder of scans into what belongs together, so that each part can be processed on its own.

A volume file is a unit with its data file and options, a set of channels and an archive likewise. DICOM
files are found by what is left; folders of one study stay together, since a series never reaches beyond
its study. Two headers of each such folder are read, the first and the last by name.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterable, Iterator, Sequence

from ...core.files import is_link
from ...core.incoming import data_files, ending_of
from ...core.input_names import is_document_name
from ...core.own_models import channel_of
from ...intake.case_names import FOLDER_OPTIONS, OPTIONS_ENDING, is_junk_name, is_options_name, name_state
from ...intake.passed_by import some

_VOLUMES = (".seg.nrrd", ".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".hdr.gz", ".hdr", ".zip")

_NAMED = 6  # files that a note lists
_DATA = (".raw", ".raw.gz", ".zraw", ".img", ".img.gz")


@dataclass(frozen=True)
class Unit:
    """What becomes one job. Paths are relative to ``root``, with slashes; ``folders`` without those below."""

    root: Path
    files: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """That of its first file or folder, below the name of ``root``."""
        first = (*self.files, *self.folders)[0]
        return f"{self.root.name}/{first}" if first != "." else self.root.name

    @property
    def key(self) -> str:
        """Stands for :attr:`path` in a record that people pass on: archives name folders after patients."""
        return hashlib.sha256(self.path.encode("utf-8", "surrogateescape")).hexdigest()[:32]

    def members(self) -> tuple[str, ...]:
        """Every file of it, as they are on the disk now."""
        found = [name for folder in self.folders for name in _loose_in(self.root, folder)]
        return (*self.files, *found, *self.options)


@dataclass
class PassedBy:
    """Files of no unit, as pictures and programs on a disc: how many, and a few of their names."""

    count: int = 0
    names: list[str] = field(default_factory=list)

    def add(self, names: Iterable[str]) -> None:
        for name in names:
            self.count += 1
            if len(self.names) < _NAMED:
                self.names.append(name)

    def join(self, other: PassedBy) -> None:
        """Add those of another folder."""
        self.add(other.names)
        self.count += other.count - len(other.names)

    def text(self) -> str:
        """``2 files are no scan and were passed by: a.png and b.ini.``; empty for none."""
        if not self.count:
            return ""
        words = (
            "1 file is no scan and was" if self.count == 1 else f"{self.count:,} files are no scan and were"
        )
        more = self.count - len(self.names)
        listed = f"{', '.join(self.names)} and {more:,} more" if more else some(self.names, _NAMED)
        return f"{words} passed by: {listed}."


@dataclass
class _Folder:
    path: str
    options: tuple[str, ...]
    studies: set[str] = field(default_factory=set)


def units_of(root: Path, passed_by: PassedBy | None = None) -> Iterator[Unit]:
    """Every unit of the folder ``root`` by name, those of DICOM last. Links are not followed.

    ``passed_by`` gets the files of no unit.
    """
    dicom: list[_Folder] = []
    yield from _walk(root, ".", (), dicom, PassedBy() if passed_by is None else passed_by)
    for folder in dicom:
        folder.studies = _studies(root, folder.path)
    for group in _joined(dicom):
        options = dict.fromkeys(name for folder in group for name in folder.options)
        yield Unit(root, folders=tuple(folder.path for folder in group), options=tuple(options))


def _walk(
    root: Path, path: str, above: tuple[str, ...], dicom: list[_Folder], passed_by: PassedBy
) -> Iterator[Unit]:
    place = root / path
    names = sorted(entry.name for entry in os.scandir(place) if not is_link(Path(entry.path)))
    folders = [name for name in names if (place / name).is_dir()]
    files = [name for name in names if name not in set(folders)]
    options = above + tuple(_join(path, name) for name in files if name.casefold() == FOLDER_OPTIONS)
    taken: set[str] = set()
    for unit in _volumes(root, path, files, options):
        taken.update(unit.files)
        yield unit
    if any(map(_may_be_dicom, files)):
        dicom.append(_Folder(path, options))
    others = (_join(path, name) for name in files if not _may_be_dicom(name) and not _is_ours(name))
    passed_by.add(name for name in others if name not in taken)
    for name in folders:
        yield from _walk(root, _join(path, name), options, dicom, passed_by)


def _volumes(root: Path, path: str, files: Sequence[str], options: tuple[str, ...]) -> Iterator[Unit]:
    beside = {name.casefold(): name for name in files}
    sets: dict[tuple[str, str], list[str]] = {}
    for name in files:
        found = channel_of(name)
        if found is not None:
            sets.setdefault((found[0], found[2].casefold()), []).append(name)
    taken: set[str] = set()
    for name in files:
        if not _is_volume(name) or name in taken:
            continue
        found = channel_of(name)
        together = sets[found[0], found[2].casefold()] if found is not None else [name]
        taken.update(together)
        members, own = [], []
        for one in together:
            members.append(_join(path, one))
            members += [_join(path, data.name) for data in data_files(root / path / one)]
            stem = one[: len(one) - len(ending_of(one))]
            for wanted in (f"{one}{OPTIONS_ENDING}", f"{stem}{OPTIONS_ENDING}"):
                if wanted.casefold() in beside:
                    own.append(_join(path, beside[wanted.casefold()]))
        taken.update(name for name in files if _join(path, name) in members)
        yield Unit(root, tuple(dict.fromkeys(members)), options=(*options, *dict.fromkeys(own)))
    for name in files:
        if ending_of(name) in _DATA and name not in taken:
            yield Unit(root, (_join(path, name),), options=options)  # its header is missing: refused by name


def _is_volume(name: str) -> bool:
    return name.lower().endswith(_VOLUMES)


def _may_be_dicom(name: str) -> bool:
    """A file that is neither a volume, nor the data of one, nor something that people put beside scans."""
    known = ending_of(name)
    if is_options_name(name) or is_document_name(name) or is_junk_name(name) or name_state(name) != "take":
        return False
    return known in ("", ".dcm", ".dicom", ".ima")


def _is_ours(name: str) -> bool:
    """Options of scans, and what no person put there."""
    return is_options_name(name) or name_state(name) != "take"


def _loose_in(root: Path, folder: str) -> list[str]:
    names = sorted(entry.name for entry in os.scandir(root / folder) if entry.is_file(follow_symlinks=False))
    return [_join(folder, name) for name in names if _may_be_dicom(name)]


def _studies(root: Path, folder: str) -> set[str]:
    """Study UIDs of the first and the last file; empty where there are none."""
    names = _loose_in(root, folder)
    return {uid for uid in (_study(root / name) for name in {names[0], names[-1]}) if uid} if names else set()


def _study(path: Path) -> str:
    import pydicom

    try:
        found = pydicom.dcmread(path, stop_before_pixels=True, force=True, specific_tags=["StudyInstanceUID"])
    except Exception:  # no DICOM, or a damaged one: inspection says which
        return ""
    return str(getattr(found, "StudyInstanceUID", ""))


def _joined(folders: Sequence[_Folder]) -> list[list[_Folder]]:
    """Folders that share a study, together."""
    groups: list[list[_Folder]] = []
    of_study: dict[str, list[_Folder]] = {}
    for folder in folders:
        near = list({id(of_study[uid]): of_study[uid] for uid in folder.studies if uid in of_study}.values())
        group = near[0] if near else []
        if not near:
            groups.append(group)
        for other in near[1:]:
            group += other
            groups.remove(other)
        group.append(folder)
        for uid in {uid for one in group for uid in one.studies}:
            of_study[uid] = group
    return groups


def _join(folder: str, name: str) -> str:
    return name if folder == "." else f"{folder}/{name}"
