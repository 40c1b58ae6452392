"""A segmentation that another step of the same case wrote: handed over, and taken up again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import PipelineError
from ..core.files import replace_file
from ..core.progress import Report
from ..core.segmentation import Grid, Segmentation
from .case import Case
from .engines.base import structures_absent
from .source_segmentation import SourceSegmentation
from .stopwatch import Stopwatch
from .writers.seg_nrrd import write_seg_nrrd

if TYPE_CHECKING:
    from .volume import Volume


def hand_over(case: Case, found: SourceSegmentation, report: Report, watch: Stopwatch) -> None:
    """Write ``case.segmented`` with everything that the last step needs to know. Raises OSError."""
    assert case.segmented is not None
    facts = {
        **found.facts,
        "engine": found.engine,
        "modality": found.modality,
        "warnings": found.segmentation.warnings,
        "cached": found.cached,
        "absent": [segment.title for segment in found.absent],
        "timings_s": watch.seconds,
    }
    with watch.time("hand over"):
        write_seg_nrrd(case.segmented, found.segmentation, facts, report)


def take_saved(case: Case, report: Report, watch: Stopwatch) -> SourceSegmentation:
    """What ``case.segmented`` holds, on the scan's grid, with what is known about it.

    Raises :class:`PipelineError` ``input.*`` for a file or scan that cannot be read.
    """
    from .read_seg_nrrd import read_facts, read_seg_nrrd
    from .volume import read_volume

    assert case.segmented is not None
    with watch.time("read"):
        segmentation = read_seg_nrrd(case.segmented)
        facts: dict[str, Any] = {**case.segmented_facts, **read_facts(case.segmented)}
        modality = str(facts.get("modality") or case.options["modality"] or case.modality)
        volume = None
        if case.kind != "segmentation":
            volume = read_volume(case.path, case.affine, modality, case.label)
    for what, seconds in dict(facts.pop("timings_s", {})).items():
        watch.seconds[what] = watch.seconds.get(what, 0.0) + float(seconds)
    segmentation.warnings += facts.get("warnings", [])
    absent = facts.pop("absent", [])
    if absent:
        message = f"not found in this scan: {', '.join(absent)}"
        segmentation.warnings.append({"code": "segmentation.absent", "message": message})
    cached = bool(facts.pop("cached", False))
    if volume is not None:
        report.check()
        segmentation = _wanted(on_grid(segmentation, volume.grid), case.options["structures"])
        _complete(case, segmentation, volume, facts, report, watch)
    return SourceSegmentation(
        segmentation, volume, str(facts.get("engine", "")), modality, cached, facts=facts
    )


def _complete(
    case: Case,
    segmentation: Segmentation,
    volume: Volume,
    facts: dict[str, Any],
    report: Report,
    watch: Stopwatch,
) -> None:
    """The check of sides, which another program has not done, and the cache's copy."""
    from .sides import check_sides

    if "sides" not in facts:
        with watch.time("sides"):
            sides = check_sides(segmentation, volume)
        segmentation.warnings += sides.warnings
        facts["sides"] = sides.verdict
        facts["warnings"] = list(segmentation.warnings)
    if case.keep is not None:
        with watch.time("keep"):
            keep_copy(case.keep, segmentation, facts, report)


def _wanted(segmentation: Segmentation, names: list[str]) -> Segmentation:
    """Only the structures that were asked for; one that was not found is a warning, not an error."""
    if not names:
        return segmentation
    kept = tuple(segment for segment in segmentation.segments if segment.name in names)
    lacking = [name for name in names if all(segment.name != name for segment in kept)]
    if not kept:
        raise PipelineError("export.empty", f"not found in this scan: {', '.join(names)}")
    answer = Segmentation(segmentation.grid, segmentation.layers, kept, segmentation.warnings)
    known = any("not found in this scan" in warning["message"].lower() for warning in answer.warnings)
    if not known:
        answer.warnings += structures_absent(lacking)
    return answer


def on_grid(segmentation: Segmentation, grid: Grid) -> Segmentation:
    """The same labels on the scan's ``grid``: as they are where they lie there, else the nearest ones.

    Slicer cuts a segmentation to the extent of its labels and may turn its axes.
    """
    own = segmentation.grid
    if own.shape == grid.shape and np.allclose(own.affine, grid.affine, rtol=0, atol=1e-3):
        segmentation.grid = grid
        return segmentation
    layers = [_resampled(layer, own, grid) for layer in segmentation.layers]
    return Segmentation(grid, layers, segmentation.segments, segmentation.warnings)


def _resampled(layer: np.ndarray, own: Grid, grid: Grid) -> np.ndarray:
    """Nearest labels, slice by slice; 0 where ``own`` has no voxel."""
    to_own = np.linalg.inv(np.asarray(own.affine)) @ np.asarray(grid.affine)
    count_i, count_j, count_k = grid.shape
    i, j = np.meshgrid(np.arange(count_i), np.arange(count_j))  # (j, i)
    answer = np.zeros(grid.array_shape, layer.dtype)
    for k in range(count_k):
        index = [
            np.rint(row[0] * i + row[1] * j + row[2] * k + row[3]).astype(np.int64) for row in to_own[:3]
        ]
        inside = np.ones(i.shape, bool)
        for axis, size in zip(index, own.shape):
            inside &= (axis >= 0) & (axis < size)
        answer[k][inside] = layer[index[2][inside], index[1][inside], index[0][inside]]
    return answer


def keep_copy(place: Path, segmentation: Segmentation, facts: dict[str, Any], report: Report) -> None:
    """Write the copy for the result cache: complete under its name, or nothing at all."""
    part = place.with_name(place.name + ".part")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        write_seg_nrrd(part, segmentation, facts, report)
        replace_file(part, place)
    except OSError as error:
        part.unlink(missing_ok=True)
        # The case itself does not need the cache.
        report.log(f"the segmentation could not be copied into the result cache: {error}", "warning")
