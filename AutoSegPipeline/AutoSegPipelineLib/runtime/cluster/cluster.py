"""Cases on other machines: sends bundles and takes what becomes of each case.

The store alone says which attempt of a case is out, and in which bundle; the cluster child is told again
after each of its starts and of ours. A message about any other attempt is ignored.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import Generator

from ...core import states
from ...core.cluster_settings import NONE, JobSize
from ...core.errors import PipelineError
from ...core.events import AlarmRaised
from ...core.job import Job
from ...core.messages.child_messages import Log
from ...core.messages.cluster_messages import (
    AllSent,
    CaseAt,
    CaseBack,
    CaseDone,
    CaseFailed,
    CaseSettled,
    GiveUpCase,
    PackCase,
    SendBundle,
)
from ...core.messages.reader import plain, read
from ...core.protocol import Envelope
from ..conditions import Conditions
from ..context import Context
from ..ending.publisher import Publisher
from ..job_logs import JobLogs
from ..loop import Loop
from ..processes.child import Spawn
from ..queue.case_ends import CaseEnds
from ..queue.case_message import CaseMessages
from .choice import Choice, Chosen
from .cluster_forecast import ClusterForecast
from .cluster_host import ClusterHost
from .returns import Returns

log = logging.getLogger(__name__)

_BUNDLE = "bundle"  # in a job's staged facts while it is out: the bundle's name and size
_SAVE_EVERY = 1.0


class Cluster:
    """Owns the jobs that are out. ``has_work`` and ``step`` are its slices of the loop."""

    def __init__(
        self, context: Context, conditions: Conditions, publisher: Publisher, case_messages: CaseMessages,
        choice: Choice, forecast: ClusterForecast, case_ends: CaseEnds, logs: JobLogs, spawn: Spawn | None,
        loop: Loop,
    ) -> None:  # fmt: skip
        self._context = context
        self._conditions = conditions
        self._publisher = publisher
        self._returns = Returns(context, publisher, case_ends, forecast, logs)
        self._case_messages = case_messages
        self._choice = choice
        self._case_ends = case_ends
        self._logs = logs
        self._loop = loop
        self._host = ClusterHost(context, spawn, self._on_hello, self._on_message)
        self._out: dict[str, Job] = {}
        self._saved: dict[str, float] = {}
        self._steps: deque[Generator[None, None, bool]] = deque()
        self._heard: deque[Envelope] = deque()  # ends of cases, each a slice of its own
        self._ready = False
        self._complained = ""  # of which setting
        self._stopped = False

    # --- begin and end ------------------------------------------------------------------------

    @property
    def _wanted(self) -> bool:
        return bool(self._context.settings["cluster"] != NONE)

    def takes_up(self, job: Job) -> bool:
        """At the start: whether ``job`` is out, so that its attempt goes on; else it is here again."""
        if self._wanted and _BUNDLE in job.staged:
            self._out[job.id] = job
            return True
        job.staged.pop(_BUNDLE, None)  # it was out when the cluster was switched off
        return False

    def look(self) -> None:
        """Every two seconds: does the child run as the settings say, can a bundle leave?"""
        if self._stopped:
            return
        if self._wanted:
            self._host.run_by(self._context.settings)
            self._choose()
        elif self._host.wanted:
            self._host.stop_clean()
            self._ready = False
            self._steps.append(self._take_back())
            self._loop.wake()

    def _take_back(self) -> Generator[None, None, bool]:
        for job in list(self._out.values()):
            if self._out.get(job.id) is job:
                self._leave(job)
                self._returns.queue(job, "The cluster was switched off.")
                yield
        return False

    def stop(self) -> None:
        """The child ends; what is out stays out, until the next start takes it up."""
        self._stopped = True
        self._steps.clear()
        self._heard.clear()
        self._host.stop()

    def abandon(self) -> None:
        """End the child and write nothing, as if this process had died."""
        self._stopped = True
        self._steps.clear()
        self._heard.clear()
        self._out.clear()
        self.kill()

    def kill(self) -> None:
        """End the child at once."""
        self._host.kill()

    @property
    def ended(self) -> bool:
        """Whether there is no child."""
        return self._host.ended

    # --- sending ------------------------------------------------------------------------------

    @property
    def has_work(self) -> bool:
        """Whether :meth:`step` would do something."""
        return bool(self._heard or self._steps)

    def step(self) -> None:
        """One slice: the end of a case, a few cases that are chosen, or one that is sent."""
        if self._heard:
            self._take(self._heard.popleft())
            return
        try:
            next(self._steps[0])
        except StopIteration as end:
            self._steps.popleft()
            if end.value:
                self._choose()  # the next bundle at once, so that those of one size leave as one array

    def _on_hello(self) -> None:
        """A new child: it hears of everything that is out, also in the middle of a bundle being sent."""
        self._ready = False
        self._steps.append(self._send_again())
        self._loop.wake()

    def _send_again(self) -> Generator[None, None, bool]:
        bundles: dict[str, JobSize] = {}
        for job in list(self._out.values()):
            if self._out.get(job.id) is job:
                note = job.staged[_BUNDLE]
                bundles[note["name"]] = read(JobSize, note["size"])
                self._pack(job)
                yield
        for name, size in bundles.items():
            self._host.send(SendBundle(name, size))
        self._host.send(AllSent())
        self._ready = True
        return True

    def _choose(self) -> None:
        out = {job.staged[_BUNDLE]["name"] for job in self._out.values()}
        free = self._context.settings["cluster_bundles"] - len(out)
        held = self._conditions.paused is not None or self._host.state.code
        if free <= 0 or held or self._steps or not (self._ready and self._host.listens):
            return
        self._steps.append(self._send_next(free))
        self._loop.wake()

    def _send_next(self, free: int) -> Generator[None, None, bool]:
        """Choose a bundle and send it; whether one was sent."""
        try:
            chosen = yield from self._choice.next(free)
        except PipelineError as error:
            self._complain(error)
            return False
        self._complained = ""
        if chosen is None:
            return False
        begun = 0
        for job_id, expected in chosen.jobs:
            if not self._host.listens:
                break  # the next child hears of those that left
            job = self._context.store.jobs.find(job_id)
            if job is not None and job.state == states.QUEUED and not job.cancel:
                self._begin(job, chosen, expected)
                begun += 1
            yield
        if begun:
            self._host.send(SendBundle(chosen.bundle, chosen.size))
        return begun > 0

    def _complain(self, error: PipelineError) -> None:
        """A setting is wrong; said once, not at every look."""
        if error.message != self._complained:
            self._complained = error.message
            log.error("%s", error)
            self._context.bus.publish(AlarmRaised("cluster.configuration", error.message))

    def _begin(self, job: Job, chosen: Chosen, expected: float | None) -> None:
        job.attempt += 1
        job.progress, job.eta_s, job.where, job.cached_from = 0.0, expected, "", None
        job.staged[_BUNDLE] = {"name": chosen.bundle, "size": plain(chosen.size)}
        self._conditions.durably(lambda: self._context.enter(job, states.PREPARING, "Leaves for the cluster"))
        self._out[job.id] = job
        self._pack(job)

    def _pack(self, job: Job) -> None:
        order = self._case_messages.order(job, self._publisher.fetched(job), 0, cached=False)
        self._host.send(PackCase(job.staged[_BUNDLE]["name"], plain(order)), job.id, job.attempt)

    # --- hearing ------------------------------------------------------------------------------

    def _on_message(self, envelope: Envelope) -> None:
        message, job = envelope.message, self._of(envelope)
        if job is None:
            return
        if isinstance(message, Log):
            self._logs.write(job.id, message.level, message.text)
        elif isinstance(message, CaseAt):
            self._on_at(job, message)
        else:
            self._heard.append(envelope)
            self._loop.wake()

    def _of(self, envelope: Envelope) -> Job | None:
        """The job that is out, where the message is about this attempt at it."""
        job = self._out.get(envelope.job)
        return None if job is None or job.attempt != envelope.attempt or self._stopped else job

    def _take(self, envelope: Envelope) -> None:
        message, job = envelope.message, self._of(envelope)
        if job is None:
            return
        if isinstance(message, CaseDone):
            self._leave(job)
            self._returns.done(job, message)
        elif isinstance(message, CaseFailed):
            self._leave(job)
            self._returns.failed(job, message)
        elif isinstance(message, CaseBack):
            self._leave(job)
            self._returns.back(job, message)
        self._host.send(CaseSettled(), job.id, job.attempt)

    def _on_at(self, job: Job, message: CaseAt) -> None:
        now = self._context.clock.monotonic()
        said = message.message or job.message
        changed = message.where != job.where or said != job.message  # perhaps the last for a long time
        due = changed or now - self._saved.get(job.id, -_SAVE_EVERY) >= _SAVE_EVERY
        job.where, job.eta_s = message.where, message.eta_s if message.eta_s is not None else job.eta_s
        job.progress = min(max(message.fraction, 0.0), 1.0)
        job.message = said
        if due:
            self._saved[job.id] = now
            self._conditions.durably(lambda: self._context.store.jobs.save(job, durable=False))
        self._case_ends.stage(job, message.stage, job.message)

    def _leave(self, job: Job) -> None:
        """It is no longer out; the caller writes the row."""
        self._out.pop(job.id, None)
        self._saved.pop(job.id, None)
        job.staged.pop(_BUNDLE, None)

    # --- commands -----------------------------------------------------------------------------

    def cancel(self, job: Job) -> bool:
        """End ``job`` where it is out, whether or not the cluster can be reached; False where it is not."""
        out = self._out.get(job.id)
        if out is None:
            return False
        self._host.send(GiveUpCase(), out.id, out.attempt)
        self._leave(out)
        self._case_ends.cancelled(out)
        return True

    def reprioritise(self, job_id: str, priority: int) -> bool:
        """Note a new priority of a case that is out, whose row is ours; False where it is not."""
        job = self._out.get(job_id)
        if job is None:
            return False
        job.priority = priority
        self._context.store.jobs.save(job)
        return True
