"""How many bytes of one account are waiting: being uploaded, or of cases that have not ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...core import states
from ...core.incoming import folder_of, read_intent
from ..context import WebContext
from .upload_store import UploadStore

if TYPE_CHECKING:
    from .incoming_request import IncomingRequest

_LOOK_SECONDS = 2.0
_WAITING = tuple(state for state in states.ALL if state not in states.ENDS)


class Quota:
    """Counts what is under way; asks the store, not more often than needed, for what waits."""

    def __init__(self, context: WebContext, book: UploadStore) -> None:
        self._context = context
        self._book = book
        self._drops: dict[str, IncomingRequest] = {}
        self._sizes: dict[str, int] = {}  # job -> bytes, of those that wait
        self._owners: dict[str, int] = {}
        self._looked = float("-inf")
        self._revision = -1

    def begin(self, drop: IncomingRequest) -> None:
        """A request is about to bring bytes."""
        self._drops[drop.id] = drop

    def end(self, drop: IncomingRequest) -> None:
        """That request is over."""
        self._drops.pop(drop.id, None)

    def note(self, job_id: str, size: int) -> None:
        """So many bytes became this job, which saves a look into its folder."""
        self._sizes[job_id] = size
        self._looked = float("-inf")

    def is_under_way(self, drop_id: str) -> bool:
        """Whether a request is filling this folder."""
        return drop_id in self._drops

    @property
    def under_way(self) -> int:
        """How many requests are bringing files."""
        return len(self._drops)

    def promised(self) -> int:
        """Bytes that everybody together has announced and that have not arrived."""
        requests = sum(max(0, drop.announced - drop.arrived) for drop in self._drops.values())
        return requests + self._book.promised()

    def waiting(self, owner: str) -> int:
        """Bytes of ``owner`` in all stages."""
        drops = (drop for drop in self._drops.values() if drop.owner == owner)
        requests = sum(max(drop.announced, drop.arrived) for drop in drops)
        return requests + self._book.waiting(owner) + self._of_jobs(owner)

    def _of_jobs(self, owner: str) -> int:
        now, revision = self._context.clock.monotonic(), self._context.store.revision()
        if revision != self._revision and now - self._looked >= _LOOK_SECONDS:
            self._looked, self._revision = now, revision
            self._look()
        return self._owners.get(owner, 0)

    def _look(self) -> None:
        sizes: dict[str, int] = {}
        owners: dict[str, int] = {}
        for job in self._context.store.jobs.list(_WAITING):
            if job.door != "web" or job.parent:
                continue  # parts of an archive share its bytes
            sizes[job.id] = self._sizes[job.id] if job.id in self._sizes else self._staged(job.id)
            owners[job.submitted_by] = owners.get(job.submitted_by, 0) + sizes[job.id]
        self._sizes, self._owners = sizes, owners

    def _staged(self, job_id: str) -> int:
        intent = read_intent(folder_of(self._context.home, job_id))
        return sum(one.size for one in intent.files) if intent else 0
