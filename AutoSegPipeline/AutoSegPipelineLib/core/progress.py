"""What a long computation tells about itself, and how it learns that it should stop."""

from __future__ import annotations

from typing import Callable, Protocol

Check = Callable[[], None]  # raises :class:`~.errors.Cancelled` when somebody asked for it


def no_check() -> None:
    """Nobody can ask for a stop."""


class Report(Protocol):
    """Handed to whatever takes time; every method may raise :class:`~.errors.Cancelled`."""

    def stage(self, state: str, message: str = "") -> None:
        """A new stage begins: ``preparing``, ``segmenting`` or ``exporting``."""

    def progress(self, fraction: float, message: str = "") -> None:
        """``fraction`` 0..1 of the current stage."""

    def log(self, text: str, level: str = "info") -> None:
        """One line for the case's log."""

    def check(self) -> None:
        """Raise :class:`~.errors.Cancelled` when somebody asked for it."""


class SilentReport:
    """A report that nobody reads; for callers without a display and for tests."""

    def stage(self, state: str, message: str = "") -> None:
        return

    def progress(self, fraction: float, message: str = "") -> None:
        return

    def log(self, text: str, level: str = "info") -> None:
        return

    def check(self) -> None:
        return
