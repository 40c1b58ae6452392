"""Names the concrete classes: real child processes and the system's clock."""

from __future__ import annotations

import os
from typing import Any

from ..core.clock import SystemClock
from ..core.home import Home
from ..core.settings import Settings
from ..core.slicer_python import worker_python as chosen_python
from ..core.specs import BY_NAME
from .pipeline import Pipeline, Spawns
from .processes.child import (
    Child,
    ChildLike,
    child_environment,
    intake_command,
    web_command,
    worker_command,
)
from .processes.host_steps import HostSteps
from .processes.host_steps_child import HostStepsChild

# Inside Slicer the page's packages lie in this folder of `state`, so that Slicer's own stay untouched.
PACKAGES = "packages"


def real_spawns(
    home: Home, settings: Settings, worker_python: str | None = None, inside: HostSteps | None = None
) -> Spawns:
    """Factories of the worker and the intake child; both get a private TMPDIR below ``state/work``.

    ``worker_python``, or else the settings ``worker_python`` and ``slicer``, name
    another Python for the workers. Raises ``worker.not_started`` where it is not there.
    ``inside`` does its part of a case in this process, before the worker.
    """
    python = worker_python or chosen_python(settings["worker_python"], settings["slicer"])

    switch = BY_NAME["totalsegmentator_statistics"]
    told = {switch.environment: "yes" if settings[switch.name] else "no"}

    def environment(name: str, foreign: bool = False) -> dict[str, str]:
        folder = home.work / name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return child_environment(folder, told, foreign=foreign)

    def worker(on_message: Any, on_log: Any, on_end: Any, on_hung: Any = None) -> Child:
        return Child(
            worker_command(python),
            environment("worker", python is not None),
            on_message,
            on_log,
            on_end,
            SystemClock(),
            hung_seconds=settings["hung_minutes"] * 60,
            on_hung=on_hung,
        )

    def intake(on_message: Any, on_log: Any, on_end: Any) -> Child:
        return Child(
            intake_command(),
            environment("intake"),
            on_message,
            on_log,
            on_end,
            SystemClock(),
            hung_seconds=settings["hung_minutes"] * 60,
        )

    def web(on_message: Any, on_log: Any, on_end: Any) -> Child:
        variables = environment("web")
        private = home.state / PACKAGES
        if private.is_dir():
            variables["PYTHONPATH"] += f"{os.pathsep}{private}"
        return Child(web_command(), variables, on_message, on_log, on_end, SystemClock())

    def helped(on_message: Any, on_log: Any, on_end: Any, on_hung: Any = None) -> ChildLike:
        assert inside is not None
        hung_seconds = settings["hung_minutes"] * 60
        return HostStepsChild(worker, inside, on_message, on_log, on_end, on_hung, hung_seconds)

    return Spawns(worker if inside is None else helped, intake, web)


def make_pipeline(
    home: Home,
    settings: Settings,
    *,
    what: str = "serve",
    worker_python: str | None = None,
    web: bool = False,
    inside: HostSteps | None = None,
) -> Pipeline:
    """The pipeline of ``home`` with real processes; with ``web`` it serves its page from the start.

    ``inside`` is what its host can do by itself.
    """
    spawns = real_spawns(home, settings, worker_python, inside)
    return Pipeline(home, settings, spawns, what=what, web=web, inside=inside)
