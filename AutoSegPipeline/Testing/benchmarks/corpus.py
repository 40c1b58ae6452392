"""A folder of foreign files: what becomes of each, by code, with time and memory.

    python AutoSegPipeline/Testing/benchmarks/corpus.py FOLDER [--by file] [--process] [--json OUT]

Each folder that holds files is one input (``--by file``: each file), inspected as the pipeline inspects
what is dropped; ``--process`` runs ``run`` on it, to the results. A child process does the work: one that
crashes or takes longer than ``--seconds`` (120) is an outcome, too. Exit code 1 when an input crashed, hung
or got no answer.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Iterator

import psutil

HERE = Path(__file__).resolve().parent
LIBRARY_PARENT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(LIBRARY_PARENT)]

from tree import used  # noqa: E402

LOOK_SECONDS = 0.02
BAD = ("crash", "hang", "no answer")


@dataclass
class Outcome:
    """What one input became: ``answers`` are (code or ``case``, message) by file or job."""

    name: str
    files: int
    seconds: float = 0.0
    peak_mb: float = 0.0
    in_cases: int = 0
    refused: int = 0
    passed_by: int = 0
    answers: list[tuple[str, str]] = field(default_factory=list)


class Child:
    """Inspects one folder after the other; lines of JSON in and out."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--child"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put("")

    def ask(self, folder: Path, work: Path, limit: float) -> tuple[str, float]:
        """(the answer's line, peak MB); the line is empty after a crash, ``hang`` after ``limit`` seconds."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"folder": str(folder), "work": str(work)}) + "\n")
        self.process.stdin.flush()
        peak, until = 0.0, time.monotonic() + limit
        while time.monotonic() < until:
            peak = max(peak, tree_mb(self.process.pid))
            try:
                return self.lines.get(timeout=LOOK_SECONDS), peak
            except queue.Empty:
                continue
        return "hang", peak

    def end(self) -> None:
        """Stop it and what it started."""
        end_tree(self.process)


def tree_mb(pid: int) -> float:
    """Resident memory of a process and its descendants."""
    return sum(one.resident for one in used(pid)) / 1e6


def end_tree(process: subprocess.Popen[str]) -> None:
    """Kill a process and its descendants."""
    try:
        family = psutil.Process(process.pid).children(recursive=True)
    except psutil.Error:
        family = []
    process.kill()
    for one in family:
        try:
            one.kill()
        except psutil.Error:
            continue
    process.wait()


def child() -> None:
    """Answer each line with what the inspection of its folder said."""
    from AutoSegPipelineLib.core.errors import PipelineError
    from AutoSegPipelineLib.core.progress import no_check
    from AutoSegPipelineLib.intake.child import run_task

    for line in sys.stdin:
        try:
            answer = run_task("inspect", {**json.loads(line), "options": {"min_slices": 8}}, no_check)
        except PipelineError as error:
            answer = {"error": error.to_dict()}
        except Exception as error:  # a defect of ours, which is what this looks for
            answer = {"crash": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


def inputs_of(root: Path, by: str) -> Iterator[tuple[str, list[Path]]]:
    """(name, files) of each input below ``root``; links are left out."""
    for place, folders, names in os.walk(root):
        folders.sort()
        files = [Path(place) / name for name in sorted(names)]
        files = [path for path in files if path.is_file() and not path.is_symlink()]
        where = Path(place).relative_to(root).as_posix()
        if by == "file":
            for path in files:
                yield f"{where}/{path.name}", [path]
        elif files:
            yield where, files


def inspect(worker: Child, outcome: Outcome, files: list[Path], place: Path, limit: float) -> bool:
    """Fill ``outcome``; False where the child must be replaced."""
    stage(files, place / "input")
    started = time.perf_counter()
    line, outcome.peak_mb = worker.ask(place / "input", place / "work", limit)
    outcome.seconds = time.perf_counter() - started
    if line in ("", "hang"):
        outcome.answers.append((line or "crash", f"exit code {worker.process.poll()}"))
        return False
    answer: dict[str, Any] = json.loads(line)
    if "crash" in answer:
        outcome.answers.append(("crash", answer["crash"]))
    if "error" in answer:
        outcome.answers.append((answer["error"]["code"], answer["error"]["message"]))
    cases, refusals = answer.get("cases", []), answer.get("refusals", [])
    outcome.answers += [("case", case["label"]) for case in cases]
    outcome.answers += [(one["error"]["code"], one["error"]["message"]) for one in refusals]
    taken = {name for case in cases for name in case["files"]}
    refused = {name for one in refusals for name in one["files"]} - taken
    outcome.in_cases, outcome.refused = len(taken), len(refused)
    outcome.passed_by = max(len(files) - len(taken) - len(refused), 0)
    if not outcome.answers:
        outcome.answers.append(("no answer", ""))
    return True


def process(outcome: Outcome, files: list[Path], place: Path, limit: float) -> None:
    """The command line over the input, to its results."""
    stage(files, place / "input")
    source = place / "input" if len(files) > 1 else next((place / "input").iterdir())
    started = time.perf_counter()
    with open(place / "answer", "w+", encoding="utf-8") as answer:
        command = ["-m", "AutoSegPipelineLib.headless", "run", str(source), "-o", str(place / "out")]
        running = subprocess.Popen(
            [sys.executable, *command, "--json", "--quiet"], cwd=LIBRARY_PARENT, stdout=answer,
            stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        while running.poll() is None and time.perf_counter() - started < limit:
            outcome.peak_mb = max(outcome.peak_mb, tree_mb(running.pid))
            time.sleep(LOOK_SECONDS)
        hung = running.poll() is None
        end_tree(running)
        outcome.seconds = time.perf_counter() - started
        answer.seek(0)
        text = answer.read()
    if hung or not text.strip():
        outcome.answers.append(("hang" if hung else "crash", f"exit code {running.returncode}"))
        return
    for job in json.loads(text).get("jobs", []):
        error = job.get("error") or {}
        outcome.answers.append((error.get("code") or job["state"], error.get("message") or job["label"]))
    if not outcome.answers:
        outcome.answers.append(("no answer", ""))


def stage(files: list[Path], folder: Path) -> None:
    """The files in a folder of their own; a second name where the disk allows it, else a copy."""
    folder.mkdir(parents=True)
    for path in files:
        try:
            os.link(path, folder / path.name)
        except OSError:
            shutil.copyfile(path, folder / path.name)


def report(outcomes: list[Outcome], processed: bool) -> list[str]:
    """The table, and where the time and the memory went."""
    inputs: Counter[str] = Counter()
    answers: Counter[str] = Counter()
    example: dict[str, str] = {}
    slow: defaultdict[str, float] = defaultdict(float)
    for one in outcomes:
        for code, message in one.answers:
            answers[code] += 1
            example.setdefault(code, f"{one.name}: {message}")
        for code in {code for code, _ in one.answers}:
            inputs[code] += 1
            slow[code] = max(slow[code], one.seconds)
    lines = ["| outcome | inputs | answers | longest s | for example |", "| --- | --- | --- | --- | --- |"]
    for code, count in sorted(answers.items(), key=lambda item: -item[1]):
        text = " ".join(example[code].split())[:110].replace("|", "/")
        lines.append(f"| `{code}` | {inputs[code]} | {count} | {slow[code]:.1f} | {text} |")
    files = sum(one.files for one in outcomes)
    lines += ["", f"{len(outcomes)} inputs, {files} files, {sum(one.seconds for one in outcomes):.0f} s"]
    if not processed:
        cases, refused, passed_by = (
            sum(getattr(one, name) for one in outcomes) for name in ("in_cases", "refused", "passed_by")
        )
        lost = sum(one.files for one in outcomes if any(code in BAD for code, _ in one.answers))
        lines.append(
            f"files in cases {cases}, refused {refused}, passed by {passed_by}, without answer {lost}"
        )
    for title, key, unit in (("slowest", "seconds", "s"), ("most memory", "peak_mb", "MB")):
        most = sorted(outcomes, key=lambda one: -getattr(one, key))[:3]
        shown = ", ".join(f"{one.name} ({getattr(one, key):.1f} {unit})" for one in most)
        lines.append(f"{title}: {shown}")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--by", choices=("folder", "file"), default="folder")
    parser.add_argument("--process", action="store_true")
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child()
        return 0
    if given.folder is None or not given.folder.is_dir():
        parser.error("FOLDER is no folder")
    outcomes: list[Outcome] = []
    worker = None if given.process else Child()
    with tempfile.TemporaryDirectory(prefix="autoseg-corpus-") as work:
        for number, (name, files) in enumerate(inputs_of(given.folder.resolve(), given.by)):
            place = Path(work) / f"{number:06d}"
            outcome = Outcome(name, len(files))
            if worker is None:
                process(outcome, files, place, given.seconds)
            elif not inspect(worker, outcome, files, place, given.seconds):
                worker.end()
                worker = Child()
            outcomes.append(outcome)
            shutil.rmtree(place, ignore_errors=True)
    if worker is not None:
        worker.end()
    print("\n".join(report(outcomes, given.process)))
    if given.json:
        given.json.write_text(json.dumps([asdict(one) for one in outcomes], indent=1), encoding="utf-8")
    return 1 if any(code in BAD for one in outcomes for code, _ in one.answers) else 0


if __name__ == "__main__":
    sys.exit(main())
