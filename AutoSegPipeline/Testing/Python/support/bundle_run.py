"""A bundle's worker in the process of a test, with the fake engine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Callable

from AutoSegPipelineLib.core.bundles import claims
from AutoSegPipelineLib.core.bundles.layout import Bundle, BundledCase, CaseFolder, Outcome
from AutoSegPipelineLib.core.clock import SystemClock
from AutoSegPipelineLib.core.settings import Settings
from AutoSegPipelineLib.runtime.bundles.worker import (
    BundleWorker,
    Ending,
)
from AutoSegPipelineLib.runtime.processes.child import Child
from AutoSegPipelineLib.runtime.processes.child_command import child_environment

from support.pipeline import FAKE_WORKER
from support.qt import run_until

WAIT = 60.0
RUNS: list[Run] = []


class Run:
    """A worker in this process; what it says is kept."""

    def __init__(self, bundle: Bundle, tmp: Path, hung_seconds: float | None = None, **more: Any) -> None:
        self.begun: list[str] = []
        self.outcomes: dict[str, Outcome] = {}
        self.notes: list[str] = []
        self.ending: Ending | None = None
        self.work = tmp / "work"
        self.fakes = tmp / "fakes.log"

        def spawn(on_message: Any, on_log: Any, on_end: Any, on_hung: Any = None) -> Child:
            self.work.mkdir(exist_ok=True)
            env = child_environment(self.work, {"FAKE_WORKER_LOG": str(self.fakes)})
            command = [sys.executable, str(FAKE_WORKER)]
            return Child(
                command, env, on_message, on_log, on_end, cancel_seconds=1.0,
                hung_seconds=hung_seconds, on_hung=on_hung,
            )  # fmt: skip

        settings = more.pop("settings", Settings.defaults())
        owner = more.pop("owner", claims.this_process())
        clock = more.pop("clock", SystemClock())
        self.worker = BundleWorker(bundle, spawn, settings, self.work, owner, clock, self, **more)
        RUNS.append(self)

    def began(self, case: BundledCase, left: int) -> None:
        self.begun.append(case.order.stem)

    def ended(self, case: BundledCase, outcome: Outcome) -> None:
        self.outcomes[case.order.stem] = outcome

    def note(self, text: str) -> None:
        self.notes.append(text)

    def finished(self, ending: Ending) -> None:
        self.ending = ending

    def until_end(self, start: bool = True) -> Ending:
        if start:
            self.worker.start()
        run_until(lambda: self.ending is not None, WAIT)
        assert self.ending is not None
        return self.ending

    def until(self, what: Callable[[], Any]) -> None:
        self.worker.start()
        run_until(what, WAIT)

    @property
    def processes(self) -> list[str]:
        """The pid that each case was computed by."""
        return (
            [line.split()[3] for line in self.fakes.read_text().splitlines()] if self.fakes.exists() else []
        )


def folders(bundle: Bundle) -> list[CaseFolder]:
    return [bundle.folder(entry) for entry in bundle.read().cases]


def code_of(outcome: Outcome) -> str:
    return str((outcome.error or {}).get("code"))
