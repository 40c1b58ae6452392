"""Channels of one scan, ``NAME_0000`` and so on, become one case where the case asks for such a model."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Optional

from ..core.errors import Refused
from ..core.messages.found_cases import FoundCase
from ..core.own_models import channel_names, channel_of
from .case_names import file_stem
from .durable_copy import hash_of
from .inspection_state import Inspection


def join_channels(state: Inspection, first_case: int) -> None:
    """Join the channels among the scans from ``first_case`` on.

    Where some of a scan's are missing, all that are there are one refusal, which names what is missing.
    """
    if state.models is None:
        return
    found: dict[tuple[str, str], dict[int, FoundCase]] = {}
    for row in state.cases[first_case:]:
        name = channel_of(row.label) if row.kind == "scan" else None
        if name is not None:
            found.setdefault((name[0], name[2].casefold()), {}).setdefault(name[1], row)
    for (stem, ending), rows in found.items():
        wanted = channel_names(state.models, _options(state, [rows[number] for number in sorted(rows)]))
        if len(wanted) > 1:
            _join(state, stem, ending, rows, wanted)


def _join(
    state: Inspection, stem: str, ending: str, rows: dict[int, FoundCase], wanted: tuple[str, ...]
) -> None:
    label = stem + ending
    parts = [rows[number] for number in sorted(rows)]
    place = next(n for n, row in enumerate(state.cases) if row is parts[0])
    ids = {id(row) for row in parts}
    state.cases[:] = [row for row in state.cases if id(row) not in ids]
    files = list(dict.fromkeys(name for row in parts for name in row.files))
    problem = _missing(label, rows, wanted)
    if problem is not None:
        state.refuse(problem, files, file_stem(label), label)
        return
    state.cases.insert(place, replace(join_cases(parts, files), stem=file_stem(label), label=label))


def _missing(label: str, rows: dict[int, FoundCase], wanted: tuple[str, ...]) -> Optional[Refused]:
    base = label.rpartition("/")[2]
    missing = [f"{number:04d} ({name})" for number, name in enumerate(wanted) if number not in rows]
    if missing:
        are = "is" if len(missing) == 1 else "are"
        text = f"{base}: of its {len(wanted)} channels {', '.join(missing)} {are} missing"
        return Refused("input.channel_missing", text)
    more = [f"{number:04d}" for number in rows if number >= len(wanted)]
    if more:
        takes = ", ".join(wanted)
        text = f"{base} has the channels {', '.join(more)}, and the model takes {len(wanted)} only ({takes})"
        return Refused("input.channel_missing", text)
    return None


def join_cases(parts: list[FoundCase], files: list[str]) -> FoundCase:
    """The case of all ``parts``, called as the first is; the others' files move into its folder."""
    first = parts[0]
    folder = Path(first.path).parent
    channels = []
    for number, row in enumerate(parts[1:], 1):
        staged = Path(row.path)
        os.rename(staged.parent, folder / f"channel-{number}")
        channels.append(f"channel-{number}/{staged.name}")
    return replace(
        first,
        sha256=hash_of([row.sha256 for row in parts]),
        warnings=list({warning["code"]: warning for row in parts for warning in row.warnings}.values()),
        facts={**first.facts, "channels": len(parts)},
        files=files,
        channels=channels,
        options_file=next((row.options_file for row in parts if row.options_file), None),
    )


def _options(state: Inspection, parts: list[FoundCase]) -> dict[str, object]:
    """The options of the scan; a file beside any of its channels counts."""
    own = next((row.options_file for row in parts if row.options_file), None)
    return state.layers.options(parts[0].folder_options_file, own)
