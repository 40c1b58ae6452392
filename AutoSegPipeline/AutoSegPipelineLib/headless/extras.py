"""Engines that are installed beside the program: whether they are there, and the command that brings them."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Mapping

from ..core.engine_list import wanted_engines
from ..core.engines import BY_NAME, EngineRow, environment
from ..core.errors import PipelineError, from_dict
from ..core.settings import Settings
from ..core.slicer_python import worker_python
from ..runtime.processes.child_command import child_environment, module_arguments

# What the rest of a case needs of another Python: package -> module. Slicer has all of it.
WORKER_NEEDS = {
    "numpy": "numpy", "scipy": "scipy", "SimpleITK": "SimpleITK", "vtk": "vtkmodules", "pydicom": "pydicom",
}  # fmt: skip
_PROBE_SECONDS = 60.0
_PROBE = (
    "import importlib.util, json, sys; "
    "print(json.dumps([m for m in sys.argv[1:] if importlib.util.find_spec(m) is None]))"
)


def workers_python(settings: Settings) -> str | None:
    """The other Python that runs the workers, or None where it is this one; raises ``worker.not_started``."""
    return worker_python(settings["worker_python"], settings["slicer"])


def check_engine(engine: str, settings: Settings) -> None:
    """Raise ``engine.not_available`` where ``engine`` names one whose package is not there.

    It is an engine or several, as the option of that name has it (``options.invalid`` for none).
    Reported once before the start, not by each case. So is a wrong ``worker_python`` or
    ``slicer``.
    """
    for one in wanted_engines(engine):
        _check_engine(one.name, settings)


def _check_engine(engine: str, settings: Settings) -> None:
    python = workers_python(settings)
    row = BY_NAME.get(engine)
    if row is None or not row.package:
        return
    lacks = _lacks(row.package, python)
    if row.package in lacks:
        where = f" for {python}" if python else ""
        text = f"{engine} is not installed{where}"
        raise PipelineError("engine.not_available", text, hint_for(row, python))
    if lacks:
        names = ", ".join(name for name, needed in WORKER_NEEDS.items() if needed in lacks)
        text = f"{python} has {engine}, but a worker also needs {names}"
        raise PipelineError("worker.not_started", text, hint_for(row, python))


def worker_packages(python: str) -> str:
    """The command that gives another Python what a worker needs whatever the engine."""
    return f"{python} -m pip install {' '.join(WORKER_NEEDS)}"


def hint_for(row: EngineRow, python: str | None) -> str:
    """How the package of an engine comes into the workers' Python."""
    install = f"python3 autoseg.py install {row.install}"
    if not row.install:
        install = f"python -m pip install {' '.join(row.pip or (row.package,))}"
    if python is None:
        return f"Install it with: {install}"
    if row.slicer_pip and "PythonSlicer" in Path(python).name:
        return (
            f"Install the {row.extension} extension in that Slicer, then press Install... under Installed "
            "and downloaded in its module AutoSeg Pipeline; or leave --slicer out and install it here with: "
            f"{install}"
        )
    if row.extension and "PythonSlicer" in Path(python).name:
        return (
            f"Install the {row.extension} extension in that Slicer and run it once, so that it fetches its "
            f"packages; or leave --slicer out and install it here with: {install}"
        )
    return (
        "Install it there, with what a worker needs besides, in one command: "
        f"{python} -m pip install {' '.join((*(row.pip or (row.package,)), *WORKER_NEEDS))}"
    )


def _lacks(module: str, python: str | None) -> list[str]:
    """Modules that are not there: the engine's, and of another Python what a worker needs."""
    if python is None:
        return [] if importlib.util.find_spec(module) is not None else [module]
    return list(ask(python, ["-c", _PROBE, module, *WORKER_NEEDS.values()]))


def read_weights(row: EngineRow, settings: Settings) -> dict[str, Any]:
    """What the workers' package of this engine knows of its weights.

    ``folder``, ``version`` (empty: it is not installed), ``tasks`` (``name``, ``qualities``: the numbers of
    the models that each needs) and ``models`` (``number``, ``name``, ``bytes``, ``state``: there, broken,
    missing). Raises what the engine's own module does, and ``worker.not_started``.
    """
    return _answer(settings, f"processing.engines.{row.weights}")


def read_tasks(settings: Settings) -> dict[str, list[str]]:
    """The names of each engine's tasks; none where its package is not installed. Raises as above."""
    return dict(_answer(settings, "processing.task_list")["engines"])


def _answer(settings: Settings, module: str) -> dict[str, Any]:
    known = environment(settings.values)
    answer = ask(workers_python(settings), module_arguments(module), variables=known)
    if "error" in answer:
        raise from_dict(answer["error"])
    return dict(answer)


def ask(
    python: str | None,
    arguments: list[str],
    seconds: float = _PROBE_SECONDS,
    variables: Mapping[str, str] | None = None,
) -> Any:
    """What a short program under the workers' Python prints last, as JSON; raises ``worker.not_started``.

    ``variables`` join its environment: the settings of engines.
    """
    command = [python or sys.executable, *arguments]
    env = child_environment(Path(tempfile.gettempdir()), variables, foreign=python is not None)
    try:
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=seconds, env=env,
            stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PipelineError("worker.not_started", f"{command[0]}: {error}") from error
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        said = " ".join(done.stderr.strip().splitlines()[-1:]) or f"exit code {done.returncode}"
        raise PipelineError("worker.not_started", f"{command[0]} does not work: {said}")
    try:
        return json.loads(lines[-1])
    except ValueError:
        raise PipelineError("worker.not_started", f"{command[0]} answered {lines[-1][:200]!r}") from None
