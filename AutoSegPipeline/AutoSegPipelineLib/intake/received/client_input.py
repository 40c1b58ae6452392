"""What a client says of its files, checked: their names, and what they are to become.

A name is shown and kept beside the results; no path on this machine is ever built from it unchecked.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import unicodedata
from dataclasses import dataclass, field
from typing import Any, Container, Iterable

from ...core.errors import PipelineError
from ...core.files import unique_keys
from ...core.spec import did_you_mean
from ...core.specs import OPTION_NAMES, parse_options
from ...core.task_labels import PROGRAM, task_named
from ..case_names import DEVICES, safe_stem

MOST_PARTS = 32
MOST_CHARACTERS = 100  # of one part
MOST_BYTES = 200
_LONGEST_ENDING = 20
NAMELESS = "upload"
EXPECTED = ("scan", "segmentation", "auto")
_NEARLY = 0.85  # of difflib: one letter of a short name, two of a long one
_RESERVED = re.compile(r'[<>:"|?*\x00-\x1f\x7f]+')

# --- what it is to become --------------------------------------------------------------------------


@dataclass
class CaseRequest:
    """``name`` is the stem of the results, ``expect`` a scan, a finished segmentation, or whichever it is.

    ``labels`` is a task of TotalSegmentator that names the labels of a segmentation; a table is sent along.
    """

    options: dict[str, object] = field(default_factory=dict)
    name: str = ""
    expect: str = "scan"
    labels: str = ""

    def add(
        self, pairs: Iterable[tuple[str, str]], origin: str, strict: bool = True, own: Container[str] = ()
    ) -> dict[str, str]:
        """Take names and values of a query, a form or tus metadata; the answer holds those in ``own``.

        ``own`` are the words that mean something to the door itself.
        Raises ``options.unknown_key`` with the nearest name, ``options.invalid``, ``request.invalid``.
        Without ``strict`` names that are no option are ignored.
        """
        found: dict[str, str] = {}
        for name, value in pairs:
            if name in own:
                found[name] = value
            elif name == "options":
                self.options.update(_json_options(value, origin))
            elif name == "name":
                self.name = safe_stem(value) if value.strip() else ""
            elif name == "expect":
                self.expect = _expected(value, origin)
            elif name == "labels":
                self.labels = _task(value, origin)
            elif strict or name in OPTION_NAMES:
                # An empty field of a form means that nothing was chosen.
                given = {name: value} if value.strip() or name not in OPTION_NAMES else {}
                self.options.update(parse_options(given, origin))
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; ``CaseRequest(**values)`` reads them."""
        return {"options": self.options, "name": self.name, "expect": self.expect, "labels": self.labels}


def read_json_options(text: str, origin: str) -> dict[str, Any]:
    """Options from JSON text. Raises ``options.unreadable`` and as :func:`~...core.specs.parse_options`."""
    try:
        given = json.loads(text, object_pairs_hook=unique_keys)
    except (ValueError, RecursionError) as error:
        raise PipelineError("options.unreadable", f"{origin} is not valid JSON: {error}") from None
    if not isinstance(given, dict):
        raise PipelineError("options.unreadable", f"{origin} holds no JSON object")
    return dict(parse_options(given, origin))


def _json_options(value: str, origin: str) -> dict[str, Any]:
    return read_json_options(value, f"{origin}: options") if value.strip() else {}


def _expected(value: str, origin: str) -> str:
    text = value.strip().lower()
    if text not in EXPECTED:
        raise PipelineError(
            "request.invalid",
            f"{origin}: expect is one of {', '.join(EXPECTED)}{did_you_mean(text, EXPECTED)}",
            status=422,
        )
    return text


def _task(value: str, origin: str) -> str:
    """A task by its name; never a path, which would be one of this machine."""
    task = task_named(value)
    if value.strip() and not task:
        raise PipelineError(
            "request.invalid",
            f"{origin}: labels is a task of {PROGRAM}; a table is sent together with the file",
            status=422,
        )
    return task


def is_mistyped(name: str) -> bool:
    """Whether ``name`` is no option but nearly one: ``qualty``."""
    return name not in OPTION_NAMES and bool(difflib.get_close_matches(name, OPTION_NAMES, 1, _NEARLY))


# --- names of files --------------------------------------------------------------------------------


def clean_name(name: str) -> str:
    """``name`` with slashes and nothing that a file system trips over: no way up, no root, no drive.

    Results keep it, and a refused input lies under it in ``refused/``, so it must be harmless as a
    relative path on every system.
    """
    parts = [_part(part) for part in re.split(r"[/\\]+", name)]
    kept = [part for part in parts if part][-MOST_PARTS:]
    return "/".join(kept) or NAMELESS


def last_part(name: str) -> str:
    """The last part of a client's name."""
    return name.rpartition("/")[2]


def _part(text: str) -> str:
    text = unicodedata.normalize("NFC", text)
    # Controls, bidirectional overrides, surrogates of undecodable names, private use.
    text = "".join("_" if unicodedata.category(c)[0] == "C" else c for c in text)
    text = _RESERVED.sub("_", text).strip(" ")
    if text in ("", ".", ".."):
        return ""
    text = text.rstrip(". ") or "_"
    if text.split(".")[0].rstrip(" ").casefold() in DEVICES:
        text = "_" + text
    return _short(text)


def _short(text: str) -> str:
    """At most 100 characters and 200 bytes; the ending, by which the format is known, stays."""
    head, ending = os.path.splitext(text)
    if head.lower().endswith((".nii", ".seg", ".options", ".raw", ".img")):
        head, more = os.path.splitext(head)
        ending = more + ending
    if len(ending) > _LONGEST_ENDING:
        head, ending = text, ""
    while head and (len(head + ending) > MOST_CHARACTERS or len((head + ending).encode()) > MOST_BYTES):
        head = head[:-1]
    return head + ending if head else "_" + ending


def findable(text: str) -> str:
    """What a search for ``text`` may ask for: as much of its beginning as every shortened name keeps."""
    text = text.strip()[: MOST_CHARACTERS - _LONGEST_ENDING]
    while len(text.encode("utf-8", "replace")) > MOST_BYTES - _LONGEST_ENDING:
        text = text[:-1]
    return text


class UniqueNames:
    """Keeps the names of one input apart, so that no file overwrites another."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def take(self, name: str, number: int) -> str:
        """``name``, or one with ``number`` in it where it is taken or is a folder's."""
        if self._is_taken(name):
            folder, slash, base = name.rpartition("/")
            name = f"{folder}{slash}{number}-{base}"
        if self._is_taken(name):
            name = f"{name.split('/')[0]}-{number}/{number}-{last_part(name)}"
        self._files.add(name.casefold())
        self._folders.update(_parents(name))
        return name

    def _is_taken(self, name: str) -> bool:
        key = name.casefold()
        return key in self._files or key in self._folders or not self._files.isdisjoint(_parents(name))


def _parents(name: str) -> list[str]:
    parts = name.casefold().split("/")[:-1]
    return ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
