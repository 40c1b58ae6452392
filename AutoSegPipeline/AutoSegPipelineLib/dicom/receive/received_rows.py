"""Keeps the table ``received`` as what is in the spool; once a second, because many instances come in one."""

from __future__ import annotations

from ...core.clock import Clock
from ...core.pacs.config import PacsConfig
from ...core.pacs.received import COMING, DONE, LEFT_OUT, WAITING, ReceivedSeries
from ...core.pacs.store import PacsStore
from .series_folder import SeriesFolder


class ReceivedRows:
    """``note`` writes only what has changed."""

    def __init__(self, store: PacsStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._noted: dict[str, tuple[object, ...]] = {}

    def note(self, live: list[SeriesFolder], config: PacsConfig) -> None:
        """The rows of ``live``, and when each peer last sent something."""
        changed = []
        for one in live:
            row = _row(one, self._clock.now())
            facts = (row.state, row.version, row.instances, row.bytes, row.note)
            if self._noted.get(one.key) != facts:
                self._noted[one.key] = facts
                changed.append(row)
        if not changed:
            return
        for row in changed:
            self._store.received.note(row)
        senders = {row.calling for row in changed if row.state == COMING}
        for name, peer in config.peers.items():
            if peer.title in senders:
                self._store.peers.received(name)
        self._noted = {one.key: self._noted[one.key] for one in live}


def _row(series: SeriesFolder, now: float) -> ReceivedSeries:
    origin, note = series.note.origin, series.note
    state = COMING if series.has_open else WAITING if series.pending else LEFT_OUT if series.problem else DONE
    version = series.closed + 1 if series.has_open else series.closed
    return ReceivedSeries(
        series.key, origin.called, origin.calling, origin.address, origin.study, origin.series, state,
        version, series.instances, series.bytes, note.jobs, series.problem, now, now,
    )  # fmt: skip
