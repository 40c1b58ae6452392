"""Reports for parts of a stage, and which share of a case each stage is."""

from __future__ import annotations

from ..core.progress import Report


class Portion:
    """A report whose 0..1 is ``start``..``end`` of ``report``'s current stage."""

    def __init__(self, report: Report, start: float, end: float) -> None:
        self._report = report
        self._start = start
        self._width = end - start

    def stage(self, state: str, message: str = "") -> None:
        """Stages belong to the case; a part only passes its message on."""
        self._report.progress(self._start, message)

    def progress(self, fraction: float, message: str = "") -> None:
        """``fraction`` 0..1 of this portion."""
        self._report.progress(self._start + self._width * min(max(fraction, 0.0), 1.0), message)

    def log(self, text: str, level: str = "info") -> None:
        """One line for the case's log."""
        self._report.log(text, level)

    def check(self) -> None:
        """Raise ``Cancelled`` when somebody asked for it."""
        self._report.check()


# Shares of the wall clock, from runs of a small and a clinical CT on two cores.
_SEGMENTED = {"preparing": (0.0, 0.05), "segmenting": (0.05, 0.6), "exporting": (0.6, 1.0)}
_READ_ONLY = {"preparing": (0.0, 0.1), "segmenting": (0.1, 0.1), "exporting": (0.1, 1.0)}


def stage_share(state: str, engine_runs: bool) -> tuple[float, float]:
    """From where to where in the case (0..1) the stage ``state`` goes."""
    return (_SEGMENTED if engine_runs else _READ_ONLY)[state]
