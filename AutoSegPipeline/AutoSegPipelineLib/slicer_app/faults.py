"""What went wrong since a person last asked for something: of several files each may fail."""

from __future__ import annotations

from ..core.errors import PipelineError

SHOWN = 5


class Faults:
    """Errors in the order in which they were met, to be shown as one."""

    def __init__(self) -> None:
        self._met: list[PipelineError] = []

    def clear(self) -> None:
        """A person goes on: what was shown is read."""
        self._met.clear()

    def add(self, error: PipelineError) -> PipelineError:
        """Keep ``error``; all of them as one, with the newest messages and the last one's code and hint."""
        self._met.append(error)
        lines = [one.message for one in self._met[-SHOWN:]]
        more = len(self._met) - len(lines)
        if more:
            lines.insert(0, f"{more} more before:")
        return PipelineError(error.code, "\n".join(lines), error.hint)
