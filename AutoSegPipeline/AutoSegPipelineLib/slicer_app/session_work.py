"""What a session does while it runs: jobs and web servers."""

from __future__ import annotations

import logging
import os
import tempfile
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.commands import Command, Retry
from ..core.errors import PipelineError
from ..core.events import Event, JobChanged
from ..core.files import remove_tree
from ..core.job import Job
from ..core.states import RECEIVING
from ..runtime.api import AutoSeg, Progress
from ..runtime.commands import Outcome
from .faults import Faults
from .host import Host

if TYPE_CHECKING:
    from ..core.store import Store
    from .servers import Servers

log = logging.getLogger(__name__)

STOPPED, STARTING, RUNNING, STOPPING = "stopped", "starting", "running", "stopping"


@dataclass
class Resume:
    """What a session did, for the one that follows it after a reload."""

    home: Path | None = None
    inbox: Path | None = None
    results: Path | None = None
    settings: dict[str, object] = field(default_factory=dict)
    running: bool = False
    watching: bool = False
    served: tuple[str, int | None, dict[str, object]] | None = None


class SessionWork:
    """The half of :class:`~.session.Session` that needs its pipeline."""

    host: Host
    fault: PipelineError | None
    _autoseg: AutoSeg | None

    def __init__(self) -> None:
        self._faults = Faults()
        self._exported: dict[str, Path] = {}
        self._to_add: deque[Path] = deque()
        self._servers: Servers | None = None
        self._served: tuple[str, int | None, dict[str, object]] | None = None

    @property
    def state(self) -> str:
        """See :class:`~.session.Session`."""
        raise AssertionError

    def start(self) -> None:
        """See :class:`~.session.Session`."""
        raise AssertionError

    def changed(self) -> None:
        """See :class:`~.session.Session`."""
        raise AssertionError

    @property
    def autoseg(self) -> AutoSeg:
        """The running pipeline; starts it and waits until it is ready."""
        self.start()
        autoseg = self._autoseg
        assert autoseg is not None
        pipeline = autoseg.pipeline
        autoseg._run_until(lambda: pipeline.ready or pipeline.stopped)
        if pipeline.failure is not None:
            raise pipeline.failure
        return autoseg

    @property
    def store(self) -> Store | None:
        """The running pipeline's store, or None."""
        return self._autoseg.pipeline.store if self._autoseg and self.state in (STARTING, RUNNING) else None

    def add(self, paths: list[str]) -> None:
        """Queue files and folders one by one from the event loop; a failure stands in ``fault``."""
        self.start()
        self._to_add.extend(Path(path) for path in paths)
        self._goes_on()

    def _goes_on(self) -> None:
        """A person asks for the next thing: what the last one met is read."""
        self._faults.clear()
        self.fault = None
        self.changed()

    def _add_one(self) -> None:
        path = self._to_add.popleft()
        try:
            assert self._autoseg is not None
            self._autoseg.submit(path)
        except PipelineError as error:
            self.fault = self._faults.add(error)
            log.error("%s", error.code)
            self.changed()

    def submit(self, source: object, *, name: str = "", **options: Any) -> Job:
        """Take a path or a volume node of the scene; neither is changed.

        Raises ``input.missing`` for a path that is not there, and
        ``request.invalid`` for a node that is no scalar volume.
        """
        if isinstance(source, (str, os.PathLike)):
            return self.autoseg.submit(Path(os.fspath(source)), name=name, **options)
        if not self.host.is_volume(source):
            raise PipelineError("request.invalid", f"{source!r} is neither a path nor a scalar volume node")
        folder = Path(tempfile.mkdtemp(prefix="autoseg-", dir=self.host.temporary_folder()))
        try:
            job = self.autoseg.submit(self.host.export_volume(source, folder), name=name, **options)
        except BaseException:
            remove_tree(folder)
            raise
        self._exported[job.id] = folder
        return job

    def send_current_volume(self) -> Job:
        """:meth:`submit` the volume that the slice views show; ``request.invalid`` where they show none."""
        node = self.host.current_volume()
        if node is None:
            hint = "Show the scan in the slice views first."
            raise PipelineError("request.invalid", "no volume is shown", hint)
        return self.submit(node)

    def _on_event(self, event: Event) -> None:
        """Once the pipeline has its own copy, the export goes."""
        if isinstance(event, JobChanged) and event.state != RECEIVING:
            folder = self._exported.pop(event.job_id, None)
            if folder is not None:
                remove_tree(folder)

    def ask(self, command: Command) -> None:
        """Have the pipeline do a command of the table; what it answers later stands in ``fault``.

        Raises what the pipeline refuses at once.
        """
        self._goes_on()
        self.autoseg.pipeline.commands.perform(command, self._answered)

    def _answered(self, outcome: Outcome) -> None:
        if isinstance(outcome, PipelineError):
            self.fault = self._faults.add(outcome)
            self.changed()

    def cancel(self, job: Job | str) -> Job:
        """Stop a job that has not ended."""
        return self.autoseg.cancel(job)

    def retry(self, job: Job | str) -> None:
        """Run an ended job again; returns at once, what it meets stands in ``fault``."""
        self.ask(Retry(self.autoseg.job(job).id))

    def review(self, job: Job | str, mark: str = "", remark: str = "", by: str = "") -> Job:
        """Keep what ``by`` thinks of an ended job: ``mark`` is ``good``, ``bad`` or empty."""
        return self.autoseg.review(job, mark, remark, by)

    def purge(self, job: Job | str) -> None:
        """Remove every trace of one ended case."""
        self.autoseg.purge(job)

    def wait(self, job: Job | str, timeout: float | None = None, progress: Progress | None = None) -> Job:
        """Serve the application's events until the job has ended."""
        return self.autoseg.wait(job, timeout, progress)

    # --- web servers ------------------------------------------------------------------------------

    @property
    def servers(self) -> Servers:
        """The web servers of this session, see :mod:`.servers`."""
        if self._servers is None:
            from .servers import Servers

            self._servers = Servers(lambda: self.autoseg, self._running)
        return self._servers

    def _running(self) -> AutoSeg | None:
        return self._autoseg if self.state == RUNNING else None

    @property
    def _has_server(self) -> bool:
        """Asked before :attr:`servers`, whose first import takes a moment of the main thread."""
        autoseg = self._running()
        return autoseg is not None and (self._servers is not None or autoseg.pipeline.web.wanted)

    @property
    def server_kind(self) -> str:
        """``embedded``, ``full``, or empty while none is running."""
        return self.servers.kind if self._has_server else ""

    @property
    def server_url(self) -> str:
        """Where a browser finds the server; empty while it is not (yet) there."""
        return self.servers.url if self._has_server else ""

    @property
    def server_problem(self) -> str:
        """Why there is no server although one was asked for."""
        return self.servers.problem if self._has_server else ""

    def start_server(self, kind: str = "embedded", port: int | None = None, **settings: object) -> str:
        """Start a web server and, where it does not run, the pipeline; the address, once it has one.

        Raises ``web.port_busy``, and ``request.invalid`` while accounts forbid it.
        """
        url = self.servers.start(kind, port, **settings)
        self._served = (kind, port, settings)
        self.changed()
        return url

    def stop_server(self) -> None:
        """Close the port; again is fine."""
        if self._servers is not None or self._has_server:
            self._served = None
            self.servers.stop()
            self.changed()
