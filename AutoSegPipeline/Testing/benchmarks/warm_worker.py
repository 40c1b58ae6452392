"""A worker that stays, as the benchmarks use it, and what a process costs."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from AutoSegPipelineLib.core.protocol import from_line, to_line, unpack
from tree import used


class Meter:
    """Processor seconds and peak resident memory of a process and all below it."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._cpu: dict[int, float] = {}
        self.peak_mb = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stop.wait(0.2):
            self.look()

    def look(self) -> None:
        found = used(self._pid)
        self._cpu.update((one.pid, one.cpu) for one in found)
        self.peak_mb = max(self.peak_mb, sum(one.resident for one in found) / 1e6)

    @property
    def cpu(self) -> float:
        return sum(self._cpu.values())

    def stop(self) -> None:
        self.look()
        self._stop.set()
        self._thread.join()


class WarmWorker:
    """A worker of the library that ``env`` names; the first case, which loads everything, is told apart."""

    def __init__(self, side: str, folder: Path, quality: str, device: str, env: dict[str, str]) -> None:
        self._folder = folder / f"{side}-{quality}"
        self._options = {
            "engine": "totalsegmentator", "quality": quality, "device": device, "formats": ["seg"],
        }  # fmt: skip
        self._child = subprocess.Popen(
            [sys.executable, "-m", "AutoSegPipelineLib.processing.worker"], env=env,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._meter = Meter(self._child.pid)
        self._seconds: list[float] = []
        self._timings: list[dict[str, float]] = []
        self._cpu_of_first = 0.0
        self._networks: list[Any] = []

    def case(self, scan: Path) -> None:
        """Have a scan segmented."""
        stdin, stdout = self._child.stdin, self._child.stdout
        assert stdin is not None and stdout is not None
        number = len(self._seconds)
        out = Path(f"{self._folder}-{number}")
        case = {
            "kind": "scan", "path": str(scan), "modality": "CT", "stem": "case", "out": str(out),
            "work": str(out / "work"), "options": self._options,
        }  # fmt: skip
        begin = time.perf_counter()
        stdin.write(to_line({"type": "case", "job": str(number), "attempt": 1, "case": case}))
        stdin.flush()
        while True:
            message = from_line(stdout.readline())
            if message["type"] in ("done", "failed"):
                break
        if message["type"] == "failed":
            raise SystemExit(f"the worker failed: {message['error']}")
        self._seconds.append(time.perf_counter() - begin)
        self._timings.append(unpack("result", message)["timings"])
        manifest = json.loads((out / "case.manifest.json").read_text(encoding="utf-8"))
        # An older library says nothing of them.
        self._networks = manifest["engines"][0]["facts"].get("networks", [])
        if number == 0:
            self._meter.look()
            self._cpu_of_first = self._meter.cpu

    def end(self) -> dict[str, Any]:
        """Stop it; its figures, the first case's apart."""
        self._meter.look()
        cpu = self._meter.cpu - self._cpu_of_first
        assert self._child.stdin is not None
        self._child.stdin.close()
        self._child.wait()
        self._meter.stop()
        later = self._timings[1:]
        parts = {what: sum(one.get(what, 0.0) for one in later) for what in later[-1]}
        return {
            "first": self._seconds[0], "seconds": self._seconds[1:], "cpu": cpu,
            "peak_mb": self._meter.peak_mb, "parts": parts, "networks": self._networks,
        }  # fmt: skip
