"""The parts of ``doctor`` that start processes: engines, the picture, a case from end to end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Iterator, Mapping

from ..core import protocol
from ..core.engines import BY_NAME, DECLARED, environment
from ..core.errors import PipelineError
from ..core.messages.child_messages import Describe, Done, Failed, Quit
from ..core.messages.reader import read
from ..core.messages.worker_messages import Described, EngineRow
from ..core.own_models import LACKING
from ..core.protocol import Envelope
from ..core.settings import Settings
from ..runtime.processes.child_command import child_environment as foreign_environment
from ..runtime.processes.child_command import module_arguments
from ..runtime.processes.child_kinds import WORKER
from .extras import hint_for, worker_packages
from .findings import FAIL, OK, WARN, Finding

LIBRARY_PARENT = str(Path(__file__).resolve().parents[2])
_DESCRIBE_SECONDS = 120.0
_PICTURE_SECONDS = 60.0
_TEST_SECONDS = 300.0
_TOLERANCE = 0.05  # of the lungs' volume: the noise and the coarse grid of the phantom


def child_environment(foreign: bool = False, variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment in which a child finds this library; a foreign one nothing else of ours.

    ``variables`` join it.
    """
    if foreign:
        return foreign_environment(Path(tempfile.gettempdir()), variables, foreign=True)
    paths = [LIBRARY_PARENT, os.environ.get("PYTHONPATH", "")]
    pythonpath = os.pathsep.join(path for path in paths if path)
    return {**os.environ, "PYTHONPATH": pythonpath, **(variables or {})}


def describe(python: str | None, settings: Settings) -> list[EngineRow]:
    """What a worker, under ``python`` if not this one, says of its engines; raises ``worker.not_started``."""
    lines = protocol.encode(Envelope(Describe())) + protocol.encode(Envelope(Quit()))
    command = [python or sys.executable, *module_arguments(WORKER.module)]
    try:
        # The worker ends when its input closes, so the pipe stays open until it has answered.
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=child_environment(python is not None, environment(settings.values)),
        ) as worker:
            assert worker.stdin is not None and worker.stdout is not None
            worker.stdin.write(lines)
            worker.stdin.flush()
            try:
                return _answer(worker)
            finally:
                worker.kill()
    except OSError as error:
        raise PipelineError("worker.not_started", f"{command[0]}: {error.strerror}") from error


def _answer(worker: subprocess.Popen[bytes]) -> list[EngineRow]:
    assert worker.stdout is not None and worker.stderr is not None
    until = time.monotonic() + _DESCRIBE_SECONDS
    for line in worker.stdout:
        message = protocol.decode(line.rstrip(b"\r\n")).message
        if isinstance(message, Done):
            return read(Described, message.result, "result")["engines"]
        if isinstance(message, Failed):
            raise PipelineError("worker.not_started", message.error.get("message", ""))
        if time.monotonic() > until:  # heartbeats come every few seconds, so this is looked at
            break
    else:
        tail = worker.stderr.read().decode("utf-8", "replace").strip().splitlines()[-1:]
        raise PipelineError(
            "worker.not_started", f"the worker ended: {' '.join(tail) or 'without a message'}"
        )
    raise PipelineError("worker.hung", "the worker did not describe its engines")


def engines(python: str | None, settings: Settings) -> Iterator[Finding]:
    """One finding an engine; none that works, or an engines.json that cannot be read, is a failure."""
    from ..processing.engines.command.declared_file import read_declared

    try:
        found = describe(python, settings)
    except PipelineError as error:
        fix = "Run `python3 autoseg.py` again to mend the installation."
        if python is not None:
            fix = f"Give that Python what a worker needs: {worker_packages(python)}"
        yield Finding("engines", FAIL, error.message, fix)
        return
    for engine in found:
        tasks = ", ".join(task["name"] for task in engine["tasks"][:6]) + (
            " ..." if len(engine["tasks"]) > 6 else ""
        )
        version = f" {engine['version']}" if engine.get("version") else ""
        text = f"{engine['name']}{version}: {engine['title']}; tasks: {tasks or 'none'}"
        if engine["ok"]:
            yield Finding("engine", OK, text + (f"; {engine['note']}" if engine["note"] else ""))
            continue
        row = BY_NAME.get(engine["name"])
        if row is None:
            yield Finding("engine", WARN, f"{text}; {engine['note']}", "`autoseg engines check` says more.")
            continue
        hint = hint_for(row, python) if row.package else ""
        if engine["missing"] == [LACKING]:
            hint = "`autoseg models add` adds one that you trained."
            yield Finding("engine", WARN, f"{text}; {engine['note']}", hint)
        elif row.package and not tasks:
            yield Finding("engine", WARN, f"{row.name}: not installed", hint)
        else:
            lacks = f"lacks {', '.join(engine['missing'])}" if engine["missing"] else engine["note"]
            yield Finding("engine", WARN, f"{text}; {lacks}", hint)
    if not any(engine["ok"] for engine in found):
        yield Finding("engines", FAIL, "no engine works here", "Install what one of them lacks.")
    unread = read_declared(Path(settings[DECLARED.name])).errors.get("") if settings[DECLARED.name] else None
    if unread is not None:
        yield Finding("engines", FAIL, unread.message, unread.hint)


