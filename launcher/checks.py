"""``python3 autoseg.py test``: lint, format, types and tests, one closing line and one exit code.

Most tests wait for a process, a timer or a disk, so twice as many run side by side as there are cores.
The tests of a file stay together and in order: they share what the file's fixtures made.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from . import extras, viewer
from .environment import (
    BASE,
    CLUSTER,
    OPENVINO,
    SLICER_58,
    SLICER_CORE,
    SLICER_PACKAGES_39,
    TEST,
    TOTALSEGMENTATOR_26,
    USDZ,
    Environment,
)
from .extra_table import TOTALSEGMENTATOR
from .handover import environment_for, run_to_end
from .installer import run, say
from .lock import Lock
from .node import find_node
from .places import ROOT, TESTING
from .pythons import find_python
from .torch_build import parse_torch, usual
from .trouble import Trouble

_NO, _YES = "no", "yes"
FAST = "--fast"
_MOST_WORKERS = 8  # each holds up to a gigabyte
_NEW_GB, _OLD_GB = 14, 11  # while pip unpacks
_SLICER_GB = 4  # one with Slicer's packages, and what the tests themselves write


@dataclass(frozen=True)
class Check:
    """One program whose exit code 0 means clean."""

    name: str
    command: list[str]


@dataclass(frozen=True)
class Outcome:
    """How one check ended."""

    name: str
    code: int
    seconds: float


def run_all(environment: Environment, folder: Path, arguments: list[str]) -> int:
    """Make ready what the tests need, run every check to its end; 0 when all are clean.

    With `FAST` among the arguments the tests that start processes or compute for long are left out, and with
    them the environments that only they need.
    """
    fast = FAST in arguments
    environment.ensure(TEST, CLUSTER, USDZ)
    held = environment.hold()
    variables = check_variables(environment)
    node = _node(environment)
    if node:
        # Behind the environment's own programs, in front of whatever else is called node.
        own, _, others = variables["PATH"].partition(os.pathsep)
        variables["PATH"] = os.pathsep.join([own, str(Path(node).parent), others])
    if not fast:
        if not viewer.is_whole(environment):
            viewer.install(environment)
        variables.update(_slicer_environments(folder))
        variables.update(_totalsegmentator(folder))
    python = str(environment.python)
    outcomes = []
    for check in (
        Check("ruff check", [python, "-m", "ruff", "check", "."]),
        Check("ruff format", [python, "-m", "ruff", "format", "--check", "."]),
        Check("mypy", [python, "-m", "mypy"]),
        Check("pytest", [python, "-m", "pytest", *pytest_arguments(arguments, os.cpu_count() or 1)]),
    ):
        say(f"\n== {check.name}")
        began = time.monotonic()
        code = run_to_end(check.command, variables, ROOT)
        outcomes.append(Outcome(check.name, code, time.monotonic() - began))
    if held >= 0:
        os.close(held)
    say("\n" + summary(outcomes))
    return 0 if all(outcome.code == 0 for outcome in outcomes) else 1


def check_variables(environment: Environment) -> dict[str, str]:
    """The program's environment variables, but bytecode is kept.

    The tests start some thousand Pythons, and where a machine says that none is to be written each of them
    would compile the library again: a quarter of its time.
    """
    variables = environment_for(environment)
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    return variables


def pytest_arguments(arguments: list[str], cores: int) -> list[str]:
    """What pytest is given: side by side for everything, one after the other where arguments choose tests."""
    chosen = [argument for argument in arguments if argument != FAST]
    marks = ["-m", "not slow and not processes"] if FAST in arguments else []
    if chosen:
        return [*marks, *chosen]
    # The pure tests compute and do not wait: more workers than cores would only load the library more often.
    workers = cores if FAST in arguments else 2 * cores + 1
    # In the order of the folders, which mixes what computes with what waits.
    side_by_side = ["--dist", "loadfile", "--no-loadscope-reorder"]
    return [*marks, "-n", str(max(2, min(workers, _MOST_WORKERS))), *side_by_side]


def summary(outcomes: list[Outcome]) -> str:
    """A line per check and a closing one."""
    lines = [
        f"  {outcome.name:12s} {'clean' if outcome.code == 0 else f'FAILED (exit code {outcome.code})'}"
        f"  {outcome.seconds:.0f} s"
        for outcome in outcomes
    ]
    bad = [outcome.name for outcome in outcomes if outcome.code != 0]
    lines.append(f"test: FAILED: {', '.join(bad)}" if bad else f"test: all {len(outcomes)} checks are clean")
    return "\n".join(lines)


def _node(environment: Environment) -> str | None:
    """The path of Node.js, with the Khronos glTF validator installed in Testing/node_modules."""
    lock_file = TESTING / "package-lock.json"
    if not lock_file.exists():
        return None
    node, npm = find_node(environment)
    modules = TESTING / "node_modules"
    ready = modules / ".autoseg-ready"
    wanted = hashlib.sha256(lock_file.read_bytes()).hexdigest()
    (TESTING / ".cache").mkdir(exist_ok=True)
    with Lock(
        TESTING / ".cache" / "npm.lock", lambda: say("Another npm is at work here; waiting ...")
    ) as lock:
        if not ready.exists() or ready.read_text(encoding="ascii") != wanted:
            say("Packages of AutoSegPipeline/Testing/package-lock.json (the glTF validator)")
            command = [*npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
            run(command, lambda line: None, modules, keep_open=(lock.fd,), cwd=TESTING)
            ready.write_text(wanted, encoding="ascii")
    return node


def _slicer_environments(folder: Path) -> dict[str, str]:
    """Interpreters with Slicer's libraries and with the packages of Slicer 5.8, where they are available.

    A test that needs one which is not there says so and is skipped; an empty name: the disk is too small.
    """
    wanted = (
        ("AUTOSEG_TEST_SLICER_CORE", SLICER_CORE, _SLICER_GB, ((3, 11), (3, 12), (3, 13), (3, 10))),
        ("AUTOSEG_TEST_PYTHON39", SLICER_58, _SLICER_GB, ((3, 9),)),
        ("AUTOSEG_TEST_TOTALSEGMENTATOR_26", TOTALSEGMENTATOR_26, _OLD_GB, ((3, 9),)),
    )
    variables = {}
    for name, part, gigabytes, versions in wanted:
        if os.environ.get(name):
            continue
        if part is TOTALSEGMENTATOR_26 and _choice() == _NO:
            continue
        if not _room(folder, gigabytes, part.name):
            variables[name] = ""
            continue
        python = find_python(versions)
        if python is None:
            names = " or ".join(f"{major}.{minor}" for major, minor in versions)
            say(f"No Python {names} here: tests with {part.name} are skipped.")
            continue
        environment = Environment(folder, part, say, python.path, python.tag)
        try:
            environment.ensure(*([SLICER_PACKAGES_39] if part is SLICER_58 else []))
        except Trouble as error:
            if "no ready-made package" not in str(error):
                raise
            say(f"{part.name} does not exist for this machine: its tests are skipped.")
            continue
        variables[name] = str(environment.python)
    return variables


def _choice() -> str:
    """`yes`, `no` or an interpreter with TotalSegmentator. A person's disk is not filled unasked."""
    return os.environ.get("AUTOSEG_TEST_TOTALSEGMENTATOR") or (_YES if os.environ.get("CI") else _NO)


