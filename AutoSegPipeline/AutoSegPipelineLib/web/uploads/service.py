"""What all uploads of one web child share, and how each of them ends."""

from __future__ import annotations

from typing import Any

from ...core.incoming import Intent
from ...intake.received.handover import PLAN, Handover
from ..context import WebContext
from ..documents import job_document
from .admission import DOOR, Admission
from .file_writer import DiskThreads
from .upload_store import DONE, Upload, UploadStore


class Uploads:
    """One for an application; its methods run in the event loop, the disk's work in ``disk``."""

    def __init__(self, context: WebContext) -> None:
        self.context = context
        self.store = UploadStore(context.home)
        self.admission = Admission(context, self.store)
        self.limits = self.admission.limits
        self.disk = DiskThreads()
        self.handover = Handover(context.home, DOOR, self.store.folder, self.limits.min_free_bytes)

    @property
    def now(self) -> float:
        return self.context.clock.now()

    @property
    def expires(self) -> float:
        """When an upload ends that is touched now."""
        return self.now + self.limits.expire_seconds

    def jobs_of(self, upload: Upload) -> list[dict[str, Any]]:
        """The jobs that an upload became, as far as they are still known."""
        found = (self.context.store.jobs.find(job_id) for job_id in upload.jobs)
        return [job_document(self.context, job) for job in found if job is not None]

    async def settle(self, upload: Upload, intents: list[Intent]) -> None:
        """``upload`` became jobs: note which, and forget the files that its batch brought."""
        self.store.enter(upload, DONE)
        upload.jobs = [one.id for one in intents]
        upload.offset = upload.length
        self.store.take_checksums(upload)

        def write() -> None:
            self.store.write(upload, durable=True)
            (self.store.folder_of(upload.id) / PLAN).unlink(missing_ok=True)

        await self.disk.run(write)
        if upload.kind == "batch":
            for one in list(self.store.batch(upload.owner, upload.batch).members.values()):
                if one.id != upload.id:
                    await self.remove(one)

    async def remove(self, upload: Upload) -> None:
        """Forget an upload and its bytes."""
        self.store.forget(upload)
        self.store.take_checksums(upload)
        await self.disk.run(self.store.discard, upload)
