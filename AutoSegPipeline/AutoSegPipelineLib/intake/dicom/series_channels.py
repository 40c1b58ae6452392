"""DICOM series of one study become one case, where the case asks for a model whose patterns find them."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from typing import Tuple

from ...core.errors import Refused
from ...core.messages.found_cases import FoundCase
from ...core.own_models import ModelChannels, model_channels
from ..channels import join_cases
from ..header_checks import SEGMENTATION
from ..inspection_state import Inspection
from ..passed_by import some
from .keep_headers import keep_headers
from .stack import Stack

_TRACE = 1e-3  # of a voxel; what the engine allows, too
_COMPLETE = (
    "Give all series of the study together, in a folder, zip or study of the PACS, or correct --channel."
)

Made = Tuple[Stack, FoundCase]


def join_series(state: Inspection, made: list[Made]) -> None:
    """Join the channels among the series of ``made``; series of the study that are none are passed by.

    Where a channel is missing or cannot be chosen, or where the grids differ, all series of the study are one
    refusal.
    """
    if state.models is None or state.expect == SEGMENTATION:
        return
    studies: dict[tuple[str, str, ModelChannels], list[Made]] = {}
    for stack, case in made:
        options = state.layers.options(case.folder_options_file, case.options_file)
        wanted = model_channels(state.models, options)
        if len(wanted.patterns) > 1:
            # Series without a study's UID belong to nothing but themselves.
            study = stack.first.study_uid if "study" not in stack.first.missing else ""
            key = (study or f"series {stack.first.series_uid}", stack.first.patient.key, wanted)
            studies.setdefault(key, []).append((stack, case))
    for (_, _, wanted), found in studies.items():
        _join(state, found, wanted)


def _join(state: Inspection, found: list[Made], wanted: ModelChannels) -> None:
    place = next(n for n, row in enumerate(state.cases) if row is found[0][1])
    ids = {id(case) for _, case in found}
    state.cases[:] = [row for row in state.cases if id(row) not in ids]
    files = list(dict.fromkeys(name for _, case in found for name in case.files))
    try:
        parts = _choose(found, wanted)
        _check_one_grid([case for _, case in parts], wanted)
    except Refused as error:
        first = found[0][1]
        label = f"{first.label} and {len(found) - 1} more series" if len(found) > 1 else first.label
        state.refuse(error, files, first.stem, label, series_key=first.series_key)
        return
    case = join_cases([case for _, case in parts], files)
    taken = {id(one) for _, one in parts}
    others = [one.label for _, one in found if id(one) not in taken]
    if others:
        case = replace(case, warnings=[*case.warnings, _passed_by(others, wanted)])
    # What goes back to a PACS is about this case: the first channel's slices, and the content of all.
    keep_headers(parts[0][0], os.path.dirname(case.path), case.sha256)
    state.cases.insert(place, case)


def _choose(found: list[Made], wanted: ModelChannels) -> list[Made]:
    """The series of each channel, in the order of the channels."""
    channels: list[list[Made]] = [[] for _ in wanted.names]
    for stack, case in found:
        matching = wanted.matching(stack.first.description)
        if len(matching) > 1:
            both = " and ".join(_channel(wanted, number) for number in matching)
            raise Refused(
                "input.channel_ambiguous", f"{case.label} matches the channels {both} of {wanted.model}"
            )
        for number in matching:
            channels[number].append((stack, case))
    for number, matched in enumerate(channels):
        if len(matched) > 1:
            text = f"{some([case.label for _, case in matched])} match the channel {_channel(wanted, number)}"
            raise Refused("input.channel_ambiguous", f"{text} of {wanted.model}, which takes one series")
    missing = [_channel(wanted, number) for number, matched in enumerate(channels) if not matched]
    if missing:
        are = "is" if len(missing) == 1 else "are"
        text = f"of the {len(wanted.names)} channels of {wanted.model} {', '.join(missing)} {are} missing"
        here = some([case.label for _, case in found])
        raise Refused("input.channel_missing", f"{text}; the study has {here} here", _COMPLETE)
    return [matched[0] for matched in channels]


def _channel(wanted: ModelChannels, number: int) -> str:
    return f"{number:04d} ({wanted.names[number]}: {wanted.patterns[number]})"


def _check_one_grid(cases: list[FoundCase], wanted: ModelChannels) -> None:
    first = cases[0]
    limit = _TRACE * min(first.spacing)
    for name, case in zip(wanted.names[1:], cases[1:]):
        pairs = zip((x for row in case.affine for x in row), (x for row in first.affine for x in row))
        if case.shape != first.shape or any(math.fabs(a - b) > limit for a, b in pairs):
            text = (
                f"{wanted.names[0]} is {_grid(first)}, {name} is {_grid(case)}; {wanted.model} takes one grid"
            )
            raise Refused("input.channels_differ", text)


def _grid(case: FoundCase) -> str:
    """Size, spacing in mm, and the centre of the first voxel (LPS mm)."""
    size = " x ".join(str(n) for n in case.shape)
    spacing = " x ".join(f"{mm:.4g}" for mm in case.spacing)
    origin = ", ".join(f"{row[3]:.5g}" for row in case.affine[:3])
    return f"{size} voxels of {spacing} mm from ({origin})"


def _passed_by(labels: list[str], wanted: ModelChannels) -> dict[str, str]:
    words = "1 series of the study is" if len(labels) == 1 else f"{len(labels)} series of the study are"
    text = f"{words} no channel of {wanted.model} and passed by: {some(labels, 6)}."
    return {"code": "input.passed_by", "message": text}