def _room(folder: Path, gigabytes: int, what: str) -> bool:
    """Whether the disk has room for another environment; one that is there needs none."""
    there = any(folder.glob(f"{what}-cp*"))
    if there or shutil.disk_usage(folder).free > gigabytes * 10**9:
        return True
    say(f"Less than {gigabytes} GB are free: tests with {what} are skipped.")
    return False


def _totalsegmentator(folder: Path) -> dict[str, str]:
    """An interpreter with this program's packages, those of the tests, and TotalSegmentator beside them.

    Apart from the usual environment, so that the other tests run as without it; installed by the very
    code that installs it for a user. AUTOSEG_TEST_TOTALSEGMENTATOR names another one, or says `yes` or
    `no`; unset it means `yes` where CI is set, else `no`.
    """
    name, what = "AUTOSEG_TEST_TOTALSEGMENTATOR", TOTALSEGMENTATOR.name
    if _choice() == _NO:
        say(f"Tests that need {what} itself (14 GB) are skipped; {name}={_YES} runs them.")
        return {name: ""}
    if _choice() != _YES:
        return {}
    python = find_python(((3, 11), (3, 12)))
    if python is None:
        say(f"No Python 3.11 or 3.12 here: tests with {what} are skipped.")
        return {}
    if not _room(folder, _NEW_GB, what):
        return {}
    environment = Environment(folder, BASE, say, python.path, python.tag, name=what)
    try:
        environment.ensure(TEST, CLUSTER, USDZ, OPENVINO)
        if not extras.is_whole(environment, TOTALSEGMENTATOR):
            extras.install(environment, parse_torch(usual()), TOTALSEGMENTATOR)
    except Trouble as error:
        if "no ready-made package" not in str(error):
            raise
        say(f"{what} is not available for this machine: its tests are skipped.")
        return {}
    return {name: str(environment.python)}
