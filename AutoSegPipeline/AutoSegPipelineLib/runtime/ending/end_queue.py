"""Cases that a worker is done with; each has a slice of the loop, because its end waits for the disk."""

from __future__ import annotations

from collections import deque

from ...core.job import Job
from ..loop import Loop


class EndQueue:
    """Filled by the scheduler, emptied by the finisher.

    A job in the state ``publishing`` is to be published; any other has ended.
    """

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._jobs: deque[Job] = deque()

    def add(self, job: Job) -> None:
        """The row of ``job`` already says ``publishing`` or how it ended."""
        self._jobs.append(job)
        self._loop.wake()

    def next(self) -> Job:
        """Take the oldest one."""
        return self._jobs.popleft()

    def clear(self) -> None:
        """Forget all; the disk says where to go on from."""
        self._jobs.clear()

    def __bool__(self) -> bool:
        return bool(self._jobs)
