"""From one staged case to its verified result files."""

from __future__ import annotations

from ..core.errors import PipelineError
from ..core.files import fsync_folder
from ..core.messages.worker_messages import CaseResult
from ..core.progress import Report
from .case import Case
from .stage_progress import Portion
from .stopwatch import Stopwatch

__all__ = ["process_case"]


def process_case(case: Case, report: Report) -> CaseResult:
    """Read, segment (or take what is there), make surfaces, write, verify.

    The files named in ``case.options["formats"]`` are in ``case.out`` afterwards,
    synced and verified, the manifest written last. Raises :class:`PipelineError`
    (``Cancelled`` among them); what was written until then is left to the caller.
    """
    from .export import complete_case, write_files
    from .export_data import ExportData
    from .segment_case import segment_case
    from .verify import verify_outputs

    watch = Stopwatch()
    case.out.mkdir(parents=True, exist_ok=True)
    case.work.mkdir(parents=True, exist_ok=True)
    if case.only:
        return _only_segmentation(case, report, watch)
    with watch.time("total"):
        found = segment_case(case, report, watch)
        report.stage("exporting", "making surfaces")
        data = ExportData(case, found, watch)
        write_files(data, Portion(report, 0.0, 0.9))
        report.progress(0.9, "checking the files")
        with watch.time("verify"):
            verify_outputs(data, data.result.outputs, Portion(report, 0.9, 0.98))
    checked = len(data.result.outputs)
    complete_case(data, Portion(report, 0.98, 0.99))
    verify_outputs(data, data.result.outputs[checked:], Portion(report, 0.99, 1.0))
    fsync_folder(case.out)
    report.progress(1.0, "done")
    return data.result


def _only_segmentation(case: Case, report: Report, watch: Stopwatch) -> CaseResult:
    """As far as the ``.seg.nrrd`` that the next step, another program's, works on."""
    from .saved_segmentation import hand_over
    from .segment_case import segment_case

    if case.only != "segmentation" or case.segmented is None:
        raise PipelineError("request.invalid", f"a case cannot be done as far as {case.only!r}")
    found = segment_case(case, report, watch)
    hand_over(case, found, report, watch)
    grid = found.segmentation.grid
    return CaseResult(
        engine=found.engine, modality=found.modality, shape=grid.shape, spacing=grid.spacing,
        warnings=[], timings=watch.seconds, manifest_name="", cached=found.cached,
    )  # fmt: skip
