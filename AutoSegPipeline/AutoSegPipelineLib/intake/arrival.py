"""When a file that lies in the inbox has arrived. Pure: ``now`` comes in, no I/O.

A file's own times are never compared with a clock of ours (a share's server may
live in another hour); they only have to stay what they were.
"""

from __future__ import annotations

from dataclasses import dataclass

WAITING = "waiting"  # changed lately, or incomplete: look again later
RESTED = "rested"  # two equal stats a settle time apart: ask whether it is complete
ARRIVED = "arrived"  # rested and complete by its own format: take it
TRUNCATED = "truncated"  # incomplete and unchanged for too long: refuse it
STALE = "stale"  # it changed after it was examined: the answer is worth nothing


@dataclass
class _Seen:
    size: int
    mtime_ns: int
    since: float  # first time that this very stat was seen
    complete: bool | None = None


class Arrivals:
    """The arrival rule for every path of one inbox.

    ``settle_seconds`` is the distance of the two equal stats,
    ``truncated_seconds`` how long an incomplete file may lie unchanged.
    """

    def __init__(self, settle_seconds: float = 5.0, truncated_seconds: float = 900.0) -> None:
        self.settle_seconds = settle_seconds
        self.truncated_seconds = truncated_seconds
        self._seen: dict[str, _Seen] = {}

    def feed(
        self, path: str, size: int, mtime_ns: int, now: float, complete: bool | None = None,
        settle_seconds: float | None = None,
    ) -> str:  # fmt: skip
        """What ``path`` is at ``now`` (monotonic seconds), after one more stat.

        ``complete`` is the examination's word on exactly this ``size`` and
        ``mtime_ns`` (``None``: not examined now; the last word on the same stat
        still counts). ``settle_seconds`` overrides for a slower file system.
        """
        settle = self.settle_seconds if settle_seconds is None else settle_seconds
        seen = self._seen.get(path)
        if seen is None or (seen.size, seen.mtime_ns) != (size, mtime_ns):
            changed = seen is not None and complete is not None
            self._seen[path] = _Seen(size, mtime_ns, now)
            return STALE if changed else WAITING
        if complete is not None:
            seen.complete = complete
        rested = now - seen.since
        if rested < settle:
            return WAITING
        if seen.complete:
            return ARRIVED
        if seen.complete is None:
            return RESTED
        if rested >= max(settle, self.truncated_seconds):
            # One more look decides: a companion may have come without touching this file.
            return TRUNCATED if complete is False else RESTED
        return WAITING

    def ask_again(self, path: str) -> None:
        """Forget what the examination said (it was locked, or a companion came), not how long it rests."""
        if path in self._seen:
            self._seen[path].complete = None

    def forget(self, path: str) -> None:
        """It was taken, or it is gone."""
        self._seen.pop(path, None)

    def next_look(self, now: float) -> float | None:
        """Seconds until some path may have rested; ``None`` when nothing waits."""
        if not self._seen:
            return None
        return max(0.0, min(seen.since + self.settle_seconds - now for seen in self._seen.values()))

    def __len__(self) -> int:
        return len(self._seen)
