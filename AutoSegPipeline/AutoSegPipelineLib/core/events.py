"""What happened, as frozen facts in the past tense, and a bus that hands them out."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Callable

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Event:
    """The base of every fact."""


@dataclass(frozen=True)
class JobAdded(Event):
    job_id: str


@dataclass(frozen=True)
class JobChanged(Event):
    """A job entered ``state`` (maybe the same one, with news in progress or message)."""

    job_id: str
    state: str
    progress: float
    message: str


@dataclass(frozen=True)
class InputCopied(Event):
    """The files of a caller who keeps them are staged; ``sha256`` has the hash of each."""

    job_id: str
    sha256: tuple[str, ...]


@dataclass(frozen=True)
class JobEnded(Event):
    """A job reached one of the ends."""

    job_id: str
    state: str


@dataclass(frozen=True)
class PipelinePaused(Event):
    """``code`` is an ``environment.*`` code or ``request`` when a person asked."""

    code: str
    reason: str


@dataclass(frozen=True)
class PipelineResumed(Event):
    pass


@dataclass(frozen=True)
class AlarmRaised(Event):
    """Something that an administrator should look at; the pipeline goes on."""

    code: str
    message: str


@dataclass(frozen=True)
class WebServing(Event):
    """The web page answers at ``url``."""

    url: str


@dataclass(frozen=True)
class WebFailed(Event):
    """There is no web page until a person changes something; the pipeline goes on."""

    code: str
    message: str
    hint: str


Listener = Callable[[Any], None]


class EventBus:
    """Calls every listener with every event; a failing listener is logged and never harms the job."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Add ``listener``; the answer removes it again."""
        self._listeners.append(listener)

        def unsubscribe() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return unsubscribe

    def publish(self, event: Event) -> None:
        """Hand ``event`` to everybody."""
        for listener in list(self._listeners):
            try:
                listener(event)
            except Exception:  # a listener's fault must not become the job's
                # Not the event itself: its message may hold what a file or series is called.
                log.exception("a listener failed on %s", type(event).__name__)
