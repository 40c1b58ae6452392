"""Whether workers start on the other machines; new bundles wait where they do not."""

from __future__ import annotations

import time

from ..core.errors import PipelineError

_MOST_UNCLAIMED = 3
_FIRST_PAUSE, _LONGEST_PAUSE = 60.0, 3600.0
_TAIL = 600  # characters of a job's last words that a message holds


class Starts:
    """Counts jobs that end before they take a case.

    A worker that cannot even start (a Python, a module or an engine is missing on the machine) gives all
    its cases back at once. Without a pause they would be copied and submitted again for ever.
    """

    def __init__(self) -> None:
        self._until = 0.0
        self._trouble: PipelineError | None = None
        self._unclaimed = 0  # bundles in a row
        self._pause = _FIRST_PAUSE

    @property
    def trouble(self) -> PipelineError | None:
        """Why nothing new should come now, None where it may."""
        return self._trouble if time.monotonic() < self._until else None

    def claimed(self) -> None:
        """A worker took a case: workers do start."""
        self._unclaimed, self._pause = 0, _FIRST_PAUSE

    def unclaimed(self, reason: str, said: str) -> None:
        """A job ended for ``reason`` before it took a case; ``said`` are its last lines, maybe none."""
        self._unclaimed += 1
        if self._unclaimed < _MOST_UNCLAIMED or self.trouble is not None:
            return
        text = f"{self._unclaimed} jobs in a row ended before they took a case: {reason}"
        if said:
            text += f"; the last one wrote: {said[-_TAIL:].strip()}"
        self._until, self._trouble = (
            time.monotonic() + self._pause,
            PipelineError("cluster.worker_failed", text),
        )
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)
