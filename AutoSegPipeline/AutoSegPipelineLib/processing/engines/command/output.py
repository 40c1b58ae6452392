"""What a program wrote: found, read by the readers of ``export``, and checked against the scan's grid."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Mapping

from ....core.errors import EngineFailed, PipelineError
from ....core.files import contained
from ....core.mask_plan import Mask, MaskPlan
from ....core.segmentation import Grid, Segmentation
from ....core.structure_names import machine_name
from ....formats.label_rows import Entry, Rows
from ....formats.label_tables import read_table
from ...read_segmentation import read_segmentation
from ...same_grid import put_onto
from ..base import structures_absent
from .declaration import DICOM_SEG, MASKS, SEG_NRRD, WRITES, Declaration

_CROPPED = (SEG_NRRD, DICOM_SEG)  # formats that may leave out what is empty
_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd")
_TABLE = "names.json"


def place_of(declared: Declaration) -> str:
    """The pattern of the result, relative to the case's folder."""
    return declared.output or WRITES[declared.writes]


def read_output(declared: Declaration, folder: Path, grid: Grid) -> Segmentation:
    """The segmentation that the program left in ``folder``, on ``grid``.

    Raises ``engine.bad_output`` where there is none, several, no segmentation or one on another grid, and
    ``export.empty`` where no voxel has a label.
    """
    name = declared.name
    files = _found(declared, folder)
    try:
        if declared.writes == MASKS:
            read = read_segmentation(_plan(declared, files, folder))
        else:
            read = read_segmentation(files[0], _table(declared, folder), name=files[0].name)
    except PipelineError as error:
        if error.code == "export.empty":
            raise EngineFailed("export.empty", f"{name} found no structure: {error.message}") from error
        text = f"what {name} wrote is no segmentation: {error.message}"
        raise EngineFailed("engine.bad_output", text) from error
    except OSError as error:
        text = f"what {name} wrote cannot be read: {error.strerror or error}"
        raise EngineFailed("engine.bad_output", text) from error
    put = put_onto(read, grid, declared.writes in _CROPPED)
    if put is None:
        text = f"{name} wrote labels on another grid than the scan's: {_shape(read.grid)}, not {_shape(grid)}"
        raise EngineFailed("engine.bad_output", text)
    return put


def _found(declared: Declaration, folder: Path) -> list[Path]:
    """The files of the result in their order; links that lead out of the folder are none of them."""
    pattern = place_of(declared)
    files = sorted(path for path in folder.glob(pattern) if path.is_file() and contained(folder, path))
    if declared.writes == MASKS:
        files = [path for path in files if path.name.lower().endswith(_ENDINGS)]
    elif len(files) > 1:
        names = ", ".join(path.name for path in files[:4])
        text = f"{declared.name} wrote {len(files)} files {pattern}, and one was expected: {names}"
        raise EngineFailed("engine.bad_output", text)
    if not files:
        near = folder.joinpath(*Path(pattern).parts[:1])
        beside = sorted(path.relative_to(folder).as_posix() for path in near.rglob("*") if path.is_file())
        others = f" (it wrote {', '.join(beside[:4])})" if beside else ""
        raise EngineFailed("engine.bad_output", f"{declared.name} wrote no {pattern}{others}")
    return files


def _plan(declared: Declaration, files: list[Path], folder: Path) -> Path:
    """The plan that lists the masks, named by the declaration or by their files."""
    names = declared.names if isinstance(declared.names, Mapping) else {}
    masks = []
    for path in files:
        stem = mask_stem(path.name)
        called = str(names.get(stem, stem))
        masks.append(Mask(path.relative_to(folder).as_posix(), called, path.name))
    return MaskPlan(masks).write(folder)


def mask_stem(name: str) -> str:
    """``Lung_L.nii.gz`` -> ``Lung_L``."""
    ending = next((one for one in _ENDINGS if name.lower().endswith(one)), "")
    return name[: len(name) - len(ending)]


def _table(declared: Declaration, folder: Path) -> Path | None:
    """The table of names as a file; None where the result names its labels itself."""
    if isinstance(declared.names, Mapping):
        path = folder / _TABLE
        path.write_text(json.dumps(declared.names), encoding="utf-8")
        return path
    return declared.names


def classes_of(declared: Declaration) -> list[Entry]:
    """What the declaration says of the structures that the program finds; nothing where it says nothing.

    Raises ``export.bad_table``.
    """
    if declared.names is None:
        return []
    if isinstance(declared.names, Path):
        return read_table(declared.names)
    if declared.writes == MASKS:
        return [Entry(n, str(name)) for n, name in enumerate(declared.names.values(), 1)]
    from ....formats.label_json import read_json

    rows = Rows(f"names of {declared.name}")
    read_json(rows, json.dumps(declared.names))
    return rows.entries()


def only_wanted(declared: Declaration, segmentation: Segmentation, wanted: list[str]) -> Segmentation:
    """The structures that were asked for; raises ``engine.structure_unknown`` for one that it never finds."""
    if not wanted:
        return segmentation
    names = [machine_name(word) for word in wanted]
    there = {segment.name for segment in segmentation.segments}
    possible = there | {machine_name(entry.name) for entry in classes_of(declared)}
    for word, name in zip(wanted, names):
        if name not in possible:
            text = f"{declared.name} has no structure {word!r} (it has: {', '.join(sorted(possible))[:300]})"
            raise EngineFailed("engine.structure_unknown", text)
    kept = tuple(segment for segment in segmentation.segments if segment.name in names)
    absent = [word for word, name in zip(wanted, names) if name not in there]
    return replace(segmentation, segments=kept, warnings=[*segmentation.warnings, *structures_absent(absent)])


def _shape(grid: Grid) -> str:
    size = "×".join(str(count) for count in grid.shape)
    return f"{size} voxels of {'×'.join(f'{mm:.3g}' for mm in grid.spacing)} mm"
