"""What all uploads of one web child share, and how each of them ends: as jobs, or not."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from ...core.errors import from_dict
from ...core.incoming import Intent
from ...core.job import Job
from ...intake.received.grouping import ReceivedFile
from ...intake.received.handover import PLAN, Handed, Handover, ask_to_adopt
from ..ask import is_running
from ..context import WebContext
from ..documents import job_document
from .admission import DOOR, Admission
from .file_writer import DiskThreads
from .upload_store import DONE, Upload, UploadStore

ANSWER_SECONDS = 10.0
_FIRST_LOOK, _LAST_LOOK = 0.02, 0.2


@dataclass
class Outcome:
    """Jobs in their public form; ``taken`` is False where the pipeline has not answered yet."""

    jobs: list[dict[str, Any]]
    taken: bool = True
    files: list[ReceivedFile] = field(default_factory=list)


class Uploads:
    """One for an application; its methods run in the event loop, the disk's work in ``disk``."""

    def __init__(self, context: WebContext) -> None:
        self.context = context
        self.admission = Admission(context)
        self.store = UploadStore(context.home, self.admission.tally)
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

    async def adopted(
        self, handed: Handed, files: list[ReceivedFile], seconds: float = ANSWER_SECONDS
    ) -> Outcome:
        """The jobs of ``handed``, and whether the pipeline has taken all of them.

        What it has not taken is taken when it can, at the latest at its next start; until then the job
        is shown as it will be.
        """
        self.admission.note(handed.intents)
        intents, requests = handed.intents, self.context.store.requests
        asked = ask_to_adopt(self.context.store, intents if handed.carried else [])
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        waiting, answers, pause = list(reversed(asked)), dict[str, Any](), _FIRST_LOOK
        while waiting:
            while waiting:  # they are answered in their order
                answer = requests.answer_of(asked[waiting[-1]])
                if answer is None:
                    break
                answers[waiting.pop()] = answer
            if not waiting or loop.time() >= until or not is_running(self.context):
                break
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _LAST_LOOK)
        jobs = [_shown(self.context, one, answers.get(one.id)) for one in intents]
        return Outcome(jobs, handed.carried and not waiting, files)

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


def _shown(context: WebContext, intent: Intent, answer: dict[str, Any] | None) -> dict[str, Any]:
    job = context.store.jobs.find(intent.id)
    if job is None:
        job = Job(
            id=intent.id, label=intent.label, input=intent.input, door=intent.door, submitted_by=intent.by
        )
        if answer and "error" in answer:
            job.error = from_dict(answer["error"]).to_dict()
    return job_document(context, job)
