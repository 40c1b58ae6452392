"""One bundle's worker on one event loop: its process, its signals and what a person reads of it."""

from __future__ import annotations

import logging
import os
import signal
from contextlib import contextmanager
from typing import Iterator

from ..core.bundles.claims import scheduler_job, this_process
from ..core.bundles.layout import Bundle, BundledCase, Outcome
from ..core.clock import SystemClock
from ..core.home import Home, discard, throw_away_home
from ..core.lock import HomeLock
from ..core.settings import Settings
from ..runtime import qt
from ..runtime.bundles.worker import BundleWorker, Ending
from ..runtime.processes.child_kinds import WORKER
from ..runtime.wiring import real_spawns
from .collecting import state_of
from .output import Output, safe
from .signals import Signals
from .tables import duration

log = logging.getLogger(__name__)
CTRL_C = 128 + signal.SIGINT


@contextmanager
def private_folder(bundle: Bundle) -> Iterator[Home]:
    """A home on this machine for temporary files alone; one that a killed worker left goes by itself."""
    home = throw_away_home(bundle.path)
    home.state.mkdir(mode=0o700, parents=True)
    lock = HomeLock(home.lock)
    lock.acquire("worker")
    try:
        yield home
    finally:
        lock.release()
        discard(home)


class BundleHost:
    """Works on one bundle until its worker ends."""

    def __init__(self, bundle: Bundle, settings: Settings, output: Output, stale_seconds: float) -> None:
        self._bundle = bundle
        self._settings = settings
        self._output = output
        self._stale_seconds = stale_seconds
        self._total = len(bundle.read().cases)
        self._ending: Ending | None = None
        self._heard = 0
        self.cases: list[dict[str, object]] = []

    def run(self) -> Ending:
        """Work; raises what the bundle's list and the settings raise."""
        application = qt.application()
        with private_folder(self._bundle) as home:
            worker = BundleWorker(
                self._bundle, real_spawns(home, self._settings)[WORKER], self._settings, home.work,
                this_process(scheduler_job(os.environ)), SystemClock(), self, self._stale_seconds,
            )  # fmt: skip
            self._application, self._worker = application, worker
            signals = Signals(self._signal)
            try:
                worker.start()
                qt.run_loop(application)
            finally:
                signals.close()
        assert self._ending is not None
        return self._ending

    def _signal(self, name: str) -> None:
        self._heard += 1
        number = getattr(signal, name, signal.SIGINT)
        # Ctrl+Break and a closed console are Windows' Ctrl+C.
        code = CTRL_C if name == "SIGBREAK" or not hasattr(signal, name) else 128 + int(number)
        self._worker.interrupt(code, f"ended by {name}; the case at hand is left to another worker")
        if self._heard > 1 and name != "SIGHUP":  # a closed terminal sends two of those
            os._exit(code)

    # --- what the worker says -------------------------------------------------------------

    def began(self, case: BundledCase, left: int) -> None:
        """A line for the case."""
        self._output.note(f"{safe(case.order.stem)} begins ({left} of {self._total} left)")

    def ended(self, case: BundledCase, outcome: Outcome) -> None:
        """A line for its result."""
        error = outcome.error or {}
        name, took = safe(case.order.stem), duration(outcome.seconds)
        self.cases.append(
            {
                "job": case.job,
                "attempt": case.attempt,
                "name": case.order.stem,
                "state": state_of(outcome),
                "seconds": outcome.seconds,
                "error": outcome.error,
            }
        )
        if outcome.ok:
            self._output.note(f"{name} done in {took}", "green")
        else:
            self._output.note(
                f"{name} {state_of(outcome)}: {error.get('message')} ({error.get('code')})", "red"
            )

    def note(self, text: str) -> None:
        """A line."""
        self._output.note(safe(text), "yellow")

    def finished(self, ending: Ending) -> None:
        """Leave the loop."""
        self._ending = ending
        self._application.quit()
