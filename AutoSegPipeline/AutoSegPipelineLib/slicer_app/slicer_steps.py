"""What Slicer does of a case by itself: TotalSegmentator's and OpenAnatomy's logic, in its scene.

The one exception to "the Qt thread is never held": both extensions read, write and
compute in it. Between that, and whenever they wait for a process, Slicer stays alive.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
from pathlib import Path
from typing import Any, Callable, Mapping

import slicer

from ..core.engine_list import host_engine
from ..core.errors import Cancelled, EngineFailed, PipelineError
from ..core.messages.worker_messages import CaseOrder, EngineRow, TaskRow
from ..core.progress import Report
from ..runtime import qt
from ..runtime.processes.host_steps import Exported
from . import extension_calls as calls
from . import extensions
from .case_nodes import name_apart, read_scan, read_segmentation, write_segmentation
from .console_process import Reader
from .scene_guard import SceneGuard

log = logging.getLogger(__name__)
_SAVED = "Saved in "  # nnU-Net may hang after that on macOS; the extension then ends it as well
_LICENCE = "TotalSegmentator licence (free for non-commercial use)"


class SlicerSteps:
    """The :class:`~..runtime.processes.host_steps.HostSteps` of this Slicer; tests replace ``make_...``."""

    def __init__(
        self,
        make_segmenter: Callable[[], Any] | None = None,
        make_exporter: Callable[[], Any] | None = None,
    ) -> None:
        self._make_segmenter = make_segmenter or _segmenter
        self._make_exporter = make_exporter or _exporter
        self._reader: Reader | None = None
        self._stopped = False
        self._what = ""
        self._scene_closed = False

    @property
    def running(self) -> bool:
        """Whether an extension works for the pipeline now."""
        return bool(self._what)

    def busy(self) -> str:
        """Why nothing else may begin now, for reloads and the like; empty when it may."""
        return f"Slicer itself is at it: {self._what}; wait, or cancel the job first" if self._what else ""

    # --- what there is -----------------------------------------------------------------------

    def describe(self, others: list[EngineRow]) -> list[EngineRow]:
        """The engine ``slicer`` with the extension's tasks; structures' names come from the package."""
        lack = extensions.missing_for(engine=True, exporter=False)
        tasks: list[TaskRow] = []
        if extensions.has_module("TotalSegmentator"):
            classes = {
                task["name"]: task["classes"]
                for engine in others if engine["name"] == "totalsegmentator" for task in engine["tasks"]
            }  # fmt: skip
            table = self._make_segmenter().tasks
            tasks = [_task(name, table[name], classes.get(name, []), name == "total") for name in table]
        return [
            {
                "name": "slicer",
                "title": "TotalSegmentator extension of this Slicer",
                "version": extensions.version_of("TotalSegmentator") or slicer.app.applicationVersion,
                "ok": lack is None,
                "missing": [] if lack is None else [lack.message],
                "note": "" if lack is None else lack.hint,
                "tasks": tasks,
            }
        ]

    def refusal(self, options: Mapping[str, object]) -> PipelineError | None:
        """See :class:`~..runtime.processes.host_steps.HostSteps`."""
        engine = host_engine(options) == "slicer"
        lack = extensions.missing_for(engine, options.get("exporter") == "openanatomy")
        if lack is None and engine:
            try:
                calls.wants_cpu(options)
            except PipelineError as error:
                return error
        return lack

    def stop(self) -> None:
        """See :class:`~..runtime.processes.host_steps.HostSteps`."""
        self._stopped = True
        if self._reader is not None:
            self._reader.stop()

    # --- the engine ----------------------------------------------------------------------------

    def segment(
        self, case: CaseOrder, target: Path, report: Report, started: Callable[[int], None]
    ) -> dict[str, object]:
        """See :class:`~..runtime.processes.host_steps.HostSteps`."""
        options = case.options
        modality = str(options.get("modality") or case.modality or "")
        logic = self._make_segmenter()
        task, switched = calls.choose_task(logic.tasks, options, modality)
        request: dict[str, Any] = {
            "quality": str(options.get("quality") or "normal"),
            "cpu": calls.wants_cpu(options),
            "task": task,
            "subset": calls.subset_of(task, options),
        }
        temporary = _temporary_folder(case)
        report.stage("preparing", "Slicer reads the scan")
        self._begin(f"TotalSegmentator's extension segments {case.label}")
        try:
            with SceneGuard(self._close, "the TotalSegmentator extension works in it", temporary) as guard:
                volume = read_scan(guard, case)
                segmentation = guard.add("vtkMRMLSegmentationNode", "AutoSeg Pipeline segmentation")
                guard.item_of(volume)
                guard.item_of(segmentation)
                report.stage("segmenting", "TotalSegmentator extension in Slicer")
                course = calls.Course(calls.networks_of(task, request["quality"]))
                logic.logCallback = lambda text: report.log(str(text))
                logic.logProcessOutput = self._follow(guard, report, course, started)
                used = calls.used_of(logic.process, request)
                sentences = calls.call_process(logic.process, volume, segmentation, request)
                report.progress(0.98, "Slicer writes the segmentation")
                self._check()
                write_segmentation(segmentation, target)
        finally:
            self._end()
            shutil.rmtree(temporary, ignore_errors=True)  # a failed extension does not tidy up
        warnings = [{"code": "engine.task_switched", "message": switched}] if switched else []
        warnings += [{"code": "engine.extension_limits", "message": sentence} for sentence in sentences]
        return {
            "engine": "slicer",
            "engine_version": extensions.version_of("TotalSegmentator") or slicer.app.applicationVersion,
            "modality": modality or calls.modality_of(task, logic.tasks[task]),
            "used": {**used, "device": "cpu"} if course.without_gpu else used,
            "warnings": warnings,
        }

    def _follow(
        self,
        guard: SceneGuard,
        report: Report,
        course: calls.Course,
        started: Callable[[int], None],
    ) -> Callable[..., str | None]:
        """What replaces the logic's own reading, which would freeze Slicer between two lines."""

        def heard(line: str) -> None:
            report.log(line)
            fraction = course.hear(line)
            if fraction is not None:
                report.progress(fraction, "TotalSegmentator extension in Slicer")

        def log_process_output(process: subprocess.Popen[str], returnOutput: bool = False) -> str | None:
            started(process.pid)
            lines: list[str] = []

            def take(line: str) -> None:
                lines.append(line)
                heard(line)
                if _hangs_after_saving() and _SAVED in line:
                    reader.content()

            reader = self._reader = Reader(process, take)
            if self._stopped:
                reader.stop()
            try:
                with guard.away():
                    code = reader.wait()
            except Cancelled:
                self._check()  # there may be more to say
                raise
            finally:
                self._reader = None
            self._check()
            if code:
                raise calls.translate(code, reader.tail)
            return "\n".join(lines) if returnOutput else None

        return log_process_output

    # --- the exporter --------------------------------------------------------------------------

    def export(self, case: CaseOrder, segmented: Path, folder: Path, report: Report) -> Exported:
        """See :class:`~..runtime.processes.host_steps.HostSteps`."""
        logic = self._make_exporter()
        detail = case.options.get("detail")
        share = detail if isinstance(detail, (int, float)) and detail else 0.1
        reduction = min(max(1.0 - share, 0.0), 0.99)
        report.stage("exporting", "OpenAnatomy Export in Slicer")
        temporary = _temporary_folder(case)
        self._begin(f"OpenAnatomy Export writes {case.label}")
        try:
            with SceneGuard(self._close, "OpenAnatomy Export works in it", temporary) as guard:
                slicer.app.pauseRender()
                try:
                    node = guard.add("vtkMRMLSegmentationNode", case.stem)
                    item = guard.item_of(node)
                    read_segmentation(node, segmented)
                    models = calls.Models(name_apart(node))
                    logic.logCallback = self._narrator(guard, report, models)
                    calls.call_export(logic.exportModel, item, str(folder), reduction)
                    self._check()
                finally:
                    slicer.app.resumeRender()
        finally:
            self._end()
            shutil.rmtree(temporary, ignore_errors=True)  # the decimation leaves a file of each structure
        written = sorted(folder.glob("*.gltf"))
        if len(written) != 1:
            raise EngineFailed(
                "engine.failed", f"OpenAnatomy Export wrote {len(written)} .gltf files, not one"
            )
        return Exported(written[0], tuple(models.left_out))

    def _narrator(self, guard: SceneGuard, report: Report, models: calls.Models) -> Callable[[str], None]:
        """Called between two structures: the moment for everybody else, and to be stopped."""
        window = slicer.util.mainWindow()
        shown = window is not None and bool(window.visible)

        def heard(text: str) -> None:
            models.hear(str(text))
            report.log(str(text))
            with guard.away():
                report.progress(models.fraction, f"OpenAnatomy Export: {text}"[:200])
                slicer.app.processEvents()
                quits = qt.quitting()
            self._check()
            if shown and not window.visible and not quits:
                # Qt may miss that its last window was closed while code serves events; Slicer would stay.
                quits = True
                qt.single_shot(0, lambda: slicer.util.quit())
            if quits:
                raise Cancelled()  # else Slicer would stay until the last structure

        return heard

    # --- beginning and end -----------------------------------------------------------------------

    def _begin(self, what: str) -> None:
        if self._what:
            raise PipelineError("request.wrong_state", self.busy())
        self._what, self._stopped, self._scene_closed = what, False, False

    def _end(self) -> None:
        self._what = ""

    def _close(self) -> None:
        self._scene_closed = True
        self.stop()

    def _check(self) -> None:
        if self._scene_closed:
            raise EngineFailed(
                "engine.failed", "the scene was closed while Slicer worked in it", "Try again."
            )
        if self._stopped:
            raise Cancelled()


def _segmenter() -> Any:
    from TotalSegmentator import TotalSegmentatorLogic

    return TotalSegmentatorLogic()


def _exporter() -> Any:
    from OpenAnatomyExport import OpenAnatomyExportLogic

    return OpenAnatomyExportLogic()


def _hangs_after_saving() -> bool:
    import sys

    return sys.platform == "darwin"


def _temporary_folder(case: CaseOrder) -> Path:
    return Path(case.work) / "slicer"


def _task(name: str, task: dict[str, object], classes: list[str], default: bool) -> TaskRow:
    return {
        "name": name,
        "title": str(task.get("title") or task.get("label") or name),
        "modality": calls.modality_of(name, task),
        "classes": list(classes),
        "qualities": list(calls.qualities_of(task)),
        "licence": _LICENCE if task.get("requiresLicense") else "",
        "default": default,
    }
