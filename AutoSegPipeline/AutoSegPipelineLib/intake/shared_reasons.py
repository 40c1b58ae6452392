"""Refusals of one input that share their reason become one: with the count, a few names and the reason."""

from __future__ import annotations

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
    common = shared_folder(labels)
    place = called or common.rstrip("/")
    count = sum(row.count for row in rows)
    others = some([label[len(common) :] for label in labels[1:]])
    first = rows[0]
    message = f"{count} files share one reason. {_sentence(first.error['message'])} The others: {others}."
    return Refusal(
        files=list(dict.fromkeys(name for row in rows for name in row.files)),
        stem=file_stem(place or labels[0]),
        label=f"{place}: {count} files" if place else f"{labels[0]} and {len(rows) - 1} more",
        error={**first.error, "message": message},
        count=count,
    )


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else text + "."
