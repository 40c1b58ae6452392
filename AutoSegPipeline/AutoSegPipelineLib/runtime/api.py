"""The Python API, the same in Slicer's console and in plain Python.

>>> job = segment_file("scan.nii.gz", "results", engine="tissue")        # one call
>>> with AutoSeg("~/autoseg") as autoseg:                                # or a home of your own
...     job = autoseg.wait(autoseg.submit("scan.nii.gz", quality="fast"))
...     autoseg.results(job)["gltf"]

Everything runs on the calling thread's Qt loop; :meth:`AutoSeg.wait` runs that
loop, so a window stays alive meanwhile.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Any, Callable

from ..core import specs
from ..core.clock import Clock, SystemClock
from ..core.errors import PipelineError
from ..core.events import Event, JobChanged
from ..core.home import Home, default_root, discard, throw_away_home
from ..core.job import Job
from ..core.settings import Settings, settings_of
from ..core.task_labels import resolve_labels
from . import qt
from .pipeline import Pipeline
from .processes.host_steps import HostSteps
from .wiring import make_pipeline

Progress = Callable[[Job], None]


class AutoSeg:
    """A pipeline in this process. ``settings`` are names of the table of settings; what is not
    given comes from ``AUTOSEG_*``, the home's ``settings.json`` or the defaults. Nothing is watched
    unless ``watch=True``, and no web page served unless ``web=True``.

    Raises ``environment.locked`` when another pipeline has the home. Used as a
    context manager it starts and stops by itself.
    """

    def __init__(
        self,
        home: str | Path | None = None,
        *,
        inbox: str | Path | None = None,
        results: str | Path | None = None,
        state: str | Path | None = None,
        what: str = "Python API",
        host_steps: HostSteps | None = None,
        **settings: Any,
    ) -> None:
        def path(given: str | Path | None) -> Path | None:
            return None if given is None else Path(given)

        where = Home.at(path(home) or default_root(), path(inbox), path(results), path(state))
        resolved = settings_of(where, {"watch": False, **settings}, os.environ)
        self._build(where, what, resolved, host_steps)

    @classmethod
    def throw_away(cls, output_folder: str | Path, *, door: str = "run", **settings: Any) -> AutoSeg:
        """A private home that is gone after :meth:`stop`; results go to ``output_folder``."""
        out = Path(output_folder).expanduser().absolute()
        out.mkdir(parents=True, exist_ok=True)
        autoseg = cls.__new__(cls)
        home = throw_away_home(out)
        try:
            own = str(Home.at(default_root()).engines_file)
            given = {"watch": False, "cache_mb": 0, "engines_file": own, **settings}
            autoseg._build(home, door, Settings.defaults(**given))
        except BaseException:
            discard(home)
            raise
        autoseg._throw_away, autoseg._door = True, door
        return autoseg

    def _build(self, home: Home, what: str, settings: Settings, host_steps: HostSteps | None = None) -> None:
        self.application = qt.application()
        self.home = home
        self.settings = settings
        # The page is served where somebody asked for it, not because that is the command line's default.
        web = settings["web"] and settings.origins["web"] != "default"
        self.pipeline: Pipeline = make_pipeline(
            home, self.settings, what=what, web=web, host_steps=host_steps
        )
        self._throw_away = False
        self._door = "console"

    def start(self) -> AutoSeg:
        """Take the home and begin; returns itself."""
        self.pipeline.start()
        self._run_until(lambda: self.pipeline.ready or self.pipeline.stopped)
        if self.pipeline.failure is not None:
            raise self.pipeline.failure
        return self

    def stop(self) -> None:
        """End: running cases go back to the queue; returns when every child process is gone."""
        done: list[bool] = []
        self.pipeline.stop(lambda: done.append(True))
        self._run_until(lambda: bool(done))
        if self._throw_away:
            discard(self.home)

    def __enter__(self) -> AutoSeg:
        try:
            return self.start()
        except BaseException:
            if self._throw_away:
                discard(self.home)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # --- jobs -----------------------------------------------------------------------------

    def submit(self, path: str | Path, *, name: str = "", by: str = "", **options: Any) -> Job:
        """Take a copy of the scan, DICOM folder or archive at ``path``; options as in the README.

        Raises :class:`~..core.errors.PipelineError` for a missing path or a wrong option.
        """
        return self.pipeline.commands.submit(path, options, door=self._door, name=name, by=by)

    def export(
        self, path: str | Path, *, labels: str | Path | None = None, name: str = "", **options: Any
    ) -> Job:
        """An existing segmentation to the result formats.

        ``labels`` is a table ``value,name[,color]`` or a task of TotalSegmentator.
        Raises ``export.no_table``.
        """
        table = None if labels is None else resolve_labels(labels)
        about = {"door": self._door, "name": name, "expect": "segmentation", "labels": table}
        return self.pipeline.commands.submit(path, options, **about)

    def job(self, job: Job | str) -> Job:
        """What the store says now; an id may be cut to a unique beginning."""
        return self.pipeline.store.jobs.get(job if isinstance(job, str) else job.id)

    def jobs(self) -> list[Job]:
        """Every job, the oldest first."""
        return self.pipeline.store.jobs.list()

    def wait(self, job: Job | str, timeout: float | None = None, progress: Progress | None = None) -> Job:
        """Run the loop until the job, and every scan found in the same input, has ended.

        ``progress(job)`` is called at each change. Raises ``TimeoutError`` after
        ``timeout`` seconds; the job goes on.
        """
        found = self.job(job)
        job_id, host = found.id, self.pipeline.host_steps
        if host is not None and host.running and not found.ended:
            # This loop would lie on top of the host's, which could not come back before it.
            raise PipelineError(
                "request.wrong_state",
                "Slicer itself computes a case now; nothing can be waited for meanwhile",
            )

        def family() -> list[Job]:
            return [self.job(job_id), *self.pipeline.store.jobs.children(job_id)]

        def listen(event: Event) -> None:
            if progress is not None and isinstance(event, JobChanged):
                changed = self.pipeline.store.jobs.find(event.job_id)
                if changed is not None and job_id in (changed.id, changed.parent):
                    changed.progress, changed.message = event.progress, event.message
                    progress(changed)

        unsubscribe = self.pipeline.bus.subscribe(listen)
        try:
            if not self._run_until(lambda: all(one.ended for one in family()), timeout):
                raise TimeoutError(f"job {job_id} has not ended after {timeout:g} s")
        finally:
            unsubscribe()
        return self.job(job_id)

    def family(self, job: Job | str) -> list[Job]:
        """The job and those that came out of the same archive or folder."""
        found = self.job(job)
        return [found, *self.pipeline.store.jobs.children(found.id)]

    def results(self, job: Job | str) -> dict[str, Path]:
        """Path of each result file by its ending without the dot: ``gltf``, ``statistics.csv`` ..."""
        found = self.job(job)
        folder = Path(found.out) if found.out else self.home.results
        names = [str(output["name"]) for output in found.outputs]
        return {name[len(found.name) + 1 :]: folder / name for name in names}

    def cancel(self, job: Job | str) -> Job:
        """Stop a job that has not ended."""
        return self.pipeline.commands.cancel(self.job(job).id)

    def retry(self, job: Job | str) -> Job:
        """Run an ended job again; raises ``input.missing`` when its input was purged."""
        found = self.job(job)
        heard: list[PipelineError | None] = []
        self.pipeline.commands.retry(found.id, heard.append)
        self._run_until(lambda: bool(heard))
        if heard[0] is not None:
            raise heard[0]
        return self.job(found.id)

    def review(self, job: Job | str, mark: str = "", remark: str = "", by: str = "") -> Job:
        """Keep what ``by`` thinks of an ended job: ``mark`` is ``good``, ``bad`` or empty."""
        return self.pipeline.commands.review(self.job(job).id, mark, remark, by)

    def purge(self, job: Job | str) -> None:
        """Remove every trace of one ended case."""
        self.pipeline.commands.purge(self.job(job).id)

    def _run_until(self, done: Callable[[], bool], timeout: float | None = None) -> bool:
        """Serve events until ``done()``; False when ``timeout`` seconds passed before."""
        clock: Clock = SystemClock()
        until = None if timeout is None else clock.monotonic() + timeout
        loop = qt.QEventLoop()
        late: list[bool] = []

        def look() -> None:
            if done():
                loop.quit()
            elif until is not None and clock.monotonic() >= until:
                late.append(True)
                loop.quit()

        if done():
            return True
        timer = qt.make_timer(10, look)
        qt.run_loop(loop)
        timer.stop()
        return not late


def segment_file(
    path: str | Path,
    output_folder: str | Path,
    *,
    progress: Progress | None = None,
    timeout: float | None = None,
    **options: Any,
) -> Job:
    """Segment one scan and write its results into ``output_folder``; works while a pipeline runs.

    ``options`` are case options (``engine``, ``quality``, ``formats`` ...) or
    settings. The answer says in ``state`` and ``error`` how it ended; its
    ``outputs`` are files of ``output_folder``. A folder or archive with several
    scans writes all of them; the answer is the first.
    """
    settings = {name: value for name, value in options.items() if not specs.find(name, "segment_file").option}
    case = {name: value for name, value in options.items() if name not in settings}
    with AutoSeg.throw_away(output_folder, **settings) as autoseg:
        return autoseg.wait(autoseg.submit(path, **case), timeout, progress)
