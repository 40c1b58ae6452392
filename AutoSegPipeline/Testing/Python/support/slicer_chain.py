"""Inside a real Slicer with a window: one scan by TotalSegmentator's extension and OpenAnatomy's exporter.

    Slicer --python-script slicer_chain.py FACTS.json HOME SCAN ENDING MOMENT

At MOMENT (``engine``: the extension's program has said something; ``exporter``: OpenAnatomy is between two
structures; ``none``) ENDING happens: ``nothing``, ``cancel``, ``clear`` (a script closes the scene),
``reload`` (of the module), ``quit``, ``window`` (the main window is closed), or ``hold``: the facts so far
are written, and whoever started this kills Slicer. ENDING ``next`` queues nothing: a later start that finds
what is left.
Facts are written as the job goes on; when every job has ended, Slicer quits.
"""

from __future__ import annotations

import json
import os
import sys
import sysconfig
import time
from pathlib import Path
from typing import Any

import qt
import slicer

OPTIONS: dict[str, Any] = {
    "engine": "slicer",
    "exporter": "openanatomy",
    "quality": "fastest",
    "device": "cpu",
    "formats": "gltf,seg",
    "detail": 0.5,
}
SECONDS = 600


class Chain:
    """Watches the pipeline of this Slicer from a timer, as a user would from the panel."""

    def __init__(self, facts: Path, home: Path, scan: Path, ending: str, moment: str) -> None:
        from AutoSegPipelineLib.slicer_app import shared_session

        self.file, self.ending, self.moment = facts, ending, moment
        self.facts: dict[str, Any] = {"ended_by_itself": False, "errors": []}
        self.done = ending in ("nothing", "next")
        self.until = time.monotonic() + SECONDS
        shared_session.use_home(home)
        slicer.util.errorDisplay = lambda text, *_, **__: self.facts["errors"].append(str(text))
        slicer.util.selectModule("AutoSegPipeline")
        self.widget = slicer.modules.autosegpipeline.widgetRepresentation().self()
        self.logic = self.widget.logic
        self.scan = scan
        self.job: Any = None
        self.before = self.scene()
        if ending != "next":
            self.user_scene()
            self.before = self.scene()
            self.job = self.logic.submit(str(scan), **OPTIONS)
        else:
            self.logic.session.start()
        self.timer = qt.QTimer()
        self.timer.setInterval(50)
        self.timer.timeout.connect(self.look)
        self.timer.start()

    def user_scene(self) -> None:
        """What a user may have open."""
        import numpy

        mine = slicer.util.addVolumeFromArray(numpy.zeros((10, 11, 12), "int16"), name="Mine")
        slicer.util.setSliceViewerLayers(background=mine)

    @property
    def steps(self) -> Any:
        return self.logic.session.host._steps

    def scene(self) -> list[str]:
        """The nodes of the scene that a user loaded or an extension may leave."""
        kinds = (
            "vtkMRMLVolumeNode",
            "vtkMRMLSegmentationNode",
            "vtkMRMLModelNode",
            "vtkMRMLCommandLineModuleNode",
        )
        scene = slicer.mrmlScene
        nodes = [scene.GetNthNode(number) for number in range(scene.GetNumberOfNodes())]
        return sorted(node.GetName() or "" for node in nodes if any(node.IsA(kind) for kind in kinds))

    def look(self) -> None:
        try:
            self._look()
        except BaseException as error:  # else Slicer would wait for ever
            self.facts["errors"].append(f"{type(error).__name__}: {error}")
            self.write()
            self.timer.stop()
            slicer.util.exit(1)

    def _look(self) -> None:
        assert time.monotonic() < self.until, "nothing happens any more"
        if not self.done and self.is_moment():
            self.done = True
            self.act()
        jobs = self.logic.jobs() if self.logic.session.state == "running" else []
        if jobs and all(job.ended for job in jobs) and self.done and not self.steps.running:
            self.timer.stop()
            self.facts.update(
                ended_by_itself=True,
                jobs=[
                    {
                        "state": job.state,
                        "error": (job.error or {}).get("code"),
                        "attempts": job.attempt,
                        "warnings": sorted({str(one["code"]) for one in job.warnings}),
                    }
                    for job in jobs
                ],
                outputs=[sorted(self.logic.results(job)) if job.state == "done" else [] for job in jobs],
                scene_as_before=self.scene() == self.before,
                scene=self.scene(),
                allowed=self.closing_allowed(),
                window=bool(slicer.util.mainWindow().visible),
            )
            if self.ending == "reload":
                self.reload()
                self.facts["after_reload"] = slicer.modules.AutoSegPipelineWidget.logic.session.state
            self.write()
            slicer.util.exit(0)

    def is_moment(self) -> bool:
        steps = self.steps
        if steps is None or not steps.running:
            return False
        if self.moment == "engine":
            return steps._reader is not None and bool(steps._reader.tail)
        return "OpenAnatomy" in steps.busy()

    def closing_allowed(self) -> bool:
        window = slicer.util.mainWindow()
        return bool(slicer.util.findChild(window, "FileCloseSceneAction").enabled)

    def act(self) -> None:
        from AutoSegPipelineLib.core.process_table import members, process_table

        table = process_table()
        self.facts["pids"] = sorted(members(table, [os.getpid()], []) - {os.getpid()})
        self.facts["pid"] = os.getpid()
        self.facts["closing_allowed_meanwhile"] = self.closing_allowed()
        self.write()
        if self.ending == "cancel":
            self.logic.cancel(self.job)
        elif self.ending == "clear":
            slicer.mrmlScene.Clear(0)
            self.before = self.scene()
        elif self.ending == "reload":
            self.reload()
        elif self.ending == "quit":
            slicer.util.exit(0)
        elif self.ending == "window":
            qt.QTimer.singleShot(1500, self.answer)
            slicer.util.mainWindow().close()
        elif self.ending == "hold":
            self.timer.stop()

    def reload(self) -> None:
        """As the button does; Slicer raises again what it has shown."""
        try:
            self.widget.onReload()
        except Exception as error:
            self.facts["refused"] = str(error)

    def answer(self) -> None:
        """Slicer asks whether to save what was changed: it is not saved."""
        box = slicer.app.activeModalWidget()
        for button in slicer.util.findChildren(box, className="QPushButton") if box else []:
            if "Exit" in button.text or "Discard" in button.text or "Quit" in button.text:
                self.facts["answered"] = str(button.text)
                self.write()
                button.click()
                return
        self.facts["errors"].append(f"no question that is known: {box}")
        self.write()

    def write(self) -> None:
        part = self.file.with_suffix(".part")
        part.write_text(json.dumps(self.facts), encoding="utf-8")
        os.replace(part, self.file)


def main(arguments: list[str]) -> None:
    facts, home, scan, ending, moment = arguments
    scripts = os.environ.get("AUTOSEG_TEST_SLICER_SCRIPTS")
    if scripts:  # a Slicer that keeps its programs elsewhere than where its Python says
        real = sysconfig.get_path
        sysconfig.get_path = lambda name, *more, **how: (
            scripts if name == "scripts" else real(name, *more, **how)
        )
    slicer.chain = Chain(Path(facts), Path(home), Path(scan), ending, moment)


main(sys.argv[1:])
