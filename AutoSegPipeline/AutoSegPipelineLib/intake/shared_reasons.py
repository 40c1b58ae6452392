"""Refusals of one input that share their reason become one: with the count, a few names and the reason."""

from __future__ import annotations

from typing import Sequence

from ..core.messages.found_cases import Refusal
from .case_names import file_stem
from .inspection_state import Inspection
from .passed_by import shared_folder, some


def merge_refusals(state: Inspection) -> None:
    """One refusal for each code of each archive, and of what lies in none."""
    alike: dict[tuple[str, str], list[Refusal]] = {}
    for refusal in state.refusals:
        archive = refusal.files[0] if refusal.files and refusal.files[0] in state.archives else ""
        alike.setdefault((refusal.error["code"], archive), []).append(refusal)
    state.refusals[:] = [
        rows[0] if len(rows) == 1 else _merged(rows, state.archives.get(archive) or state.label)
        for (_, archive), rows in alike.items()
    ]


def _merged(rows: list[Refusal], called: str) -> Refusal:
    """``called`` is the name of the archive or of the input."""
    labels = [row.label for row in rows]
    count = sum(row.count for row in rows)
    return Refusal(
        files=list(dict.fromkeys(name for row in rows for name in row.files)),
        stem=file_stem(called or shared_folder(labels).rstrip("/") or labels[0]),
        label=shared_label(called, labels, count),
        error={**rows[0].error, "message": shared_message(rows[0].error["message"], labels, count)},
        count=count,
    )


def shared_label(called: str, labels: Sequence[str], count: int) -> str:
    """What the refusal of ``count`` files is called; ``called`` is what the input is."""
    place = called or shared_folder(labels).rstrip("/")
    return f"{place}: {count} files" if place else f"{labels[0]} and {count - 1} more"


def shared_message(first: str, labels: Sequence[str], count: int) -> str:
    """The reason of ``count`` files; ``first`` is the message about the first of ``labels``."""
    common = shared_folder(labels)
    others = some([label[len(common) :] for label in labels[1:]])
    reason = first if first.endswith((".", "!", "?")) else first + "."
    return f"{count} files share one reason. {reason} The others: {others}."
