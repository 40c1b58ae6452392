"""One case of a bundle at this worker: its inputs checked, computed, its answer heard."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Callable, Iterator, Protocol

from ...core import ladder
from ...core.bundles.claims import Claim, Owner
from ...core.bundles.layout import BundledCase, Outcome
from ...core.bundles.packing import checked_inputs
from ...core.clock import Clock
from ...core.errors import PipelineError, from_dict
from ...core.files import disk_error, remove_tree
from ...core.messages.child_messages import Done, Failed, Log, Progress, Stage
from ...core.protocol import Envelope
from ...core.resolved import qualities
from .. import qt
from ..conditions import GPU_GONE
from ..processes.child import Exit
from .engine_process import DESCRIBE, EngineProcess
from .notes import Notes
from .outcomes import AtHand, bad, ended_early, good

MOST_DEATHS = 2  # ends of the engine's process over one case; whoever made the bundle may try elsewhere
_SLICE_SECONDS = 0.05
_REMOVED_SECONDS = 60.0  # so long the share must show no such case: it may also be away


class Worker(Protocol):
    """Who has the case, and hears once how it went."""

    def has_outcome(self, outcome: Outcome) -> None:
        """It ended, well or not."""

    def is_lost(self) -> None:
        """Another worker took it over."""

    def in_trouble(self, error: PipelineError) -> None:
        """The share, a disk or memory of the machine is at fault: the case may be tried again."""

    def cannot_work(self, error: PipelineError) -> None:
        """This machine is at fault, and the next case would fare alike."""


class CaseRun:
    """From the claim to the outcome; after the worker knows it, nothing more happens here."""

    def __init__(
        self,
        worker: Worker,
        claim: Claim,
        case: BundledCase,
        engine: EngineProcess,
        notes: Notes,
        owner: Owner,
        clock: Clock,
        work: Path,
        steps_down: bool,
        count_memory_kills: Callable[[], int],
    ) -> None:
        """``work`` is a local folder for temporary files; ``steps_down``: use the ladder."""
        source = case.order.source
        self.claim = claim
        self.case = case
        self._worker = worker
        self._engine = engine
        self._notes = notes
        self._owner = owner
        self._clock = clock
        self._work = work / claim.folder.name
        self._steps_down = steps_down
        self._memory_kills = count_memory_kills
        self._kills_before = 0
        self._at_hand = AtHand(owner, case.order.options, list(source.ladder) if source else [])
        self._started = clock.monotonic()
        self._checking: Iterator[None] | None = None
        self._described: dict[str, object] | None = None
        self._cancelled = False
        self._lost = False
        self._missing_since: float | None = None
        self._over = False

    @property
    def key(self) -> tuple[str, int]:
        """Job and attempt."""
        return (self.case.job, self.case.attempt)

    def begin(self) -> None:
        """Check the inputs, then compute."""
        self._notes.stage("checking")
        self._checking = checked_inputs(self.claim.folder, self.case)
        self._check()

    def _check(self) -> None:
        """Read inputs for a moment; heartbeats and signals have their turn between two moments."""
        checking = self._checking
        if self._over or checking is None:
            return
        if self._cancelled or self._lost:
            self._given_up()
            return
        until = self._clock.monotonic() + _SLICE_SECONDS
        try:
            for _ in checking:
                if self._clock.monotonic() >= until:
                    qt.single_shot(0, self._check)
                    return
        except PipelineError as error:
            self._fail(error)
            return
        except OSError as error:
            self._trouble(error)
            return
        self._checking = None
        self._compute()

    def _compute(self) -> None:
        self._started, self._kills_before = self._clock.monotonic(), self._memory_kills()
        try:
            self.claim.empty()
            remove_tree(self._work)
            self._work.mkdir(mode=0o700, parents=True)
            order = self.claim.folder.order(self.case, self.claim.making, self._work)
            source = replace(order.source, ladder=self._at_hand.ladder) if order.source else None
            self._engine.run(replace(order, options=self._at_hand.options, source=source), self.key)
        except PipelineError as error:
            self._fail(error)
        except OSError as error:
            self._trouble(error)

    # --- hearing --------------------------------------------------------------------------

    def heard(self, envelope: Envelope) -> None:
        """What the engine's process says."""
        message = envelope.message
        if self._over:
            return
        if envelope.job == DESCRIBE and isinstance(message, (Done, Failed)):
            self._described = (message.result if isinstance(message, Done) else None) or {}
            self._step_down()
        elif envelope.key != self.key:
            return
        elif isinstance(message, Stage):
            self._notes.stage(message.state, message.message)
        elif isinstance(message, Progress):
            self._notes.progress(message.fraction, message.message)
        elif isinstance(message, Log):
            self._notes.log(message.level, message.text)
        elif isinstance(message, Done):
            self._done(message)
        elif isinstance(message, Failed):
            self._failed(message)

    def _done(self, message: Done) -> None:
        try:
            outcome = good(self._at_hand, message.result, self.claim.making, self._seconds)
        except PipelineError as error:
            self._fail(error)
        except OSError as error:
            self._trouble(error)
        else:
            self._tell(lambda: self._worker.has_outcome(outcome))

    def _failed(self, message: Failed) -> None:
        error = from_dict(message.error)
        self._at_hand.used = message.used or {}
        self._notes.log("error", str(error))
        if self._cancelled or self._lost:
            self._given_up()
        elif error.code == GPU_GONE:
            self._tell(lambda: self._worker.cannot_work(error))
        elif error.is_environment:
            self._tell(lambda: self._worker.in_trouble(error))
        elif error.code == "engine.no_memory" or self._memory_ran_out:
            self._no_memory()
        else:
            self._fail(error)

    def engine_ended(self, end: Exit, hung: bool) -> None:
        """The engine's process ended by itself, or was killed for this case."""
        if self._over or self._checking is not None:
            return  # the next one starts when the case is computed
        self._notes.log("error", f"the engine's process ended: {end.how}\n{end.stderr_tail}".rstrip())
        if self._cancelled or self._lost:
            self._given_up()
        elif end.failed_to_start or not end.began:
            error = PipelineError("worker.not_started", f"the engine's process cannot start ({end.how})")
            self._tell(lambda: self._worker.cannot_work(error))
        elif self._memory_ran_out:
            self._no_memory()
        else:
            self._at_hand.deaths += 1
            if self._at_hand.deaths < MOST_DEATHS:
                self._again()
            else:
                self._fail(ended_early(end, hung, self._at_hand.deaths))

    def look(self) -> None:
        """Now and then: whether somebody cancelled the case or took it over."""
        if self._over:
            return
        try:
            self._lost = self._lost or self.claim.is_lost()
            self._cancelled = self._cancelled or self.claim.folder.is_cancelled
            self._missing_since = None
        except FileNotFoundError:
            now = self._clock.monotonic()
            self._missing_since = now if self._missing_since is None else self._missing_since
            self._lost = now - self._missing_since >= _REMOVED_SECONDS
        except OSError:
            pass  # a share that is away says nothing
        if self._lost or self._cancelled:
            self._engine.cancel(self.key)

    # --- memory ---------------------------------------------------------------------------

    @property
    def _memory_ran_out(self) -> bool:
        return self._memory_kills() > self._kills_before

    def _no_memory(self) -> None:
        if self._steps_down and self._described is None:
            self._engine.describe()  # which qualities the task has
        else:
            self._step_down()

    def _step_down(self) -> None:
        now, rung = self._at_hand, None
        if self._steps_down:
            have = qualities(self._described or {}, now.options, self.case.order.modality or "")
            rung = ladder.next_rung(now.options, have, now.used.get("device", ""))
        if rung is None:
            self._fail(PipelineError("engine.no_memory", "the memory did not suffice for this case"), True)
            return
        now.options, sentence = rung
        now.ladder = [*now.ladder, sentence]
        self._notes.log("warning", sentence)
        self._again()

    def _again(self) -> None:
        self._at_hand.tries += 1
        self._compute()

    # --- ends -----------------------------------------------------------------------------

    @property
    def _seconds(self) -> float:
        return self._clock.monotonic() - self._started

    def _fail(self, error: PipelineError, memory: bool = False) -> None:
        self._notes.log("error", str(error))
        outcome = bad(self._at_hand, error, self._seconds, memory)
        try:
            self.claim.empty()
        except OSError as trouble:
            self._trouble(trouble)
        else:
            self._tell(lambda: self._worker.has_outcome(outcome))

    def _given_up(self) -> None:
        if self._lost:
            self._tell(self._worker.is_lost)
        else:
            self._fail(PipelineError("job.cancelled", "It was cancelled."))

    def _trouble(self, error: OSError) -> None:
        known = disk_error(error, str(error.filename or self.claim.making))
        self._tell(lambda: self._worker.in_trouble(known))

    def _tell(self, how: Callable[[], None]) -> None:
        self._over, self._checking = True, None
        how()

    def close(self) -> None:
        """Nothing more is wanted of the case: remove its temporary files."""
        self._over, self._checking = True, None
        with suppress(OSError):
            remove_tree(self._work)
