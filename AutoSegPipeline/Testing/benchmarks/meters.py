"""What the benchmarks measure with: gaps of the Qt loop, memory over time, CPU of a process tree, fsyncs."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

HERE = Path(__file__).resolve().parent
for _place in (str(HERE.parent / "Python"), str(HERE.parent.parent), str(HERE)):
    if _place not in sys.path:
        sys.path.insert(0, _place)

import psutil  # noqa: E402
from AutoSegPipelineLib.runtime import qt  # noqa: E402

HELD_MS = 50.0


def said_load() -> str:
    """How busy the machine is besides us: a figure without it says little."""
    one, five, _ = os.getloadavg() if hasattr(os, "getloadavg") else (0.0, 0.0, 0.0)
    return f"{os.cpu_count()} cores, load {one:.1f} (1 min), {five:.1f} (5 min)"


def sleep_in_loop(seconds: float) -> None:
    """Run the Qt loop and add nothing of our own to it, not even a look at the clock."""
    loop = qt.QEventLoop()
    qt.single_shot(int(seconds * 1000), loop.quit)
    qt.run_loop(loop)


class LoopGaps:
    """A timer of 1 ms; what lies between two of its calls is how long the Qt loop was held.

    ``cpu_ms`` is the part of the longest gap in which our own thread computed; the
    rest is waiting for the disk or for the other processes of this machine.
    """

    def __init__(self) -> None:
        self.longest_ms = 0.0
        self.cpu_ms = 0.0  # most of our own CPU in one gap
        self.over = 0
        self._wall = time.perf_counter()
        self._cpu = time.thread_time()
        self._timer: Any = qt.make_timer(1, self._look)

    def _look(self) -> None:
        wall, cpu = time.perf_counter(), time.thread_time()
        gap, used = (wall - self._wall) * 1000 - 1, (cpu - self._cpu) * 1000
        self._wall, self._cpu = wall, cpu
        self.longest_ms = max(self.longest_ms, gap)
        self.cpu_ms = max(self.cpu_ms, used)
        self.over += gap > HELD_MS

    def reset(self) -> None:
        """Begin anew."""
        self.longest_ms = self.cpu_ms = 0.0
        self.over = 0
        self._wall, self._cpu = time.perf_counter(), time.thread_time()

    def stop(self) -> None:
        self._timer.stop()


@dataclass
class Memory:
    """Resident megabytes of this process and of its children, sampled from the loop."""

    own: list[float] = field(default_factory=list)
    children: list[float] = field(default_factory=list)
    _timer: Any = None

    def start(self, every_ms: int = 500) -> None:
        self._timer = qt.make_timer(every_ms, self.sample)

    def sample(self) -> None:
        this = psutil.Process()
        self.own.append(this.memory_info().rss / 1e6)
        self.children.append(max((_rss(child) for child in this.children(recursive=True)), default=0.0))

    def stop(self) -> None:
        self.sample()
        self._timer.stop()

    def said(self) -> str:
        """First sample, quarters and peak: flat means that the last ones do not rise."""
        return f"pipeline {_quarters(self.own)}; largest child {_quarters(self.children)}"


def _rss(process: psutil.Process) -> float:
    try:
        return float(process.memory_info().rss) / 1e6
    except psutil.Error:
        return 0.0


def _quarters(values: list[float]) -> str:
    if not values:
        return "-"
    picked = [values[(len(values) - 1) * part // 4] for part in range(5)]
    return " ".join(f"{value:.0f}" for value in picked) + f" MB (peak {max(values):.0f})"


@dataclass
class Cpu:
    """CPU seconds of this process and of its living children since it was made."""

    _begun: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._begun = _cpu_by_process()

    def spent(self) -> tuple[float, float]:
        """(own, children's) user and system seconds."""
        now = _cpu_by_process()
        own = os.getpid()
        rest = sum(value - self._begun.get(pid, 0.0) for pid, value in now.items() if pid != own)
        return now[own] - self._begun.get(own, 0.0), rest


def _cpu_by_process() -> dict[int, float]:
    this = psutil.Process()
    found = {}
    for process in [this, *this.children(recursive=True)]:
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        found[process.pid] = times.user + times.system
    return found


class Fsyncs:
    """Counts ``os.fsync`` of this process while it is in force (SQLite's own are not among them)."""

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0
        self._real: Callable[[Any], None] = os.fsync

    def __enter__(self) -> Fsyncs:
        def counted(descriptor: Any) -> None:
            begun = time.perf_counter()
            self._real(descriptor)
            self.seconds += time.perf_counter() - begun
            self.count += 1

        os.fsync = counted  # type: ignore[assignment]
        return self

    def __exit__(self, *_: object) -> None:
        os.fsync = self._real  # type: ignore[assignment]
