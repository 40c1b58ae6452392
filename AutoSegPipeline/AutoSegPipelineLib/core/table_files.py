"""Which files may name the labels of a label map, by their own names alone. No content is read here.

In this order: a table called as the label map is (``map.csv`` for ``map.nii.gz``, 3D Slicer's
``map_ColorTable.ctbl``), BIDS's ``dseg.tsv`` with the label map's entities or fewer, and what people
keep once for a complete folder: nnU-Net's ``dataset.json``, ``labels.csv``, FreeSurfer's colour table.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, Sequence

from .files import is_link

TABLE_ENDINGS = (".csv", ".tsv", ".ctbl", ".txt", ".label", ".lut", ".json")
# A table for every label map of a folder; only the first is looked for in the folder above, too,
# where nnU-Net keeps it (``labelsTr/case_001.nii.gz``).
_SHARED = ("dataset.json", *("labels" + ending for ending in TABLE_ENDINGS), "freesurfercolorlut.txt")
_SLICER = ("_colortable", "-colortable")
_BIDS = "dseg"
# dataset/sub-01/ses-1/anat: three folders lie above a label map of BIDS.
MOST_ABOVE = 3
_LABEL_MAP = re.compile(r"(\.seg)?\.(nii|nrrd|nhdr|mha|mhd|hdr|img|dcm|dicom|ima)(\.gz)?$", re.IGNORECASE)
_LABEL_WORD = re.compile(r"[-_]label(map)?$", re.IGNORECASE)


@dataclass(frozen=True)
class TableFile:
    """A file that may name labels: ``above`` the label map's folder by so many.

    ``own``: it is called as the label map is, so what is wrong with it is an error; others may be
    about something else.
    """

    name: str
    above: int
    own: bool


def map_stem(name: str) -> str:
    """``liver.nii.gz`` -> ``liver``: what a label map is called; a folder before it is left out."""
    base = name.replace("\\", "/").rpartition("/")[2]
    return _LABEL_MAP.sub("", base) or base


def structure_of(name: str) -> str:
    """The structure that a mask's file says: its stem, in small letters where all of the name is capital."""
    base = name.replace("\\", "/").rpartition("/")[2]
    return map_stem(base.casefold() if base.isupper() else base)


class FolderNames:
    """The names of files in one folder, so that many label maps can ask for their tables."""

    def __init__(self, names: Iterable[str]) -> None:
        self._by_name: dict[str, str] = {}
        self._bids: list[tuple[frozenset[str], str]] = []
        for name in names:
            low = name.casefold()
            self._by_name.setdefault(low, name)
            if low.endswith(f"{_BIDS}.tsv"):
                entities, suffix = _entities(low[: -len(".tsv")])
                if suffix == _BIDS:
                    self._bids.append((entities, name))
        self._bids.sort(key=lambda one: (-len(one[0]), one[1]))

    def own(self, stem: str) -> list[str]:
        """Tables that are called as the label map ``stem`` is."""
        low = stem.casefold()
        stems = [low, *(base + ending for base in _bases(low) for ending in _SLICER)]
        wanted = (one + ending for one in stems for ending in TABLE_ENDINGS)
        return [self._by_name[name] for name in wanted if name in self._by_name]

    def bids(self, stem: str, above: bool) -> list[str]:
        """BIDS's tables for the label map ``stem``, the most specific first."""
        entities, suffix = _entities(stem.casefold())
        if above and suffix != _BIDS:
            return []
        return [name for wanted, name in self._bids if wanted <= entities]

    def shared(self, above: int) -> list[str]:
        """Tables for every label map of the folder, or of the folders in it (``above`` is 1)."""
        wanted = (_SHARED, _SHARED[:1])[above] if above < 2 else ()
        return [self._by_name[name] for name in wanted if name in self._by_name]


def table_files(name: str, folders: Sequence[FolderNames]) -> list[TableFile]:
    """Files that may name the labels of the label map ``name``, the best first.

    ``folders`` are its own and those above it, upwards.
    """
    stem = map_stem(name)
    # JSON beside a volume is more often about the scan (dcm2niix) than about labels.
    found = [TableFile(one, 0, not one.casefold().endswith(".json")) for one in folders[0].own(stem)]
    for above, folder in enumerate(folders):
        found += [TableFile(one, above, False) for one in folder.bids(stem, above > 0)]
        found += [TableFile(one, above, False) for one in folder.shared(above)]
    return list({(one.above, one.name): one for one in reversed(found)}.values())[::-1]


def tables_beside(path: Path) -> tuple[Path, ...]:
    """The files on the disk that may name the labels of the label map at ``path``, the best first."""
    folders, places = [], []
    bids = _entities(map_stem(path.name).casefold())[1] == _BIDS
    for above, place in enumerate([path.parent, *path.parent.parents][: 1 + MOST_ABOVE]):
        if above > 1 and not bids:
            break
        try:
            folders.append(FolderNames(os.listdir(place)))
        except OSError:
            break  # a folder above that may not be read
        places.append(place)
    if not folders:
        return ()
    found: dict[str, Path] = {}
    for one in table_files(path.name, folders):
        table = places[one.above] / one.name
        if table != path and table.is_file() and not is_link(table):
            found.setdefault(one.name.casefold(), table)  # the nearest of one name
    return tuple(found.values())


def _bases(stem: str) -> list[str]:
    """What Slicer may have called the segmentation whose label map is ``stem``."""
    return list(dict.fromkeys((stem, _LABEL_WORD.sub("", stem))))


def _entities(stem: str) -> tuple[frozenset[str], str]:
    """``sub-01_desc-aseg_dseg`` -> its entities and its suffix."""
    *parts, suffix = stem.split("_")
    return frozenset(part for part in parts if "-" in part), suffix
