"""Resumable uploads: tus 1.0 with creation, creation-with-upload, termination, expiration and checksum.

https://tus.io/protocols/resumable-upload
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any, AsyncIterator, Mapping

from ...core.errors import PipelineError
from ...intake.received.client_input import CaseRequest, clean_name
from ...intake.received.grouping import ReceivedFile
from . import batches
from .body import Interrupted
from .digests import TUS_ALGORITHMS, Wanted, sha256_wanted
from .file_writer import BLOCK, Data, FileWriter
from .service import Uploads
from .upload_store import COMPLETE, DONE, OPEN, Upload

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,termination,expiration,checksum"
CONTENT_TYPE = "application/offset+octet-stream"
MISMATCH = 460  # tus's own status
MOST_METADATA = 16384


def server_headers(uploads: Uploads) -> dict[str, str]:
    """What ``OPTIONS`` answers."""
    return {
        "Tus-Resumable": VERSION,
        "Tus-Version": VERSION,
        "Tus-Extension": EXTENSIONS,
        "Tus-Max-Size": str(uploads.limits.upload_bytes),
        "Tus-Checksum-Algorithm": ",".join(TUS_ALGORITHMS),
    }


def check_version(headers: Mapping[str, str]) -> None:
    """Raise ``web.upload_version`` (412) for a client of another version."""
    if headers.get("tus-resumable") != VERSION:
        raise PipelineError(
            "web.upload_version",
            f"this server speaks tus {VERSION}; the request says {headers.get('tus-resumable', 'none')!r}",
            headers={"Tus-Version": VERSION},
        )


def metadata_of(header: str) -> dict[str, str]:
    """``Upload-Metadata``: keys and base64 values. Raises ``request.invalid``."""
    found: dict[str, str] = {}
    if len(header) > MOST_METADATA:
        raise _invalid("Upload-Metadata is too long")
    for part in filter(None, (part.strip() for part in header.split(","))):
        key, _, value = part.partition(" ")
        if key in found or not key.isascii():
            raise _invalid(f"Upload-Metadata: the key {key!r} is there twice or is not ASCII")
        try:
            found[key] = base64.b64decode(value.strip(), validate=True).decode("utf-8")
        except (binascii.Error, ValueError):
            raise _invalid(f"Upload-Metadata: {key} is no UTF-8 text in base64") from None
    return found


def number_of(headers: Mapping[str, str], name: str) -> int:
    """A header that is a whole number. Raises ``request.invalid``."""
    text = headers.get(name.lower(), "")
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise _invalid(f"{name} must be a whole number, not {text[:40]!r}")
    return int(text)


async def create(
    uploads: Uploads, owner: str, headers: Mapping[str, str], request: CaseRequest, batch: str = ""
) -> Upload:
    """A new upload, empty; metadata wins over ``request``. Raises where it may not come in."""
    if "upload-defer-length" in headers:
        raise _invalid("give Upload-Length; this server does not take uploads of unknown length")
    length = number_of(headers, "Upload-Length")
    header = headers.get("upload-metadata", "")
    metadata = metadata_of(header)
    label = clean_name(metadata.get("path") or metadata.get("filename") or metadata.get("name") or "")
    pairs = [(key, value) for key, value in metadata.items() if key != "name"]
    own = request.add(pairs, "Upload-Metadata", strict=False, own=("batch",))
    if "stem" in metadata:
        request.add([("name", metadata["stem"])], "Upload-Metadata")
    uploads.admission.check_options(request)
    batch = batches.batch_id(own["batch"]) if "batch" in own else batch
    promised = metadata.get("sha256", "")
    upload = Upload(
        owner,
        length=length,
        label=label,
        metadata=header,
        sha256=sha256_wanted(promised, "sha256").value.hex() if promised else "",
        request=request.to_dict(),
        batch=batch,
        created=uploads.now,
        expires=uploads.expires,
    )
    if upload.batch:
        batches.check_room(uploads, owner, batch, 1, length)
    uploads.limits.check_count(uploads.admission.tally.uploads_of(owner) + 1)
    uploads.admission.check(owner, length)
    uploads.store.know(upload)
    try:
        with uploads.store.claim(upload.id):
            # One of a batch counts with its batch, which is made durable together.
            await uploads.disk.run(uploads.store.make, upload, not upload.batch)
    except BaseException:
        await uploads.remove(upload)
        raise
    return upload


async def append(
    uploads: Uploads, upload: Upload, offset: int, body: AsyncIterator[Data], wanted: Wanted | None
) -> None:
    """Bytes from ``offset`` on. What arrived stays when the connection breaks, but for a checked part.

    Raises ``web.upload_busy``, ``web.upload_offset``, ``request.too_large``, ``web.upload_checksum``,
    :class:`~.body.Interrupted`.
    """
    with uploads.store.claim(upload.id):
        if upload.state != OPEN:
            if offset == upload.length:
                return
            raise _offset(upload)
        if offset != upload.offset:
            raise _offset(upload)
        await _append(uploads, upload, body, wanted)
        upload.expires = uploads.expires
        if upload.offset == upload.length:
            await complete(uploads, upload)
        else:
            await uploads.disk.run(uploads.store.write, upload)


async def _append(uploads: Uploads, upload: Upload, body: AsyncIterator[Data], wanted: Wanted | None) -> None:
    start = upload.offset
    hashes = _hashes(uploads, upload)
    own = {f"part-{wanted.algorithm}": hashlib.new(wanted.algorithm)} if wanted else {}
    writer = FileWriter(
        uploads.disk.pool, uploads.store.data_of(upload), uploads.limits, start, {**hashes, **own}
    )
    try:
        async for data in body:
            if writer.size + len(data) > upload.length:
                raise PipelineError(
                    "request.too_large", f"more bytes than Upload-Length, {upload.length}", status=413
                )
            await writer.write(data)
            upload.offset = writer.written
        written = await writer.finish(durable=not upload.batch)
    except (Interrupted, PipelineError, OSError) as error:
        if wanted is not None or not isinstance(error, Interrupted):
            # A part that cannot be verified, or that should not have come, is none.
            await writer.abandon()
            await _cut(uploads, upload, start)
        else:
            await _kept(uploads, upload, writer)
        raise
    except BaseException:
        await _kept(uploads, upload, writer)
        raise
    upload.offset = written.size
    if wanted is not None:
        found = written.digests.pop(f"part-{wanted.algorithm}")
        try:
            wanted.check(found, upload.label, MISMATCH)
        except PipelineError:
            await _cut(uploads, upload, start)
            raise
    if hashes:
        uploads.store.keep_checksums(upload, hashes)


def _hashes(uploads: Uploads, upload: Upload) -> dict[str, Any]:
    """The running checksum, where it is known up to the offset; it is gone if the part fails."""
    if upload.offset == 0:
        return {"sha256": hashlib.sha256()}
    return uploads.store.take_checksums(upload)


async def _kept(uploads: Uploads, upload: Upload, writer: FileWriter) -> None:
    """The bytes that came before the connection broke."""
    try:
        await writer.keep()
    finally:
        path = uploads.store.data_of(upload)
        upload.offset = await uploads.disk.run(lambda: path.stat().st_size if path.exists() else 0)
        upload.expires = uploads.expires
        await uploads.disk.run(uploads.store.write, upload)


async def _cut(uploads: Uploads, upload: Upload, size: int) -> None:
    path = uploads.store.data_of(upload)

    def work() -> None:
        if path.exists():
            with open(path, "r+b") as stream:
                stream.truncate(size)

    await uploads.disk.run(work)
    upload.offset = size


async def complete(uploads: Uploads, upload: Upload) -> None:
    """All bytes are there: it becomes a job, or waits for its batch.

    What can never become one (a wrong checksum, options that belong to nothing) is removed,
    and why is raised; when the surroundings are at fault it stays and is tried again.
    """
    received = ReceivedFile(f"{upload.id}/data", upload.label, upload.length, await _sha256(uploads, upload))
    try:
        if upload.sha256:
            promised = Wanted("sha256", bytes.fromhex(upload.sha256))
            promised.check(bytes.fromhex(received.sha256), upload.label, MISMATCH)
        upload.files = [vars(received)]
        if upload.batch:
            uploads.store.enter(upload, COMPLETE)
            await uploads.disk.run(uploads.store.write, upload)
            return
        folder = uploads.store.folder_of(upload.id)
        files, request = [received], upload.case_request
        handed = await uploads.disk.run(uploads.handover.hand_over, folder, files, request, upload.owner)
    except PipelineError as error:
        upload.files = []
        if not error.is_environment:
            await uploads.remove(upload)
        raise
    await uploads.adopted(handed, files)
    if handed.carried:
        await uploads.settle(upload, handed.intents)


async def _sha256(uploads: Uploads, upload: Upload) -> str:
    checksums = uploads.store.take_checksums(upload)
    if "sha256" in checksums:
        return str(checksums["sha256"].hexdigest())
    path = uploads.store.data_of(upload)

    def work() -> str:
        digest = hashlib.sha256()
        with open(path, "rb") as stream:
            while True:
                block = stream.read(BLOCK)
                if not block:
                    return digest.hexdigest()
                digest.update(block)

    return await uploads.disk.run(work)


async def terminate(uploads: Uploads, upload: Upload) -> None:
    """The client does not want it any more. A job that came of it stays. Raises ``web.upload_busy``."""
    await uploads.store.freed(upload.id)
    with uploads.store.claim(upload.id):
        if upload.state == DONE:
            raise PipelineError("request.conflict", "the upload is a job already; cancel that", status=409)
        await uploads.remove(upload)


def _offset(upload: Upload) -> PipelineError:
    return PipelineError(
        "web.upload_offset",
        f"the upload goes on at byte {upload.offset}",
        headers={"Upload-Offset": str(upload.offset)},
    )


def _invalid(why: str) -> PipelineError:
    return PipelineError("request.invalid", why, status=400)
