"""Events of the pipeline as lines of text, and counted."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

from ..core import states
from ..core.events import (
    AlarmRaised,
    Event,
    JobAdded,
    JobChanged,
    JobEnded,
    PipelinePaused,
    PipelineResumed,
    WebFailed,
    WebServing,
)
from ..core.job import Job
from ..core.store import Store
from .output import safe
from .program import named
from .tables import STYLES, duration, news, took

_MANY = 10  # files added at once; more are shown as a number
_LONG_SECONDS = 30.0  # how often a long case is reported without a display
_ADDED = "added"
ERROR = "error"


@dataclass(frozen=True)
class Line:
    """``kind`` is added, error or other; ``style`` a rich style."""

    kind: str
    text: str
    style: str = ""


@dataclass
class Narrator:
    """Turns events into lines; the store says what the events leave out.

    After a full disk the pipeline opens its store again, so ``open_store`` is asked each time.
    """

    open_store: Callable[[], Store]
    results: Path
    page: str = ""  # address of the web page
    files_to_come: Callable[[], int] = lambda: 0  # files of the inbox that are not complete yet
    # added, done, failed, refused, cancelled, all of this run
    counts: Counter[str] = field(default_factory=Counter)
    _states: dict[str, str] = field(default_factory=dict)
    _lines: list[Line] = field(default_factory=list)
    _shown_at: dict[str, float] = field(default_factory=dict)

    @property
    def store(self) -> Store:
        """The store that the pipeline has open now."""
        return self.open_store()

    def hear(self, event: Event) -> None:
        """Take in one event; cheap, so that thousands at once do no harm."""
        if isinstance(event, JobAdded):
            self._added(event.job_id)
        elif isinstance(event, JobChanged):
            self._changed(event)
        elif isinstance(event, JobEnded):
            self._ended(event)
        elif isinstance(event, PipelinePaused):
            code = "" if event.code == "request" else f" ({event.code})"
            self.say(f"paused: {event.reason}{code}", "yellow", error=bool(code))
        elif isinstance(event, PipelineResumed):
            self.say("resumed")
        elif isinstance(event, AlarmRaised):
            self.say(f"attention: {event.message} ({event.code})", "bold yellow", error=True)
        elif isinstance(event, WebServing):
            self.page = event.url
            self.say(f"page     {event.url}", "bold")
        elif isinstance(event, WebFailed):
            self.page = ""
            self.say(f"no web page: {event.message} ({event.code}) {event.hint}", "bold red", error=True)

    def say(self, text: str, style: str = "", error: bool = False) -> None:
        """Add a line of one's own; an ``error`` is shown with --quiet too."""
        self._lines.append(Line(ERROR if error else "other", safe(named(text)), style))

    def take(self) -> list[Line]:
        """The lines since the last time; many additions in a row became one."""
        lines, self._lines = self._lines, []
        shown: list[Line] = []
        start = 0
        while start < len(lines):
            end = start
            while end < len(lines) and lines[end].kind == _ADDED:
                end += 1
            if end - start > _MANY:
                shown.append(Line(_ADDED, f"{end - start} new files added"))
                start = end
            else:
                shown.append(lines[start])
                start += 1
        return shown

    def waiting(self) -> int:
        """Jobs that wait for their turn."""
        counts = self.store.jobs.counts()
        return sum(counts[state] for state in states.WAITING)

    def running(self) -> list[Job]:
        """Jobs that are worked on now."""
        return self.store.jobs.list(states.RUNNING)

    def idle(self) -> str:
        """Why nothing is worked on now."""
        paused = self.store.meta.get("paused")
        if paused:
            return safe(f"paused: {paused.get('reason') or paused.get('code')}")
        if self.waiting():
            return "starting the next case"
        files = self.files_to_come()
        return f"{files} file{'s' if files > 1 else ''} arriving" if files else "waiting for scans"

    def long_cases(self) -> list[Line]:
        """How far the running cases are, each at most every half a minute."""
        now, lines = time.monotonic(), []
        for job in self.running():
            if now - self._shown_at.setdefault(job.id, now) >= _LONG_SECONDS:
                self._shown_at[job.id] = now
                left = f", {duration(job.eta_s)} left" if job.eta_s is not None else ""
                text = f"{job.label}: {job.state}, {job.progress:.0%}{left}"
                lines.append(Line("other", safe(text)))
        return lines

    def _added(self, job_id: str) -> None:
        if job_id in self._states:
            return
        self.counts[_ADDED] += 1
        self._states[job_id] = states.RECEIVING
        job = self.store.jobs.find(job_id)
        if job is not None:
            self._lines.append(Line(_ADDED, safe(f"new file added: {job.label or job.input}")))

    def _changed(self, event: JobChanged) -> None:
        if event.job_id not in self._states and event.state == states.RECEIVING:
            self._added(event.job_id)
        before = self._states.get(event.job_id)
        if before == event.state or event.state in states.ENDS:
            return
        job = self.store.jobs.find(event.job_id)
        if job is None or job.state != event.state:
            return  # it has moved on already; the event before or after reports it
        self._states[event.job_id] = event.state
        if event.state == states.QUEUED and before in states.RUNNING:
            reason = f": {job.message}" if job.message else ""
            self.say(f"{job.label} goes back to the queue{reason}", "yellow")
        elif event.state in states.RUNNING and before not in states.RUNNING:
            waiting = self.waiting()
            queue = f"; {waiting} in the queue" if waiting else ""
            self.say(f"processing {job.label}{queue}", STYLES[event.state])

    def _ended(self, event: JobEnded) -> None:
        self.counts[event.state] += 1
        self._states.pop(event.job_id, None)
        self._shown_at.pop(event.job_id, None)
        job = self.store.jobs.find(event.job_id)
        if job is not None:
            wrong = job.state in (states.FAILED, states.REFUSED)
            self.say(ending(job, self.results), STYLES.get(job.state, ""), error=wrong)


def ending(job: Job, results: Path) -> str:
    """How a job ended, in one line."""
    label = job.label or job.input
    if job.state == states.DONE:
        seconds = took(job)
        spent = f" in {duration(seconds)}" if seconds is not None else ""
        cached = " (from the cache)" if job.cached_from else ""
        folder = job.folder(results)
        shown = next((o["name"] for o in job.outputs if o.get("kind") == "gltf"), "")
        warned = f"; {news(job)}" if job.warnings else ""
        return f"done {label}{spent}{cached}: {folder / shown}{warned}"
    error = job.error or {}
    if job.state == states.CANCELLED or not error:
        return f"{job.state} {label}"
    text = f"{job.state} {label}: {error.get('message')} ({error.get('code')})"
    return named(f"{text} {error.get('hint', '')}".rstrip())
