"""Batches: files of several requests that become jobs together, a folder of them one."""

from __future__ import annotations

from ...core.errors import PipelineError
from ...intake.received.client_input import CaseRequest
from ...intake.received.grouping import ReceivedFile
from ...intake.received.handover import PLAN
from .service import Outcome, Uploads
from .upload_store import COMPLETE, OPEN, Upload

_ID = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


def batch_id(value: str) -> str:
    """``value`` if it can name a batch. Raises ``request.invalid``."""
    if not 8 <= len(value) <= 64 or not _ID.issuperset(value):
        raise PipelineError("request.invalid", "batch: give 8 to 64 letters, digits, - or _", status=422)
    return value


def check_room(uploads: Uploads, owner: str, batch: str, files: int, size: int) -> None:
    """Raise where so much more cannot belong to ``batch``."""
    there = uploads.store.batch(owner, batch)
    finishing = f"{owner}/{batch}" in uploads.store.busy
    if finishing or any(one.kind == "batch" for one in there.members.values()):
        raise PipelineError("request.conflict", f"the batch {batch} is finished", status=409)
    uploads.limits.check_count(files + there.files)
    uploads.limits.check_size(size + there.size, "The batch")


async def add_files(
    uploads: Uploads, owner: str, upload_id: str, batch: str, files: list[ReceivedFile], size: int,
    request: CaseRequest,
) -> None:  # fmt: skip
    """The files of one request wait, in the folder ``upload_id``, for the rest of ``batch``."""
    check_room(uploads, owner, batch, len(files), size)
    member = Upload(
        owner, upload_id, "files", COMPLETE, size, batch=batch, request=request.to_dict(),
        created=uploads.now, expires=uploads.expires, files=[vars(one) for one in files],
    )  # fmt: skip
    await uploads.disk.run(uploads.store.write, member)
    uploads.store.know(member)


async def finish(uploads: Uploads, owner: str, batch: str, later: CaseRequest) -> Outcome:
    """All files of ``batch`` become jobs; again answers the same. ``later`` wins over what came before.

    Raises ``web.upload_unknown`` and ``web.upload_incomplete``.
    """
    store = uploads.store
    with store.claim(f"{owner}/{batch}"):
        members = list(store.batch(owner, batch).members.values())
        done = next((one for one in members if one.kind == "batch"), None)
        if done is not None:
            return Outcome(uploads.jobs_of(done))
        _check_complete(members, batch)
        first = members[0].case_request
        request = CaseRequest(
            {**first.options, **later.options}, later.name or first.name, first.expect, first.labels
        )
        uploads.admission.check_options(request)
        files = [file for one in members for file in one.received]
        record = Upload(
            owner, kind="batch", batch=batch, label=f"{len(files)} files", created=uploads.now,
            expires=uploads.expires, request=request.to_dict(),
        )  # fmt: skip
        store.know(record)
        folder = store.folder_of(record.id)
        try:
            await uploads.disk.run(store.make, record)
            handed = await uploads.disk.run(uploads.handover.hand_over, folder, files, request, owner)
        except BaseException:
            if not (folder / PLAN).exists():
                await uploads.remove(record)
            raise
        outcome = await uploads.adopted(handed, files)
        if handed.carried:
            await uploads.settle(record, handed.intents)
        return outcome


def _check_complete(members: list[Upload], batch: str) -> None:
    if not members:
        raise PipelineError("web.upload_unknown", f"there is no batch {batch}")
    missing = [one for one in members if one.state == OPEN]
    if missing:
        raise PipelineError(
            "web.upload_incomplete",
            f"{len(missing)} of {len(members)} files are not complete, the first is {missing[0].label}",
        )


async def discard(uploads: Uploads, owner: str, batch: str) -> None:
    """Forget the files of a batch that is not finished. Raises ``web.upload_busy``."""
    await uploads.store.freed(*(one.id for one in uploads.store.batch(owner, batch).members.values()))
    with uploads.store.claim(f"{owner}/{batch}"):
        found = uploads.store.batch(owner, batch).members.values()
        members = [one for one in found if one.kind != "batch"]
        if not members:
            raise PipelineError("web.upload_unknown", f"there is no batch {batch}")
        if any(one.id in uploads.store.busy for one in members):
            raise PipelineError("web.upload_busy", "files of this batch are still coming in")
        for one in members:
            await uploads.remove(one)