def picture() -> Finding:
    """Whether the drawing process can make a picture here; VTK may abort it, so it is one of its own."""
    code = (
        "import vtk\n"
        "w = vtk.vtkRenderWindow(); w.SetOffScreenRendering(1); w.SetSize(16, 16)\n"
        "r = vtk.vtkRenderer(); w.AddRenderer(r); w.Render()\n"
        "print(type(w).__name__)\n"
    )
    without = "Results come without NAME.png. Install Mesa's OpenGL (Debian: libgl1, libegl1)."
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, errors="replace",
            timeout=_PICTURE_SECONDS, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding("picture", WARN, f"drawing did not end: {error}", without)
    if done.returncode == 0:
        return Finding("picture", OK, f"OpenGL draws without a display ({done.stdout.strip()})")
    said = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
    return Finding("picture", WARN, f"no OpenGL: {said[0]}", without)


def self_test() -> Finding:
    """A phantom CT through `autoseg run` in a separate process and home; the lungs must be right."""
    began = time.monotonic()
    fix = "Look at the lines above; `autoseg demo` shows more."
    with tempfile.TemporaryDirectory(prefix="autoseg-doctor-") as folder:
        try:
            text = _self_test(Path(folder))
        except (PipelineError, OSError, ValueError, KeyError, subprocess.TimeoutExpired) as error:
            message = (
                error.message if isinstance(error, PipelineError) else f"{type(error).__name__}: {error}"
            )
            return Finding("self-test", FAIL, message, fix)
    return Finding("self-test", OK, f"{text} in {time.monotonic() - began:.0f} s")


def _self_test(folder: Path) -> str:
    from ..processing.phantom import torso, write_nifti

    phantom = torso()
    scan = folder / "selftest.nii.gz"
    write_nifti(phantom.volume, scan)
    command = [
        sys.executable,
        "-m",
        "AutoSegPipelineLib.headless",
        "run",
        str(scan),
        "-o",
        str(folder / "out"),
    ]
    done = subprocess.run(
        [*command, "--engine", "tissue", "--json", "--quiet"], capture_output=True, text=True,
        encoding="utf-8", errors="replace", timeout=_TEST_SECONDS, check=False, env=child_environment(),
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if not done.stdout.strip():
        raise PipelineError("pipeline.internal", f"the case gave no answer: {done.stderr.strip()[-500:]}")
    answer = json.loads(done.stdout)
    error = answer.get("error") or answer["jobs"][0].get("error")
    if error or done.returncode:
        raise PipelineError(
            "engine.failed", f"the phantom case did not succeed: {(error or {}).get('message')}"
        )
    return _judged(answer["jobs"][0], phantom.volumes_ml)


def _judged(job: dict[str, Any], truth_ml: dict[str, float]) -> str:
    """Compare the lungs with what was drawn; raises ``export.verification``."""
    paths = {Path(output["name"]).name: Path(output["path"]) for output in job["outputs"]}
    statistics = next(path for name, path in paths.items() if name.endswith(".statistics.json"))
    measured = {row["name"]: row["volume_ml"] for row in _structures(statistics)}
    for name in ("lung_left", "lung_right"):
        if abs(measured[name] - truth_ml[name]) > _TOLERANCE * truth_ml[name]:
            text = f"{name}: {measured[name]:.0f} ml measured, {truth_ml[name]:.0f} ml drawn"
            raise PipelineError("export.verification", text)
    return f"a phantom CT became {len(paths)} files with {len(measured)} structures, both lungs right"


def _structures(path: Path) -> list[dict[str, Any]]:
    return list(json.loads(path.read_text(encoding="utf-8"))["structures"])
