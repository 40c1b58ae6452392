"""A host that does its part of a case in the pipeline's process, for tests; see test_inside_cases."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from AutoSegPipelineLib.core.errors import Cancelled, PipelineError
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.messages.worker_messages import CaseOrder
from AutoSegPipelineLib.core.settings import Settings
from AutoSegPipelineLib.processing.read_seg_nrrd import read_seg_nrrd
from AutoSegPipelineLib.processing.surfaces import make_surfaces
from AutoSegPipelineLib.processing.writers.gltf import write_gltf
from AutoSegPipelineLib.processing.writers.seg_nrrd import write_seg_nrrd
from AutoSegPipelineLib.runtime import qt
from AutoSegPipelineLib.runtime.processes.host_steps import Exported
from AutoSegPipelineLib.runtime.wiring import make_pipeline

from support.pipeline import QUICK
from support.qt import run_until

USED = {"engine": "slicer", "task": "total:normal", "device": "gpu"}


class FakeHost:
    """A Slicer that segments by knowing the truth; ``hold`` keeps it in its nested loop."""

    def __init__(self, truth: Any = None, hold: bool = False, fault: Exception | None = None) -> None:
        self.truth, self.hold, self.fault = truth, hold, fault
        self.calls: list[str] = []
        self.most = 0
        self._now = 0
        self._loop: Any = None
        self._stopped = False
        self.pid = 0
        self.left_out: list[str] = []  # titles of the first structures, which the exporter leaves out

    @property
    def running(self) -> bool:
        return self._now > 0

    def describe(self, others: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{"name": "slicer", "title": "Slicer", "version": "5", "ok": True, "missing": [], "note": "",
                 "tasks": [{"name": "total", "modality": "CT", "default": True}]}]  # fmt: skip

    def refusal(self, options: dict[str, Any]) -> PipelineError | None:
        if options.get("task") == "gone":
            return PipelineError("engine.extension_missing", "the extension is missing")
        return None

    def segment(self, case: CaseOrder, target: Path, report: Any, started: Any) -> dict[str, Any]:
        self.calls.append("segment")
        report.stage("preparing", "reading")
        report.stage("segmenting", "Slicer")
        self._wait(report, started)
        write_seg_nrrd(target, self.truth)
        return {"engine": "slicer", "engine_version": "7", "modality": "CT", "used": USED}

    def export(self, case: CaseOrder, segmented: Path, folder: Path, report: Any) -> Exported:
        self.calls.append("export")
        report.stage("exporting", "OpenAnatomy")
        self._wait(report, None)
        surfaces = make_surfaces(read_seg_nrrd(segmented), 0.3, True)[len(self.left_out) :]
        titled = [replace(s, segment=replace(s.segment, name=s.segment.title)) for s in surfaces]
        path = folder / "any.gltf"
        write_gltf(path, titled, "scan")
        document = json.loads(path.read_text(encoding="utf-8"))
        del document["bufferViews"][0]["target"]
        path.write_text(json.dumps(document), encoding="utf-8")
        return Exported(path, tuple(self.left_out))

    def _wait(self, report: Any, started: Any) -> None:
        self._now += 1
        self.most = max(self.most, self._now)
        self._stopped = False
        try:
            if self.fault is not None:
                raise self.fault
            if started is not None:
                command = [sys.executable, "-c", "import time; time.sleep(600)"]
                child = subprocess.Popen(command)
                self.pid = child.pid
                started(child.pid)
            self._loop = qt.QEventLoop()
            report.progress(0.5, "half")
            timer = qt.make_timer(20, lambda: None if self.hold and not self._stopped else self._loop.quit())
            qt.run_loop(self._loop)
            timer.stop()
            if started is not None:
                child.kill()
                child.wait()
            if self._stopped:
                raise Cancelled()
        finally:
            self._now -= 1

    def stop(self) -> None:
        self._stopped = True


class House:
    """A pipeline in its home with a fake host."""

    def __init__(self, folder: Path, host: FakeHost | None, **settings: Any) -> None:
        self.home = Home.at(folder / "home")
        self.host = host
        self.settings = Settings.defaults(**{**QUICK, "watch": False, **settings})
        self.pipeline = make_pipeline(self.home, self.settings, what="test", host_steps=host)

    def __enter__(self) -> House:
        self.pipeline.start()
        run_until(lambda: self.pipeline.ready, 60)
        return self

    def __exit__(self, *_: object) -> None:
        self.pipeline.stop()
        run_until(lambda: self.pipeline.stopped, 60)

    def job(self, job: Any) -> Any:
        return self.pipeline.store.jobs.get(job.id)

    def ended(self, job: Any) -> Any:
        run_until(lambda: self.job(job).ended, 60)
        return self.job(job)

    def manifest(self, job: Any) -> dict[str, Any]:
        return json.loads((self.home.results / f"{job.name}.manifest.json").read_text(encoding="utf-8"))


def meanwhile(host: FakeHost, action: Any) -> Any:
    """``action()`` once, from the loop that the host serves; no test's own loop comes to an end before."""
    done: list[bool] = []

    def look() -> None:
        if host.running and not done:
            done.append(True)
            action()

    return qt.make_timer(30, look)
