"""What a client calls a file. It is a label only: no path on this machine is ever made of it unchecked."""

from __future__ import annotations

import os
import re
import unicodedata

from ..case_names import DEVICES

MOST_PARTS = 32
MOST_CHARACTERS = 100  # of one part
MOST_BYTES = 200
NAMELESS = "upload"
_RESERVED = re.compile(r'[<>:"|?*\x00-\x1f\x7f]+')


def clean_label(name: str) -> str:
    """``name`` with slashes and nothing that a file system trips over: no way up, no root, no drive.

    Results keep it, and an input that was refused is put away under it, so it must be harmless
    as a relative path on every system.
    """
    parts = [_part(part) for part in re.split(r"[/\\]+", name)]
    kept = [part for part in parts if part][-MOST_PARTS:]
    return "/".join(kept) or NAMELESS


def base_of(label: str) -> str:
    """The last part of a label."""
    return label.rpartition("/")[2]


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
    """At most 100 characters and 200 bytes; the ending, which tells the format, stays."""
    head, ending = os.path.splitext(text)
    if head.lower().endswith((".nii", ".seg", ".options", ".raw", ".img")):
        head, more = os.path.splitext(head)
        ending = more + ending
    if len(ending) > 20:
        head, ending = text, ""
    while head and (len(head + ending) > MOST_CHARACTERS or len((head + ending).encode()) > MOST_BYTES):
        head = head[:-1]
    return head + ending if head else "_" + ending


class UniqueLabels:
    """Keeps the labels of one input apart, so that no file is put away over another."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def take(self, label: str, number: int) -> str:
        """``label``, or one made of ``number`` where the name is taken or is a folder's."""
        if self._is_taken(label):
            folder, slash, base = label.rpartition("/")
            label = f"{folder}{slash}{number}-{base}"
        if self._is_taken(label):
            label = f"{label.split('/')[0]}-{number}/{number}-{base_of(label)}"
        self._files.add(label.casefold())
        self._folders.update(_parents(label))
        return label

    def _is_taken(self, label: str) -> bool:
        key = label.casefold()
        return key in self._files or key in self._folders or not self._files.isdisjoint(_parents(label))


def _parents(label: str) -> list[str]:
    parts = label.casefold().split("/")[:-1]
    return ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
