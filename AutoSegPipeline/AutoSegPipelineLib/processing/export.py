"""Writing every requested format of one case. No format is known by its name here."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

from ..core import result_formats
from ..core.errors import PipelineError
from ..core.files import fsync_file, sha256
from ..core.messages.worker_messages import Output
from ..core.progress import Report
from . import heap
from .drawing.sections import make_sections
from .export_data import ExportData
from .measure import measure
from .picture import Shot, begin_picture, close_painter
from .stage_progress import Portion
from .surfaces import Budget, Scan, make_surfaces
from .writers.load import NotWritten, load

LARGE_SCAN = 50_000_000  # voxels


def write_files(data: ExportData, report: Report) -> None:
    """Measurements and surfaces, then each file but those that complete the case.

    The picture is drawn by another process in the meantime, of a large scan before: both at a time need
    more memory than either. Raises PipelineError ``export.*``, OSError.
    """
    with data.watch.time("statistics"):
        data.measured = measure(data.found.segmentation, data.found.volume, Portion(report, 0.0, 0.09))
    _cut_slices(data, Portion(report, 0.09, 0.1))
    _make_surfaces(data, Portion(report, 0.1, 0.55))
    shot = _begin_picture(data)
    try:
        if _is_large(data):
            report.progress(0.55, "drawing the picture")
            _finish_picture(data, shot, report)
            shot = None
        _write_all(data, data.requested(result_formats.FILES), Portion(report, 0.55, 0.9))
        report.progress(0.9, "drawing the picture")
        _finish_picture(data, shot, report)
        shot = None
    finally:
        if shot is not None:
            shot.abandon()
    _write_all(data, data.requested(result_formats.OVERVIEW), Portion(report, 0.97, 1.0))


def complete_case(data: ExportData, report: Report) -> None:
    """The files that say that the case is complete. Raises OSError."""
    _write_all(data, data.requested(result_formats.COMPLETION), report)


def seal(kind: str, path: Path) -> Output:
    """Sync a finished result file and say what it is."""
    fsync_file(path)
    return Output(kind, path.name, path.stat().st_size, sha256(path))


def _write_all(data: ExportData, rows: list[result_formats.ResultFormat], report: Report) -> None:
    files = [(row, ending) for row in rows for ending in row.endings]
    for number, (row, ending) in enumerate(files):
        part = Portion(report, number / len(files), (number + 1) / len(files))
        path = data.case.file(ending)
        part.progress(0.0, f"writing {path.name}")
        with data.watch.time(row.kind):
            try:
                load(row).write(path, data, part)
            except NotWritten:
                continue
            data.result.outputs.append(seal(row.kind, path))
        part.check()


def _make_surfaces(data: ExportData, report: Report) -> None:
    options, segmentation = data.case.options, data.found.segmentation
    large = _is_large(data)
    scan = _scan_to_follow(data)
    data.found.volume = None  # surfaces of a large scan need much memory, and only they need the scan
    # Clearing the same pages again for each step took a quarter of the time of a large scan.
    with data.watch.time("surfaces"), heap.keeping_freed() if large else nullcontext():
        data.budget = Budget(options["max_triangles"], options["min_piece_ml"])
        data.surfaces = make_surfaces(
            segmentation, options["detail"], options["smoothing"], report, data.budget, scan
        )
    if not data.surfaces:
        raise PipelineError("export.empty", f"{data.case.label}: no structure has a surface")
    known = {warning["message"] for warning in data.result.warnings}
    data.result.warnings += [w for w in segmentation.warnings if w["message"] not in known]


def _scan_to_follow(data: ExportData) -> Scan | None:
    volume, ranges = data.found.volume, data.found.intensity_ranges
    if volume is None or not ranges or volume.grid != data.found.segmentation.grid:
        return None
    return Scan(volume.array, ranges)


def _is_large(data: ExportData) -> bool:
    return data.found.segmentation.layers[0].size > LARGE_SCAN


def _cut_slices(data: ExportData, report: Report) -> None:
    """The slices of the picture, where a format needs it."""
    if not any(result_formats.BY_KIND[kind].picture for kind in data.case.options["formats"]):
        return
    report.progress(0.0, "cutting slices for the picture")
    found = data.found
    with data.watch.time("picture"):
        data.sections = make_sections(found.segmentation, data.measured, found.volume, found.modality)


def _begin_picture(data: ExportData) -> Shot | None:
    if data.sections is None:
        return None
    work = data.case.work
    with data.watch.time("picture"):
        return begin_picture(work / "picture.png", data.surfaces, data.sections, work)


def _finish_picture(data: ExportData, shot: Shot | None, report: Report) -> None:
    """Wait for ``shot``, if one is under way. A case without its picture is good: it gets a warning."""
    if shot is None:
        return
    with data.watch.time("picture"):
        problem = shot.wait(report)
    if _is_large(data):
        close_painter()  # it would keep its half gigabyte while the files are checked
    if problem:
        data.warn("picture.not_drawn", problem)
    else:
        data.picture = shot.path
