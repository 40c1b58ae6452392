"""Names the concrete classes: real child processes and the system's clock."""

from __future__ import annotations

import os

from ..core import engines
from ..core.clock import SystemClock
from ..core.home import Home
from ..core.own_packages import FOLDER, usable
from ..core.settings import Settings
from ..core.slicer_python import worker_python as chosen_python
from .pipeline import Pipeline
from .processes.child import Child, ChildLike, OnEnd, OnHung, OnLog, OnMessage, Spawn, Spawns
from .processes.child_command import child_environment, command_of
from .processes.child_kinds import KINDS, WORKER, ChildKind
from .processes.host_steps import HostSteps
from .processes.host_steps_child import HostStepsChild

# Threads of a network that wait for one another sleep instead of spinning (OpenMP of GNU, LLVM, Intel; read
# when torch loads): where other programs have the processors, spinning cost up to thirty times the time.
_PATIENT = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}


def _own_threads() -> dict[str, str]:
    """What of :data:`_PATIENT` the administrator has not set otherwise."""
    return {name: value for name, value in _PATIENT.items() if name not in os.environ}


def spawner(kind: ChildKind, home: Home, settings: Settings, worker_python: str | None = None) -> Spawn:
    """What makes children of ``kind``; each finds its temporary files below ``state/work``.

    ``worker_python`` is another Python for those that run engines.
    """
    python = worker_python if kind.engines else None

    def spawn(on_message: OnMessage, on_log: OnLog, on_end: OnEnd, on_hung: OnHung | None = None) -> Child:
        folder = home.work / kind.name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        of_engines = {**_own_threads(), **engines.environment(settings.values)} if kind.engines else {}
        variables = child_environment(folder, of_engines, foreign=python is not None)
        # Another Python has packages of its own.
        wanted = kind.packages and python is None and usable(home.state / FOLDER)
        packages = home.state / FOLDER if wanted else None
        return Child(
            command_of(kind, python, packages),
            variables,
            on_message,
            on_log,
            on_end,
            SystemClock(),
            hung_seconds=settings["hung_minutes"] * 60 if kind.hangs else None,
            on_hung=on_hung,
        )

    return spawn


def real_spawns(
    home: Home, settings: Settings, worker_python: str | None = None, host_steps: HostSteps | None = None
) -> Spawns:
    """What makes each kind of child process.

    ``worker_python``, or else the settings ``worker_python`` and ``slicer``, name
    another Python for the workers. Raises ``worker.not_started`` where it is not there.
    ``host_steps`` does its part of a case in this process, before the worker.
    """
    python = worker_python or chosen_python(settings["worker_python"], settings["slicer"])
    spawns = {kind: spawner(kind, home, settings, python) for kind in KINDS}
    if host_steps is not None:
        spawns[WORKER] = _helped(spawns[WORKER], host_steps, settings)
    return spawns


def _helped(worker: Spawn, host_steps: HostSteps, settings: Settings) -> Spawn:
    """Workers that have ``host_steps`` do its part of a case."""

    def helped(
        on_message: OnMessage, on_log: OnLog, on_end: OnEnd, on_hung: OnHung | None = None
    ) -> ChildLike:
        hung_seconds = settings["hung_minutes"] * 60
        return HostStepsChild(worker, host_steps, on_message, on_log, on_end, on_hung, hung_seconds)

    return helped


def make_pipeline(
    home: Home,
    settings: Settings,
    *,
    what: str = "serve",
    worker_python: str | None = None,
    web: bool = False,
    host_steps: HostSteps | None = None,
) -> Pipeline:
    """The pipeline of ``home`` with real processes; with ``web`` it serves its page from the start.

    ``host_steps`` is what its host can do by itself.
    """
    spawns = real_spawns(home, settings, worker_python, host_steps)
    return Pipeline(home, settings, spawns, what=what, web=web, host_steps=host_steps)
