"""Follows the jobs: one that is done and names peers gets a send for each, one that is purged loses them."""

from __future__ import annotations

import logging
from pathlib import Path

from ...core import states
from ...core.files import remove_tree
from ...core.home import Home
from ...core.job import Job
from ...core.pacs.store import PacsStore
from ...core.store import Store

log = logging.getLogger(__name__)

FOLDER = "pacs-sends"  # below state/
_SEEN = "sends.revision"
_AT_ONCE = 200


def folder_of(home: Home, number: int) -> Path:
    """Where the objects of a send lie until the peer has acknowledged them."""
    return home.state / FOLDER / str(number)


class Outbox:
    """Sees each change of a job once, also those of the time when no dicom child ran."""

    def __init__(self, home: Home, store: Store, pacs: PacsStore) -> None:
        self._home = home
        self._store = store
        self._pacs = pacs
        self._version = -1
        self._seen = int(pacs.note(_SEEN) or 0)
        if self._seen > store.revision():  # the store is an older copy of what it was
            self._seen = 0

    def follow(self) -> None:
        """Take note of what has changed since the last call."""
        version = self._store.data_version()
        if version == self._version:
            return
        while self._page():
            pass
        self._version = version

    def _page(self) -> bool:
        """Whether there may be more."""
        until = self._store.revision()
        jobs = self._store.jobs.list((states.DONE,), since=self._seen, limit=_AT_ONCE)
        more = len(jobs) == _AT_ONCE
        if more:
            until = jobs[-1].revision
        gone = [job_id for job_id, at in self._store.jobs.tombstones(self._seen) if at <= until]
        wanted = [job for job in jobs if peers_of(job)]
        # Without them nothing is written: looking at the same jobs after the next start costs less.
        if wanted or gone:
            with self._pacs.transaction():
                for job in wanted:
                    for peer in peers_of(job):
                        self._pacs.sends.want(job.id, peer, job.times[states.DONE], job.submitted_by)
                numbers = [number for job_id in gone for number in self._pacs.sends.forget(job_id)]
                self._pacs.set_note(_SEEN, str(until))
            for number in numbers:
                remove_tree(folder_of(self._home, number))
        self._seen = until
        return more


def peers_of(job: Job) -> list[str]:
    """The peers that the options of a job name, each once."""
    named = job.options.get("send_to") or ()
    return list(dict.fromkeys(str(one) for one in named))
