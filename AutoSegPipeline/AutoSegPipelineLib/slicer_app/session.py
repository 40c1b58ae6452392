"""The one pipeline of a Slicer process, started when it is first needed."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import slicer

from ..core.errors import PipelineError
from ..core.events import Event, JobChanged
from ..core.files import remove_tree
from ..core.home import default_root
from ..core.job import Job
from ..core.states import RECEIVING
from ..runtime.api import AutoSeg, Progress

_shared: Session | None = None
_chosen: Path | None = None


def shared() -> Session:
    """The session of this Slicer, made at the first call; it ends when Slicer quits."""
    global _shared
    if _shared is None:
        _shared = Session(_chosen)
        # Without a main window too, and whether or not the module's panel was ever built.
        slicer.app.aboutToQuit.connect(stop)
    return _shared


def stop() -> None:
    """End the pipeline: running cases go back to its queue. Again is fine."""
    global _shared
    ended, _shared = _shared, None
    if ended is not None:
        ended.stop()


def use_home(home: Path | None) -> None:
    """Where the session's home is to be, ``None`` for :func:`default_home`; before its first call.

    Raises ``request.invalid`` while a session has another home: stop it first.
    """
    global _chosen
    if _shared is not None:
        raise PipelineError("request.invalid", "the pipeline of this Slicer is running; stop it first")
    _chosen = home


def default_home() -> Path:
    """Slicer's own home beside the headless one, so that both can run at the same time."""
    return default_root().with_name("AutoSegPipeline-Slicer")


class Session:
    """Starts a pipeline on Slicer's event loop and hands volume nodes to it."""

    def __init__(self, home: Path | None = None) -> None:
        self._home = home or default_home()
        self._autoseg: AutoSeg | None = None
        self._exported: dict[str, Path] = {}

    @property
    def autoseg(self) -> AutoSeg:
        """The running pipeline; starts it. Raises ``environment.locked`` when another has the home."""
        if self._autoseg is None:
            autoseg = AutoSeg(self._home, what=f"Slicer {slicer.app.applicationVersion}")
            autoseg.start()
            autoseg.pipeline.bus.subscribe(self._on_event)
            self._autoseg = autoseg
        return self._autoseg

    def submit(self, source: Any, *, name: str = "", **options: Any) -> Job:
        """Take a path or a volume node of the scene; neither is changed.

        Raises ``input.missing`` for a path that is not there, and
        ``request.invalid`` for a node that is no scalar volume.
        """
        if isinstance(source, (str, os.PathLike)):
            return self.autoseg.submit(Path(os.fspath(source)), name=name, **options)
        path = self._export(source)
        try:
            job = self.autoseg.submit(path, name=name, **options)
        except BaseException:
            remove_tree(path.parent)
            raise
        self._exported[job.id] = path.parent
        return job

    def _export(self, node: Any) -> Path:
        if not (hasattr(node, "IsA") and node.IsA("vtkMRMLScalarVolumeNode")):
            raise PipelineError("request.invalid", f"{node!r} is neither a path nor a scalar volume node")
        folder = Path(tempfile.mkdtemp(prefix="autoseg-", dir=slicer.app.temporaryPath))
        label = "".join(c if c.isalnum() or c in " -_." else "_" for c in node.GetName()) or "Volume"
        path = folder / f"{label}.nrrd"
        # exportNode leaves the node's own storage as it is: the scene does not become "modified".
        # A node that was never saved, however, gets an empty one.
        had_storage = node.GetStorageNode() is not None
        saved = slicer.util.exportNode(node, str(path), {"useCompression": 0}, world=True)
        if not had_storage and node.GetStorageNode() is not None:
            slicer.mrmlScene.RemoveNode(node.GetStorageNode())
        if not saved or not path.exists():
            remove_tree(folder)
            raise PipelineError("request.invalid", f"Slicer could not save the volume {node.GetName()}")
        return path

    def _on_event(self, event: Event) -> None:
        """Once the pipeline has its own copy, the export goes."""
        if isinstance(event, JobChanged) and event.state != RECEIVING:
            folder = self._exported.pop(event.job_id, None)
            if folder is not None:
                remove_tree(folder)

    def wait(self, job: Job | str, timeout: float | None = None, progress: Progress | None = None) -> Job:
        """Serve Slicer's events until the job has ended."""
        return self.autoseg.wait(job, timeout, progress)

    def stop(self) -> None:
        """End the pipeline and its processes."""
        ended, self._autoseg = self._autoseg, None
        if ended is not None:
            ended.stop()
        for folder in self._exported.values():
            remove_tree(folder)
        self._exported.clear()
