"""Without a main window the pipeline's news go to standard output, as `autoseg serve` tells them."""

from __future__ import annotations

import sys
from typing import Callable

from ..runtime import qt
from .panel.feed import Feed
from .panel.status_line import News
from .session import Session

_TICK_MS = 500


class StdoutNarrator:
    """Prints a line for each thing that happens from now on."""

    def __init__(self, session: Session, tell: Callable[[str], object] | None = None) -> None:
        self._tell = tell or _print
        self._feed = Feed(session)
        self._news = News()
        self._timer = qt.make_timer(_TICK_MS, self._tick)
        self._tick()

    def _tick(self) -> None:
        changed, _moved = self._feed.read()
        for sentence in self._news.hear(changed, quietly=not self._feed.caught_up):
            self._tell(sentence)
        if not self._feed.more:
            self._feed.caught_up = True

    def close(self) -> None:
        """Say no more."""
        self._timer.stop()
        self._feed.close()


def _print(text: str) -> None:
    print(text, file=sys.stdout, flush=True)
