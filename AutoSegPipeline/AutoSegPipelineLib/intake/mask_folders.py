"""A folder with one mask for each structure becomes one case (TotalSegmentator's default output).

A mask is a label map with one label that nothing names: neither a table nor the file itself.
The masks of one folder are one segmentation where they are more than the folder's other label
maps without names; those, and every label map with names, stay cases of their own.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import cast

from ..core.errors import Refused
from ..core.mask_plan import Mask, MaskPlan
from ..core.messages.found_cases import FoundCase, Refusal
from ..core.segmentation import Affine
from ..core.table_files import structure_of
from ..formats.geometry import furthest, spacing_of
from .case_names import file_stem
from .durable_copy import hash_of
from .inspection_state import Inspection

# How far, in voxels, a corner may lie from the other masks': writers round differently.
_ROUNDED = 0.05
# What a label map holds: one label, several, or labels that something names.
MASK, SEVERAL, NAMED = "mask", "labels", "names"


def join_masks(state: Inspection, first_case: int, first_refusal: int) -> None:
    """Join the masks among the cases from ``first_case`` on; ``first_refusal`` is where their refusals begin.

    Where masks of one folder lie on different grids all of them are one refusal, which names the odd ones.
    """
    cases, refusals = state.cases[first_case:], state.refusals[first_refusal:]
    folders: dict[str, list[FoundCase]] = {}
    for row in cases:
        folders.setdefault(_folder(row), []).append(row)
    for folder, rows in folders.items():
        masks = [row for row in rows if row.content == MASK]
        empty = [row for row in refusals if _folder(row) == folder and _code(row) == "export.empty"]
        others = [row for row in rows if row.content == SEVERAL]
        if masks and len(masks) + len(empty) > max(1, len(others)):
            passed = [r for r in refusals if _code(r) == "input.not_labels" and _is_near(_folder(r), folder)]
            _join(state, folder, masks, empty, passed)


def _join(
    state: Inspection, folder: str, masks: list[FoundCase], empty: list[Refusal], passed: list[Refusal]
) -> None:
    label = folder or state.label or masks[0].label
    gone: list[FoundCase | Refusal] = [*masks, *empty, *passed]
    files = list(dict.fromkeys(name for row in gone for name in row.files))
    place = next(n for n, row in enumerate(state.cases) if row is masks[0])
    odd = _on_other_grids(masks)
    ids = {id(row) for row in gone}
    state.cases[:] = [row for row in state.cases if id(row) not in ids]
    state.refusals[:] = [row for row in state.refusals if id(row) not in ids]
    if odd:
        state.refuse(_other_grid(label, masks, odd), files, file_stem(label), label)
        return
    case = _case(state, label, sorted(masks, key=_natural), sorted(empty, key=_natural))
    case.files = files
    if passed:
        names = _some([_base(one) for one in passed])
        message = f"{names}: no label map; passed by, for the masks beside it are the segmentation"
        case.warnings = [*case.warnings, {"code": "export.passed_by", "message": message}]
    state.cases.insert(place, case)


def _case(state: Inspection, label: str, masks: list[FoundCase], empty: list[Refusal]) -> FoundCase:
    """The case of all ``masks``, which move into one folder."""
    folder = Path(state.staging.folder())
    plan = MaskPlan([], [structure_of(row.label) for row in empty])
    for row in masks:
        staged = Path(row.path)
        os.rename(staged.parent, folder / staged.parent.name)
        file = f"{staged.parent.name}/{staged.name}"
        plan.masks.append(Mask(file, structure_of(row.label), _base(row)))
    first = masks[0]
    return replace(
        first,
        path=str(plan.write(folder)),
        stem=file_stem(label),
        label=label,
        content=NAMED,
        sha256=hash_of([part for row in masks for part in (_base(row), row.sha256)]),
        warnings=list({warning["code"]: warning for row in masks for warning in row.warnings}.values()),
        facts={**first.facts, "masks": len(masks)},
        options_file=next((row.options_file for row in masks if row.options_file), None),
    )


def _on_other_grids(masks: list[FoundCase]) -> list[FoundCase]:
    """The masks that do not lie on the grid of most of them."""
    grids: list[list[FoundCase]] = []
    for row in masks:
        same = next((grid for grid in grids if _same_grid(grid[0], row)), None)
        if same is None:
            grids.append([row])
        else:
            same.append(row)
    most = {id(row) for row in max(grids, key=len)}
    return [row for row in masks if id(row) not in most]


def _same_grid(a: FoundCase, b: FoundCase) -> bool:
    if a.shape != b.shape:
        return False
    away = furthest(_affine(a), _affine(b), a.shape)
    return away <= _ROUNDED * min(spacing_of(_affine(a)))


def _affine(row: FoundCase) -> Affine:
    return cast(Affine, tuple(tuple(line) for line in row.affine))


def _other_grid(label: str, masks: list[FoundCase], odd: list[FoundCase]) -> Refused:
    out = {id(row) for row in odd}
    rest = [row for row in masks if id(row) not in out]
    names = _some([f"{_base(row)} ({_grid(row)})" for row in odd])
    lie = "lies" if len(odd) == 1 else "lie"
    others = f"the other {len(rest)} masks" if len(rest) > 1 else _base(rest[0])
    return Refused(
        "export.other_grid", f"{label}: {names} {lie} on another grid than {others} ({_grid(rest[0])})."
    )


def _grid(row: FoundCase) -> str:
    shape = " x ".join(str(size) for size in row.shape)
    spacing = " x ".join(format(edge, ".4g") for edge in row.spacing)
    corner = ", ".join(format(line[3], ".4g") for line in row.affine[:3])
    return f"{shape} voxels of {spacing} mm from {corner}"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more


def _folder(row: FoundCase | Refusal) -> str:
    return row.label.rpartition("/")[0]


def _base(row: FoundCase | Refusal) -> str:
    return row.label.rpartition("/")[2]


def _code(refusal: Refusal) -> str:
    return refusal.error["code"]


def _is_near(folder: str, masks: str) -> bool:
    """Whether a file of ``folder`` lies beside the ``masks`` or beside their folder."""
    return folder == masks or (bool(masks) and folder == masks.rpartition("/")[0])


def _natural(row: FoundCase | Refusal) -> list[tuple[int, int, str]]:
    """``rib_2`` before ``rib_10``."""
    parts = re.findall(r"\d+|\D+", _base(row).casefold())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]
