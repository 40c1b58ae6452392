"""A session whose pipeline runs on another machine."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Callable, Mapping, cast

from ...core.clock import SystemClock
from ...core.commands import Command
from ...core.errors import PipelineError, from_dict
from ...core.files import remove_tree, write_json
from ...core.job import Job
from ...core.settings import Settings, read_settings_file
from ...core.specs import OPTION_NAMES
from ...core.states import RECEIVING
from ...core.store import Store
from ...runtime import qt
from ...runtime.processes.child_host import ChildHost
from ...runtime.processes.child_kinds import ChildKind, Restart
from ...runtime.wiring import spawner
from ..host import Host
from ..session import RUNNING, STARTING, STOPPED, STOPPING, Session
from .child import FETCH, LOG, NOTE, SERVER, SUBMIT
from .servers import Server

if TYPE_CHECKING:
    from ...runtime.api import AutoSeg

KIND = ChildKind(
    "remote",
    "slicer_app.remote.child",
    Restart(first_wait=0.5, longest_wait=30.0, well_seconds=60.0),
    hangs=False,
)
_LOOK_MS = 200
_THERE = "That belongs to the other machine; do it there, or choose this Slicer's own pipeline."


class RemoteSession(Session):
    """Shows and uses the jobs of ``server``; a copy of their list lies below ``state/remote``."""

    is_remote = True

    def __init__(self, host: Host, server: Server, state: Path) -> None:
        super().__init__(host, state / "remote" / server.key)
        self.server = server
        self._copy: Store | None = None
        self._child: ChildHost | None = None
        self._asked: dict[int, Callable[[dict[str, object]], None]] = {}
        self._sources: dict[str, Path] = {}  # what is being sent -> its temporary folder
        # Of our child, of the connection, of what was last asked: the first there is stands in ``fault``.
        self._troubles: dict[str, PipelineError | None] = dict.fromkeys(("child", "server", "answer"))

    # --- life -------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """As of a pipeline, of the connection to it."""
        if self._child is None:
            return STOPPED
        if not self._child.wanted:
            return STOPPING
        return RUNNING if self._child.pid and self._note() is not None else STARTING

    @property
    def watching(self) -> bool:
        """Its inbox is on the other machine."""
        return False

    @property
    def locked(self) -> dict[str, object]:
        """Nobody else has what is here: a copy."""
        return {}

    @property
    def store(self) -> Store | None:
        """The copy of the server's jobs."""
        return self._copy

    def start(self, watch: bool = False, **settings: object) -> None:
        """Connect; returns at once, what goes wrong stands in ``fault``."""
        if self._child is not None:
            return
        home = self.home
        home.create()
        write_json(home.state / SERVER, vars(self.server))
        self._copy = Store(home.store)
        self._copy.meta.set(NOTE, None)
        resolved = Settings.defaults()
        self._child = ChildHost(KIND, home, spawner(KIND, home, resolved), SystemClock(), self._noted)
        self._child.start(resolved)
        self._timer = qt.make_timer(_LOOK_MS, self._look)
        self._tell(child=None)
        self.changed()

    def _noted(self, note: dict[str, object] | None) -> None:
        self._tell(child=_error_of(note))

    def _tell(self, **found: PipelineError | None) -> None:
        """What went wrong now, or no longer does; the rest stays until it is told otherwise."""
        self._troubles.update(found)
        before, self.fault = self.fault, next(filter(None, self._troubles.values()), None)
        if (before and before.message) != (self.fault and self.fault.message):
            self.changed()

    def stop(self, wait: bool = True) -> None:
        """Disconnect; the server goes on."""
        child = self._child
        if child is None:
            return
        child.stop()
        if wait:
            loop = qt.QEventLoop()
            timer = qt.make_timer(20, lambda: loop.quit() if child.ended else None)
            if not child.ended:
                qt.run_loop(loop)
            timer.stop()
            self._gone()

    def _gone(self) -> None:
        self._child = None
        if self._timer is not None:
            self._timer.stop()
            qt.release(self._timer)
            self._timer = None
        if self._copy is not None:
            self._copy.close()
            self._copy = None
        (self.home.state / SERVER).unlink(missing_ok=True)  # it holds the token
        self._tell(server=None)
        for folder in self._sources.values():
            remove_tree(folder)
        self._sources.clear()
        self.changed()

    def _look(self) -> None:
        if self._child is not None and not self._child.wanted and self._child.ended:
            self._gone()
            return
        note = self._note()
        if note:
            self._tell(server=_error_of(note))
        self._take_answers()

    def _note(self) -> dict[str, object] | None:
        found = None if self._copy is None else self._copy.meta.get(NOTE)
        return found if isinstance(found, dict) else None

    # --- asking ------------------------------------------------------------------------------------

    def _goes_on(self) -> None:
        self._faults.clear()
        self._tell(answer=None)

    def _request(
        self, kind: str, job: str | None, args: dict[str, object], then: Callable[[dict[str, object]], None]
    ) -> None:
        self.start()
        assert self._copy is not None
        self._asked[self._copy.requests.add(kind, job, args)] = then

    def _take_answers(self) -> None:
        for number in list(self._asked):
            answer = None if self._copy is None else self._copy.requests.answer_of(number)
            if answer is None:
                continue
            then = self._asked.pop(number)
            error = _error_of(answer)
            if error is not None:
                self._tell(answer=self._faults.add(error))
            qt.guarded(then)(answer)

    def ask(self, command: Command) -> None:
        """``cancel``, ``retry`` and ``purge`` are done there; others are refused there."""
        self._goes_on()
        self._request(command.name, command.about, command.arguments(), lambda answer: None)

    def add(self, paths: list[str]) -> None:
        """Send files one after the other; a folder has to be packed first."""
        self._goes_on()
        for path in map(Path, paths):
            if path.is_dir():
                raise PipelineError(
                    "request.invalid", f"{path.name} is a folder", "Pack it into a .zip and send that."
                )
            if not path.is_file():
                raise PipelineError("input.missing", f"{path} does not exist")
            self._send(path, None)

    def submit(self, source: object, *, name: str = "", **options: Any) -> Job:
        """Send a volume node; the answer is a job that the list will show under its own id."""
        self._goes_on()
        if not self.host.is_volume(source):
            raise PipelineError("request.invalid", f"{source!r} is no scalar volume node")
        folder = Path(tempfile.mkdtemp(prefix="autoseg-", dir=self.host.temporary_folder()))
        try:
            path = self.host.export_volume(source, folder)
        except BaseException:
            remove_tree(folder)
            raise
        self._send(path, folder, **options)
        return Job(label=path.name, state=RECEIVING, door="web")

    def _send(self, path: Path, folder: Path | None, **options: object) -> None:
        written = read_settings_file(self.home.settings_file)
        chosen = {
            name: _text(value) for name, value in {**written, **options}.items() if name in OPTION_NAMES
        }

        def sent(_answer: dict[str, object]) -> None:
            if folder is not None:
                remove_tree(folder)
                self._sources.pop(str(path), None)

        if folder is not None:
            self._sources[str(path)] = folder
        self._request(SUBMIT, None, {"path": str(path), "options": chosen}, sent)

    def load(self, job_id: str, with_scan: bool) -> None:
        """Fetch the segmentation, then show it."""
        self._goes_on()

        def show(answer: dict[str, object]) -> None:
            if "error" in answer:
                return
            try:
                self.host.load_result(self, job_id, with_scan)
            except PipelineError as error:
                self._tell(answer=self._faults.add(error))

        self._request(FETCH, job_id, {}, show)

    def with_log(self, job_id: str, then: Callable[[Path], None]) -> None:
        """Fetch the log of a job, then call ``then`` with its file."""
        self._goes_on()
        path = self.home.job_log(job_id)
        self._request(LOG, job_id, {}, lambda answer: None if "error" in answer else then(path))

    # --- what the scene needs of a pipeline ------------------------------------------------------------

    @property
    def autoseg(self) -> AutoSeg:
        """Of the Python API only what loading a result asks."""
        return cast(
            "AutoSeg",
            SimpleNamespace(job=self._job, results=self._results, home=self.home, pipeline=_NO_SERIES),
        )

    def _job(self, job: Job | str) -> Job:
        if self._copy is None:
            raise PipelineError("request.no_pipeline", f"{self.server.name} is not connected")
        return self._copy.jobs.get(job if isinstance(job, str) else job.id)

    def _results(self, job: Job) -> dict[str, Path]:
        """The files that were fetched, by ending."""
        found = {}
        for output in job.outputs:
            path = self.home.results / str(output["name"])
            if path.exists():
                found[path.name[len(job.name) + 1 :]] = path
        return found

    # --- what a server does not let us do ----------------------------------------------------------

    def start_watching(self, *_places: object, **_settings: object) -> None:
        """Refused: its inbox is on the other machine."""
        raise PipelineError("request.invalid", f"{self.server.name} watches folders of its own", _THERE)

    def start_server(self, kind: str = "embedded", port: int | None = None, **settings: object) -> str:
        """Refused."""
        raise PipelineError("request.invalid", f"{self.server.name} serves its page itself", _THERE)


def _error_of(answer: Mapping[str, object] | None) -> PipelineError | None:
    error = (answer or {}).get("error")
    return from_dict(error) if isinstance(error, dict) else None


def _text(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


# The keys of DICOM series are made with a secret of the server's, so no series here matches one.
_NO_SERIES = SimpleNamespace(flow=SimpleNamespace(series_keys=SimpleNamespace(of=lambda _uid: "")))
