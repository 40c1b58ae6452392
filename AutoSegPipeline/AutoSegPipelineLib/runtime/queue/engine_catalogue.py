"""What the workers' engines are and can do: asked at each start, and again when it may have changed."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from ...core import engines
from ...core.events import AlarmRaised
from ...core.messages.child_messages import Done, Failed, Message
from ...core.resolved import gpus
from ..context import Context

log = logging.getLogger(__name__)
META = "describe"
PATIENCE_SECONDS = 120.0  # afterwards nobody waits for an answer any more
OLD_SECONDS = 30.0
# A worker that ends while it describes itself is replaced and asked again after a wait that doubles.
FIRST_WAIT, LONGEST_WAIT = 2.0, 600.0
ALARM_AFTER = 3


class EngineCatalogue:
    """The answer of this run, and whether anybody should still wait for it.

    ``stale``: the engines or their tasks have changed since, and no worker has answered again.

    The store's ``meta["describe"]`` is for readers elsewhere; it may be of an earlier start,
    with other packages, so the pipeline itself trusts only what it asked for.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self.known: dict[str, object] | None = None
        self.had_gpus = 0  # the most that any answer of this run named
        self._asked_at: float | None = None
        self.answered_at = -1.0  # by the monotonic clock
        self._given_up = False
        self._seen = self._look()  # of what the answer depends on, when it was asked for
        self._losses = 0  # workers in a row that ended over the question
        self._ask_from = float("-inf")
        self.stale = False

    @property
    def pending(self) -> bool:
        """Whether a worker was asked and has not answered yet."""
        return self._asked_at is not None

    @property
    def settled(self) -> bool:
        """Whether cases may go on: it is known, or it will not be known soon."""
        if self.known is not None or self._given_up:
            return True
        late = self._asked_at is not None and self._age(self._asked_at) > PATIENCE_SECONDS
        if late:
            log.error(
                "no worker described its engines within %g s; options are checked later", PATIENCE_SECONDS
            )
            self._given_up = True
        return late

    @property
    def wanted(self) -> bool:
        """Whether a worker that starts should be asked."""
        return self.known is None and not self.pending

    @property
    def fresh(self) -> bool:
        """Whether the answer is of this moment."""
        return self.known is not None and not self.stale and self._age(self.answered_at) < OLD_SECONDS

    @property
    def must_wait(self) -> bool:
        """Whether the last worker that was asked ended over it, not long enough ago to ask another."""
        return self._context.clock.monotonic() < self._ask_from

    def _age(self, since: float) -> float:
        return self._context.clock.monotonic() - since

    def _look(self) -> list[int]:
        """When what decides about engines and tasks was changed last; 0 for what is not there."""
        return [_changed_at(path) for path in engines.watched(self._context.settings.values)]

    def look(self) -> None:
        """Every two seconds: whether a model was added or removed since a worker was asked."""
        if self.stale and not self._losses:
            return
        if self._look() != self._seen:
            self._losses, self._ask_from = 0, float("-inf")  # what ended the workers may be gone
            if self.known is not None and not self.stale:
                self.stale = True
                self._context.store.meta.set(META, {**self.known, "stale": True})

    def asked(self) -> None:
        """A worker was asked."""
        self._seen, self.stale = self._look(), False
        self._asked_at = self._context.clock.monotonic()

    def lost(self, how: str) -> None:
        """The worker that was asked has ended without a word; another is asked later, ever more rarely."""
        self._asked_at, self._given_up = None, True
        self.stale = True  # what it would have said is still to be asked
        self._losses += 1
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(self._losses - 1, 20))
        self._ask_from = self._context.clock.monotonic() + wait
        log.error("a worker ended while it described its engines (%s); asked again in %g s", how, wait)
        if self._losses == ALARM_AFTER:
            text = (
                f"{ALARM_AFTER} workers in a row ended while they described their engines ({how}); a package "
                f"or a model may be broken. What is known of engines and models is old; a worker is asked "
                f"again after {wait:g} s, then ever more rarely, and at once when models change"
            )
            self._context.bus.publish(AlarmRaised("engine.not_described", text))

    def take(self, message: Message) -> None:
        """The answer, or that there is none."""
        if isinstance(message, Done):
            # The number tells a reader elsewhere that the answer is not of an earlier pipeline.
            self.known = {**(message.result or {}), "pipeline": os.getpid()}
            self.had_gpus = max(self.had_gpus, gpus(self.known))
            self.answered_at = self._context.clock.monotonic()
            self._losses = 0
            if self.known != self._context.store.meta.get(META):
                self._context.store.meta.set(META, self.known)
        elif isinstance(message, Failed):
            log.error("the worker cannot describe its engines: %s", message.error)
            self._given_up = True
        else:
            return
        self._asked_at = None

    @property
    def for_now(self) -> dict[str, object]:
        """The answer of this run, else the last one that the store has."""
        return self.known or self._context.store.meta.get(META) or {}


def _changed_at(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
