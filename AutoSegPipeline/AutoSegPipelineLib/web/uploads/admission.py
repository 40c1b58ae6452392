"""Whether bytes may come in: limits of one request, the quota of an account, room on the disk."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ...core import states
from ...core.errors import PipelineError
from ...core.incoming import Intent, folder_of, read_intent
from ...core.options_check import check_at_the_door
from ...intake.received.client_input import CaseRequest
from ...intake.received.handover import check_free
from ..config import WebConfig
from ..context import WebContext

DOOR = "web"
_MB = 1 << 20
_LOOK_SECONDS = 2.0
_WAITING = tuple(state for state in states.ALL if state not in states.ENDS)


@dataclass(frozen=True)
class Limits:
    """Bytes, counts and seconds, from the settings."""

    upload_bytes: int  # of one file, one request and one batch
    files: int  # of one request and one batch
    quota_bytes: int  # of one account: under way, or waiting for their end
    min_free_bytes: int  # that always stay free on the disk
    expire_seconds: float

    @classmethod
    def of(cls, config: WebConfig) -> Limits:
        """The limits of one web child."""
        return cls(
            config.upload_max_mb * _MB,
            config.upload_max_files,
            config.upload_quota_mb * _MB,
            config.disk_min_free_mb * _MB,
            config.upload_expire_hours * 3600,
        )

    def check_size(self, size: int, what: str) -> None:
        """Raise ``request.too_large`` above the limit of one upload."""
        if size > self.upload_bytes:
            raise PipelineError(
                "request.too_large",
                f"{what} is larger than {self.upload_bytes // _MB} MB (upload_max_mb)",
                status=413,
            )

    def check_count(self, count: int) -> None:
        """Raise ``request.too_large`` above the limit of files at once."""
        if count > self.files:
            raise PipelineError(
                "request.too_large", f"more than {self.files} files at once (upload_max_files)", status=413
            )

    def check_quota(self, waiting: int, size: int) -> None:
        """Raise ``web.upload_quota`` where ``size`` more bytes are too many beside those ``waiting``."""
        if waiting + size > self.quota_bytes:
            raise PipelineError(
                "web.upload_quota",
                f"{waiting // _MB} MB of yours are waiting; with {size // _MB} MB more it would be above "
                f"{self.quota_bytes // _MB} MB (upload_quota_mb)",
            )

    def check_disk(self, folder: Path, size: int = 0) -> None:
        """Raise ``environment.disk_full`` where ``size`` more bytes would leave too little free."""
        check_free(folder, self.min_free_bytes, size)


@dataclass(eq=False)
class Allowance:
    """The bytes that one request may bring: ``announced`` by its client (0: unknown), ``received`` so far."""

    owner: str
    announced: int
    received: int = 0
    id: str = field(default_factory=lambda: uuid.uuid4().hex)  # the name of its folder


class Announced(Protocol):
    """A resumable upload, as far as it counts: ``length`` bytes of which ``offset`` have arrived."""

    id: str
    owner: str
    length: int
    offset: int


class Tally:
    """Resumable uploads that are no job yet, as sums: ten thousand slices ask for them as often."""

    def __init__(self) -> None:
        self._bytes: dict[str, int] = {}  # by owner
        self._uploads: dict[str, int] = {}
        self._open: dict[str, Announced] = {}

    def add(self, upload: Announced, is_open: bool) -> None:
        """Count it; ``is_open`` while bytes are missing."""
        self._count(upload, 1)
        if is_open:
            self._open[upload.id] = upload

    def remove(self, upload: Announced) -> None:
        """It counts no more."""
        self._count(upload, -1)
        self._open.pop(upload.id, None)

    def _count(self, upload: Announced, sign: int) -> None:
        self._bytes[upload.owner] = self.bytes_of(upload.owner) + sign * upload.length
        self._uploads[upload.owner] = self.uploads_of(upload.owner) + sign

    def bytes_of(self, owner: str) -> int:
        """What ``owner`` has announced."""
        return self._bytes.get(owner, 0)

    def uploads_of(self, owner: str) -> int:
        """How many of ``owner`` there are."""
        return self._uploads.get(owner, 0)

    def to_come(self) -> int:
        """Bytes that are missing, of everybody."""
        return sum(one.length - one.offset for one in self._open.values())


@dataclass
class _JobBytes:
    """What waits in jobs, as the store said it last."""

    by_job: dict[str, int] = field(default_factory=dict)
    by_owner: dict[str, int] = field(default_factory=dict)
    looked: float = float("-inf")
    revision: int = -1


class Admission:
    """Counts what is under way; asks the store, not more often than needed, for what waits."""

    def __init__(self, context: WebContext) -> None:
        self.tally = Tally()
        self.limits = Limits.of(context.config)
        self._context = context
        self._open: dict[str, Allowance] = {}
        self._jobs = _JobBytes()

    def check_options(self, request: CaseRequest) -> None:
        """Raise for what no engine here can do; rules and the pipeline itself look at it again."""
        if request.expect != "segmentation":
            check_at_the_door(self._context.store.meta, request.options)

    def check(self, owner: str, size: int) -> None:
        """Raise where ``size`` more bytes of ``owner`` may not come in."""
        self.limits.check_size(size, "The upload")
        paused = self._context.store.meta.get("paused")
        if paused and paused["code"] == "environment.disk_full":
            raise PipelineError(paused["code"], paused["reason"], status=507)
        promised = sum(max(0, one.announced - one.received) for one in self._open.values())
        self.limits.check_disk(self._context.home.state, size + promised + self.tally.to_come())
        self.limits.check_quota(self.waiting(owner), size)

    # --- requests that bring files ------------------------------------------------------------

    def open(self, allowance: Allowance) -> None:
        """Count a request that is about to bring bytes, until :meth:`close`."""
        self._open[allowance.id] = allowance

    def take(self, allowance: Allowance, size: int) -> None:
        """So many bytes have come. Raises ``request.too_large`` and ``web.upload_quota``."""
        allowance.received += size
        self.limits.check_size(allowance.received, "The upload")
        if allowance.received > allowance.announced:
            # Chunked: nobody said how much would come.
            self.limits.check_quota(self.waiting(allowance.owner), 0)

    def close(self, allowance: Allowance) -> None:
        """That request is over."""
        self._open.pop(allowance.id, None)

    @property
    def is_busy(self) -> bool:
        """Whether any request is bringing files."""
        return bool(self._open)

    def is_open(self, request_id: str) -> bool:
        """Whether that request is bringing files."""
        return request_id in self._open

    # --- the quota -----------------------------------------------------------------------------

    def note(self, intents: list[Intent]) -> None:
        """These are about to be jobs; knowing their bytes saves a look into their folders."""
        for intent in intents:
            self._jobs.by_job[intent.id] = sum(one.size for one in intent.files)
        self._jobs.looked = float("-inf")

    def waiting(self, owner: str) -> int:
        """Bytes of ``owner`` in all stages."""
        requests = sum(max(one.announced, one.received) for one in self._open.values() if one.owner == owner)
        return requests + self.tally.bytes_of(owner) + self._of_jobs(owner)

    def _of_jobs(self, owner: str) -> int:
        now, revision = self._context.clock.monotonic(), self._context.store.revision()
        if revision != self._jobs.revision and now - self._jobs.looked >= _LOOK_SECONDS:
            self._jobs = self._look(now, revision)
        return self._jobs.by_owner.get(owner, 0)

    def _look(self, now: float, revision: int) -> _JobBytes:
        found = _JobBytes(looked=now, revision=revision)
        for job in self._context.store.jobs.list(_WAITING):
            if job.door != DOOR or job.parent:
                continue  # parts of an archive share its bytes
            known = self._jobs.by_job.get(job.id)
            size = self._staged(job.id) if known is None else known
            found.by_job[job.id] = size
            found.by_owner[job.submitted_by] = found.by_owner.get(job.submitted_by, 0) + size
        return found

    def _staged(self, job_id: str) -> int:
        intent = read_intent(folder_of(self._context.home, job_id))
        return sum(one.size for one in intent.files) if intent else 0
