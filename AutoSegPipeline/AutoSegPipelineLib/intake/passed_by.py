"""Files of an input that are no scan: viewer programs, pictures, documents, sidecars, an index of a disc.

Beside a scan they are passed by and listed in one note. Only where nothing is a scan are they one refusal.
"""

from __future__ import annotations

import os
import re
from itertools import takewhile
from typing import Iterable, Sequence

from ..core.errors import Refused
from ..core.input_names import DICOMDIR, is_index
from .case_names import file_stem
from .foreign_files import unknown_format
from .inspection_state import InputFile, Inspection
from .sniff import DICOM, ZIP

_NAMES = 3


def index_alone(name: str = DICOMDIR) -> Refused:
    """The refusal of a DICOMDIR, whatever its name, without the files that it lists."""
    called = name if is_index(name) else f"{name} is a {DICOMDIR}, which"
    return Refused(
        "dicom.not_an_image",
        f"{called} only lists the files of a disc, and none of them came with it.",
        f"Give the folder in which {name} lies, with all of its files.",
    )


class Siblings:
    """Tells a broken slice without an ending by its name: ``IM0042`` among ``IM0001`` to ``IM0120``."""

    def __init__(self, labels: Iterable[str]) -> None:
        self._patterns = {_pattern(label) for label in labels}

    def resembles(self, label: str) -> bool:
        """Whether ``label`` differs from the label of a slice in its digits only."""
        return _pattern(label) in self._patterns


def _pattern(label: str) -> str:
    return re.sub(r"\d+", "0", label.casefold())


def some(names: Sequence[str], most: int = _NAMES) -> str:
    """A few of ``names``, and how many more there are."""
    more = len(names) - most
    if more > 0:
        return f"{', '.join(names[:most])} and {more} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def answer_for(state: Inspection) -> None:
    """The note about what was passed by, or the refusal where nothing is a scan."""
    passed = state.passed
    if not state.cases and not state.refusals:
        _refuse_all(state, passed)
    elif state.cases and passed:
        state.cases[0].warnings = [*state.cases[0].warnings, note([one.label for one in passed])]


def note(labels: Sequence[str]) -> dict[str, str]:
    """The warning that lists files which were passed by, named below their common folder."""
    common = shared_folder(labels) if len(labels) > 1 else ""
    names = [label[len(common) :] for label in labels]
    words = "1 file is no scan and was" if len(names) == 1 else f"{len(names)} files are no scan and were"
    return {"code": "input.passed_by", "message": f"{words} passed by: {some(names, 6)}."}


def shared_folder(labels: Sequence[str]) -> str:
    """The folder that all ``labels`` lie in, with its slash; empty for none."""
    folders = [label.split("/")[:-1] for label in labels]
    same = takewhile(lambda parts: len(set(parts)) == 1, zip(*folders))
    return "".join(f"{parts[0]}/" for parts in same)


def _refuse_all(state: Inspection, passed: Sequence[InputFile]) -> None:
    labels = [one.label for one in passed]
    files = list(dict.fromkeys(one.relative for one in passed))
    called = state.label or shared_folder(labels).rstrip("/") or (labels[0] if labels else "The input")
    if not passed:
        state.refuse(
            Refused("input.nothing_inside", f"{called} holds no scan."), [], file_stem(called), called
        )
        return
    name = os.path.basename(labels[0])
    # Of DICOM files only an index is passed by.
    if all(one.format == DICOM or is_index(os.path.basename(one.label)) for one in passed):
        error = index_alone(name)
    elif all(one.nested for one in passed):
        error = Refused("archive.nested", f"{some(labels)} {_lie(labels)} inside another archive.")
    elif len(passed) == 1 and passed[0].format == "empty":
        error = Refused("input.empty", f"{name} is empty.")
    elif len(passed) == 1 and passed[0].format == ZIP:
        error = Refused("input.nothing_inside", f"{name} holds no scan.")
    elif len(passed) == 1:
        error = unknown_format(passed[0].start, name)
    else:
        error = nothing_inside(called, labels)
    if len(passed) == 1:
        state.refuse(error, files, file_stem(labels[0]), labels[0])
    else:
        state.refuse(error, files, file_stem(called), called)


def nothing_inside(called: str, labels: Sequence[str]) -> Refused:
    """The refusal of the input ``called`` in which none of the files ``labels`` is a scan."""
    names = [label[len(shared_folder(labels)) :] for label in labels]
    return Refused(
        "input.nothing_inside", f"None of {len(names)} files in {called} is a scan: {some(names)}."
    )


def _lie(labels: Sequence[str]) -> str:
    return "lies" if len(labels) == 1 else "lie"
