"""Processes the cases of one bundle until each has a result or nothing is left to do here."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Protocol

from ...core.bundles.claims import STALE_SECONDS, Claim, Owner
from ...core.bundles.layout import Bundle, BundledCase, Outcome
from ...core.clock import Clock
from ...core.errors import PipelineError
from ...core.files import disk_error, remove_tree
from ...core.messages.worker_messages import CaseOrder
from ...core.protocol import Envelope
from ...core.settings import Settings
from .. import qt
from ..processes.child import Exit, Spawn
from .case_run import CaseRun
from .choice import Choice
from .engine_process import EngineProcess
from .memory_kills import memory_kills
from .notes import HEARTBEAT_SECONDS, Notes
from .outcomes import AtHand, bad

# Exit codes; those of signals are 128 and the signal's number.
ALL_HAVE_RESULTS, TROUBLE, CASES_LEFT = 0, 1, 3
PATIENCE_SECONDS = 60.0  # trouble with the share or a disk that lasts longer ends the worker
_TICK_MS = 1000
_END_SECONDS = 10.0  # a process that does not end for so long is left to the system


@dataclass(frozen=True)
class Ending:
    """Why the worker ends: its exit code and a sentence."""

    code: int
    text: str
    error: PipelineError | None = None


class Listener(Protocol):
    """Hears what happens."""

    def began(self, case: BundledCase, left: int) -> None:
        """A case begins; ``left`` others had no result when they were last looked at."""

    def ended(self, case: BundledCase, outcome: Outcome) -> None:
        """A case has a result, good or bad."""

    def note(self, text: str) -> None:
        """Something that a person should know."""

    def finished(self, ending: Ending) -> None:
        """The last call: no process is left."""


class BundleWorker:
    """Everything happens on the Qt loop; ``listener`` hears what comes of it."""

    def __init__(
        self,
        bundle: Bundle,
        spawn: Spawn,
        settings: Settings,
        work: Path,
        owner: Owner,
        clock: Clock,
        listener: Listener,
        stale_seconds: float = STALE_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS,
        count_memory_kills: Callable[[], int] = memory_kills,
    ) -> None:
        """``work`` is a local folder for temporary files. Raises ``environment.bundle_damaged``."""
        self._bundle = bundle
        self._listed = bundle.read()
        self._work = work
        self._owner = owner
        self._clock = clock
        self._listener = listener
        self._patience = patience_seconds
        self._memory_kills = count_memory_kills
        self._choice = Choice(bundle, self._listed, owner, clock, stale_seconds)
        self._notes = Notes(bundle, owner, clock)
        self._engine = EngineProcess(spawn, settings, self._heard, self._log, self._engine_ended)
        self._run: CaseRun | None = None
        self._ending: Ending | None = None
        self._waiting = False
        self._troubled_since: float | None = None
        self._beat_at = -HEARTBEAT_SECONDS
        self._timer = qt.make_timer(_TICK_MS, self._tick, start=False)
        self._last_alarm = qt.make_alarm(self._finish)
        self._finished = False

    def start(self) -> None:
        """Begin."""
        self._timer.start()
        self._tick()
        qt.single_shot(0, self._next)

    def interrupt(self, code: int, text: str) -> None:
        """End now: the engine's processes are killed, the case at hand is for somebody else."""
        self._end(Ending(code, text))
        self._engine.kill()

    # --- choosing -------------------------------------------------------------------------

    def _next(self) -> None:
        if self._ending is not None or self._run is not None:
            return
        self._waiting = False
        try:
            if self._bundle.is_stopped:
                self._nothing_more("the bundle was stopped")
                return
            claim = self._choice.take()
        except OSError as error:
            self.in_trouble(disk_error(error, str(self._bundle.path / "cases")))
            return
        if claim is not None:
            self._begin(claim)
        elif self._choice.waits:
            self._waiting = True
        else:
            self._nothing_more("other workers are at them")

    def _nothing_more(self, why: str) -> None:
        left, total = self._choice.left, len(self._listed.cases)
        if left:
            self._end(Ending(CASES_LEFT, f"{left} of {total} cases have no result yet: {why}"))
        else:
            self._end(Ending(ALL_HAVE_RESULTS, "each case has a result"))

    def _begin(self, claim: Claim) -> None:
        self._notes.begin(claim)
        try:
            case, broken = claim.folder.read(), None
        except PipelineError as error:
            case, broken = _nameless(claim), error
        except OSError as error:
            case, broken = _nameless(claim), disk_error(error, str(claim.folder.path))
        self._run = CaseRun(
            self, claim, case, self._engine, self._notes, self._owner, self._clock, self._work,
            self._listed.ladder, self._memory_kills,
        )  # fmt: skip
        self._run.look()
        self._listener.began(case, self._choice.left)
        if broken is None:
            self._run.begin()
            return
        if broken.code != "environment.bundle_damaged":
            self.in_trouble(broken)
            return
        self._run.close()
        self._notes.log("error", str(broken))
        try:
            claim.empty()
        except OSError as error:
            self.in_trouble(disk_error(error, str(claim.making)))
        else:
            self.has_outcome(bad(AtHand(self._owner, {}, []), broken, 0.0))

    # --- hearing --------------------------------------------------------------------------

    def _heard(self, envelope: Envelope) -> None:
        if self._run is not None:
            self._run.heard(envelope)

    def _log(self, text: str) -> None:
        self._notes.log("worker", text)

    def _engine_ended(self, end: Exit, hung: bool) -> None:
        if self._run is not None and self._ending is None:
            self._run.engine_ended(end, hung)

    # --- how a case went ------------------------------------------------------------------

    def has_outcome(self, outcome: Outcome) -> None:
        """Publish it, and again for a while where the share does not take it."""
        self._troubled_since = None  # what was computed has all our patience
        self._publish(outcome)

    def _publish(self, outcome: Outcome) -> None:
        run = self._run
        if run is None or self._ending is not None:
            return
        try:
            published = run.claim.publish(outcome)
        except OSError as error:
            known = disk_error(error, str(run.claim.making))
            if not self._is_patient(known):
                self._end(Ending(TROUBLE, known.message, known))
            else:
                qt.single_shot(self._pause_ms, lambda: self._publish(outcome))
            return
        self._troubled_since = None
        if published:
            self._listener.ended(run.case, outcome)
            self._case_is_over(True)
        else:
            self.is_lost()

    def is_lost(self) -> None:
        """Another worker took the case over."""
        if self._run is not None:
            with suppress(OSError):
                remove_tree(self._run.claim.making)
            self._listener.note(f"{self._run.case.order.stem}: another worker took it over, or it is gone")
            self._choice.put_back(self._run.claim.folder)  # its new worker may vanish, too
        self._case_is_over(False)

    def _case_is_over(self, has_result: bool) -> None:
        run, self._run = self._run, None
        if run is not None:
            run.close()
        self._notes.end(has_result)
        self._engine.case_is_over()
        qt.single_shot(0, self._next)

    def in_trouble(self, error: PipelineError) -> None:
        """Let go of the case and try again for a while."""
        patient = self._is_patient(error)
        self._release()
        if patient:
            qt.single_shot(self._pause_ms, self._next)
        else:
            self._end(Ending(TROUBLE, error.message, error))

    def _is_patient(self, error: PipelineError) -> bool:
        if self._troubled_since is None:
            self._troubled_since = self._clock.monotonic()
            self._listener.note(f"waits: {error.message}")
        return self._clock.monotonic() - self._troubled_since < self._patience

    @property
    def _pause_ms(self) -> int:
        """A second at first, ten after a while."""
        lasted = self._clock.monotonic() - (self._troubled_since or 0.0)
        return int(1000 * min(max(1.0, lasted / 2), 10.0))

    def cannot_work(self, error: PipelineError) -> None:
        """Another machine may do better."""
        self._release()
        self._end(Ending(TROUBLE, error.message, error))

    def _release(self) -> None:
        """Let somebody else have the case at hand."""
        run, self._run = self._run, None
        if run is None:
            return
        run.close()
        self._notes.end(False)
        self._choice.put_back(run.claim.folder)
        with suppress(OSError):
            run.claim.release()

    # --- time, and the end ----------------------------------------------------------------

    def _tick(self) -> None:
        now = self._clock.monotonic()
        if now - self._beat_at >= HEARTBEAT_SECONDS:
            self._beat_at = now
            self._notes.heartbeat()
        self._notes.tick()
        if self._run is not None:
            self._run.look()
        if self._waiting:
            self._next()

    def _end(self, ending: Ending) -> None:
        if self._ending is None:
            self._ending = ending
            self._engine.quit()
            self._last_alarm.start(int(_END_SECONDS * 1000))
            qt.single_shot(0, self._finish_when_gone)

    def _finish_when_gone(self) -> None:
        if self._engine.is_gone:
            self._finish()
        elif not self._finished:
            qt.single_shot(20, self._finish_when_gone)

    def _finish(self) -> None:
        if self._finished or self._ending is None:
            return
        self._finished = True
        self._timer.stop()
        self._last_alarm.stop()
        self._release()  # not before: the engine's process might still write
        self._notes.heartbeat()
        self._listener.finished(self._ending)


def _nameless(claim: Claim) -> BundledCase:
    """A case of which nothing but its folder can be read."""
    name = claim.folder.name
    return BundledCase(0, name, 0, CaseOrder("", "", name, "", ""))
