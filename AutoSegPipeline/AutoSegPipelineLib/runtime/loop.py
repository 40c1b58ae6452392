"""What the parts need of the loop that the pipeline runs on, and of whoever begins queued cases."""

from __future__ import annotations

from typing import Protocol


class Loop(Protocol):
    """The pipeline: it gives a slice of the Qt loop to each part that has work."""

    def wake(self) -> None:
        """Some part has work now."""


class Dispatcher(Protocol):
    """The scheduler, for the parts that make room or bring a case."""

    def dispatch(self) -> None:
        """Begin as many queued cases as there are free workers."""
