"""Where a case's segmentation comes from: an engine, the cache, or the file itself."""

from __future__ import annotations

from typing import Any

from ..core.engine_list import join
from ..core.errors import PipelineError
from ..core.progress import Report
from ..core.segmentation import Grid, Segmentation
from ..core.specs import did_you_mean
from .case import Case
from .engine_facts import EngineFacts
from .layers import drop_empty
from .saved_segmentation import keep_copy, take_saved
from .source_segmentation import SourceSegmentation
from .stopwatch import Stopwatch


def segment_case(case: Case, report: Report, watch: Stopwatch) -> SourceSegmentation:
    """Read and segment; raises :class:`PipelineError`, ``export.empty`` among them."""
    report.stage("preparing", f"reading {case.label}")
    if case.segmented is not None and not case.only:
        found = take_saved(case, report, watch)
    else:
        found = _existing(case, watch) if case.kind == "segmentation" else _scan(case, report, watch)
    found.segmentation, found.absent = drop_empty(found.segmentation)
    if not found.segmentation.segments:
        raise PipelineError("export.empty", f"{case.label}: no structure has a voxel")
    if case.kind == "segmentation" and case.options["structures"] and (case.segmented is None or case.only):
        found.segmentation = only(found.segmentation, case.options["structures"])
    return found


def only(segmentation: Segmentation, names: list[str]) -> Segmentation:
    """The segments called ``names``; raises ``engine.structure_unknown`` for a name that none has."""
    known = [segment.name for segment in segmentation.segments]
    for name in names:
        if name not in known:
            raise PipelineError(
                "engine.structure_unknown",
                f"the segmentation has no structure {name!r}{did_you_mean(name, known)}",
            )
    kept = tuple(segment for segment in segmentation.segments if segment.name in names)
    return Segmentation(segmentation.grid, segmentation.layers, kept, segmentation.warnings)


def _existing(case: Case, watch: Stopwatch) -> SourceSegmentation:
    from .read_segmentation import read_segmentation

    with watch.time("read"):
        segmentation = read_segmentation(case.path, case.labels, case.affine, case.label, case.table)
    return SourceSegmentation(segmentation, None, "", case.modality)


def _scan(case: Case, report: Report, watch: Stopwatch) -> SourceSegmentation:
    from .engine_runs import plan_runs, run_engines
    from .sides import check_sides
    from .volume import read_channel, read_volume

    with watch.time("read"):
        modality = case.options["modality"] or case.modality
        volume = read_volume(case.path, case.affine, modality, case.label)
        volume.channels = tuple(read_channel(path, volume) for path in case.channels)
    report.check()
    reused = _reuse(case, volume.grid, report, watch)
    if reused is not None:
        segmentation, facts = reused
        segmentation.warnings += facts.get("warnings", [])
        modality = modality or str(facts.get("modality", ""))
        return SourceSegmentation(
            segmentation, volume, str(facts.get("engine", "")), modality, cached=True, facts=facts
        )
    runs = plan_runs(case.options, modality, case.label)
    report.stage("segmenting", ", ".join(run.engine.title for run in runs))
    with watch.time("segment"):
        segmentation = run_engines(runs, volume, case.had_gpus, report)
    for part, seconds in segmentation.facts.pop("timings", {}).items():
        watch.seconds[part] = round(seconds, 4)
    report.check()
    with watch.time("sides"):
        sides = check_sides(segmentation, volume)
    segmentation.warnings += sides.warnings
    modality = str(segmentation.facts.get("modality") or modality)
    entries = segmentation.facts["engines"]
    names = join([entry["name"] for entry in entries])
    facts = {
        "sides": sides.verdict,
        "engine": names,
        "engine_version": _versions(entries),
        **segmentation.facts,
        "modality": modality,
    }
    facts["warnings"] = list(segmentation.warnings)
    if case.keep is not None and not case.only:
        with watch.time("keep"):
            keep_copy(case.keep, segmentation, facts, report)
    return SourceSegmentation(segmentation, volume, names, modality, facts=facts)


def _versions(entries: list[EngineFacts]) -> str:
    """The engine's version; of several with the name of each."""
    if len(entries) == 1:
        return str(entries[0]["version"])
    return ", ".join(f"{entry['name']} {entry['version']}" for entry in entries)


def _reuse(
    case: Case, grid: Grid, report: Report, watch: Stopwatch
) -> tuple[Segmentation, dict[str, Any]] | None:
    """The cached segmentation, or None where the cache cannot serve: then it is computed."""
    if case.reuse is None:
        return None
    from .engine_runs import same_weights
    from .read_seg_nrrd import read_facts, read_seg_nrrd

    try:
        with watch.time("cache"):
            facts = read_facts(case.reuse)
            current = same_weights(facts.get("engines") or [])
            segmentation = read_seg_nrrd(case.reuse)
    except (PipelineError, OSError) as error:
        report.log(f"the cached segmentation cannot be used and is computed again: {error}", "warning")
        return None
    if not current:
        report.log("the cached segmentation is of other weights and is computed again", "warning")
        return None
    if segmentation.grid.shape != grid.shape:
        report.log("the cached segmentation has another shape and is computed again", "warning")
        return None
    segmentation.grid = grid
    return segmentation, facts
