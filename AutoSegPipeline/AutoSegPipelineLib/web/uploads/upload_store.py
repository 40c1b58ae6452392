"""Which uploads are under way: in memory, and in ``state/uploads/<id>/upload.json`` for the next start.

A folder without ``upload.json`` belongs to one request; when that is over, or its process is
gone, the folder goes, unless ``plan.json`` says that all files were complete.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections import OrderedDict
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Iterator

from ...core.errors import PipelineError
from ...core.files import fsync_folder, read_json, remove_tree, write_json
from ...core.home import Home
from ...intake.received.client_input import CaseRequest
from ...intake.received.grouping import ReceivedFile
from .admission import Tally

OPEN, COMPLETE, DONE = "open", "whole", "done"  # as rows of earlier versions hold them
CANCEL_SECONDS, LOOK_SECONDS = 5.0, 0.05
KEPT_CHECKSUMS = 64
ABOUT = "upload.json"
DATA = "data"


@dataclass
class Upload:
    """One resumable upload, a batch's files from one request, or what became of a batch.

    ``state``: bytes are missing (open), it waits for its batch (``COMPLETE``), it became ``jobs`` (done).
    Times are seconds since 1970.
    """

    owner: str
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    kind: str = "tus"  # files, batch
    state: str = OPEN
    length: int = 0
    label: str = ""
    metadata: str = ""  # tus's header, given back as it came
    sha256: str = ""  # that the sender promised, hex
    request: dict[str, Any] = field(default_factory=dict)  # of CaseRequest
    batch: str = ""
    created: float = 0.0
    expires: float = 0.0
    files: list[dict[str, Any]] = field(default_factory=list)  # of ReceivedFile
    jobs: list[str] = field(default_factory=list)
    offset: int = 0  # bytes that have arrived; the file itself says it after a start

    @property
    def received(self) -> list[ReceivedFile]:
        """Its files, once complete."""
        return [ReceivedFile(**one) for one in self.files]

    @property
    def case_request(self) -> CaseRequest:
        """What it is to become."""
        return CaseRequest(**self.request)


@dataclass
class Batch:
    """What belongs together, with its sums: ten thousand slices are asked for them as often."""

    members: dict[str, Upload] = field(default_factory=dict)
    files: int = 0
    size: int = 0


class UploadStore:
    """All uploads of one home. The web child is its only writer."""

    def __init__(self, home: Home, tally: Tally) -> None:
        self.folder = home.uploads
        self._uploads: dict[str, Upload] = {}
        self._batches: dict[tuple[str, str], Batch] = {}
        self._tally = tally
        self.busy: set[str] = set()  # uploads and batches that somebody is working on
        self._checksums: OrderedDict[str, tuple[int, dict[str, Any]]] = OrderedDict()

    def folder_of(self, upload_id: str) -> Path:
        """Where the bytes of one upload lie."""
        return self.folder / upload_id

    def data_of(self, upload: Upload) -> Path:
        """The file of a resumable upload."""
        return self.folder_of(upload.id) / DATA

    # --- on the disk; in a thread ------------------------------------------------------------

    def load(self) -> list[Upload]:
        """Read what is there."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = []
        for folder in sorted(self.folder.iterdir()):
            upload = _read(folder)
            if upload is not None and upload.id == folder.name:
                data = self.data_of(upload)
                if upload.state == OPEN:
                    upload.offset = data.stat().st_size if data.is_file() else 0
                found.append(upload)
        return found

    def make(self, upload: Upload, durable: bool = True) -> None:
        """Its folder, and how it stands."""
        self.folder_of(upload.id).mkdir(mode=0o700, parents=True, exist_ok=True)
        self.write(upload, durable)
        if durable:
            fsync_folder(self.folder)

    def write(self, upload: Upload, durable: bool = False) -> None:
        """Write down how it stands."""
        write_json(self.folder_of(upload.id) / ABOUT, asdict(upload), durable)

    def discard(self, upload: Upload) -> None:
        """Remove its folder."""
        remove_tree(self.folder_of(upload.id))

    # --- in memory; in the event loop --------------------------------------------------------

    @contextlib.contextmanager
    def claim(self, key: str) -> Iterator[None]:
        """Nobody else works on ``key`` meanwhile; raises ``web.upload_busy``."""
        if key in self.busy:
            raise PipelineError("web.upload_busy", "another request is working on this upload")
        self.busy.add(key)
        try:
            yield
        finally:
            self.busy.discard(key)

    async def freed(self, *keys: str) -> None:
        """Wait a little until nobody works on ``keys``: who cancels has just cut the upload off."""
        for _ in range(round(CANCEL_SECONDS / LOOK_SECONDS)):
            if self.busy.isdisjoint(keys):
                return
            await asyncio.sleep(LOOK_SECONDS)

    def keep_checksums(self, upload: Upload, checksums: dict[str, Any]) -> None:
        """Remember the running checksums of its bytes up to its offset; only of the newest uploads."""
        self._checksums[upload.id] = (upload.offset, checksums)
        while len(self._checksums) > KEPT_CHECKSUMS:
            self._checksums.popitem(last=False)

    def take_checksums(self, upload: Upload) -> dict[str, Any]:
        """The running checksums of its bytes up to its offset, once; empty where they are not known."""
        offset, checksums = self._checksums.pop(upload.id, (-1, {}))
        return checksums if offset == upload.offset else {}

    def know(self, upload: Upload) -> None:
        """Count it from now on."""
        self._uploads[upload.id] = upload
        if upload.batch:
            batch = self._batches.setdefault((upload.owner, upload.batch), Batch())
            batch.members[upload.id] = upload
            batch.files += max(1, len(upload.files))
            batch.size += upload.length
        self._count(upload, 1)

    def forget(self, upload: Upload) -> None:
        """It is no longer known."""
        if self._uploads.pop(upload.id, None) is None:
            return
        self._count(upload, -1)
        if upload.batch:
            batch = self._batches[upload.owner, upload.batch]
            del batch.members[upload.id]
            batch.files -= max(1, len(upload.files))
            batch.size -= upload.length
            if not batch.members:
                del self._batches[upload.owner, upload.batch]

    def enter(self, upload: Upload, state: str) -> None:
        """It goes on to ``state``."""
        known = upload.id in self._uploads
        if known:
            self._count(upload, -1)
        upload.state = state
        if known:
            self._count(upload, 1)

    def _count(self, upload: Upload, sign: int) -> None:
        if upload.state != DONE and sign > 0:
            self._tally.add(upload, upload.state == OPEN)
        elif upload.state != DONE:
            self._tally.remove(upload)

    def find(self, upload_id: str, owner: str) -> Upload:
        """The upload of this owner. Raises ``web.upload_unknown``, for those of others too."""
        found = self._uploads.get(upload_id)
        if found is None or found.owner != owner:
            raise PipelineError("web.upload_unknown", "there is no such upload; it may have expired")
        return found

    def knows(self, upload_id: str) -> bool:
        """Whether there is such an upload of anybody."""
        return upload_id in self._uploads

    def batch(self, owner: str, batch: str) -> Batch:
        """Everything that belongs to a batch, in the order in which it came."""
        return self._batches.get((owner, batch), Batch())

    def of_owner(self, owner: str) -> list[Upload]:
        """Oldest first."""
        return sorted((one for one in self._uploads.values() if one.owner == owner), key=lambda u: u.created)

    def all(self) -> list[Upload]:
        """A copy, because they change meanwhile."""
        return list(self._uploads.values())

    def ends(self) -> dict[str, float]:
        """When each expires: with the last one of its batch."""
        batches = {
            key: max(one.expires for one in batch.members.values()) for key, batch in self._batches.items()
        }
        return {
            one.id: batches[one.owner, one.batch] if one.batch else one.expires
            for one in self._uploads.values()
        }


def _read(folder: Path) -> Upload | None:
    try:
        values = _renamed(read_json(folder / ABOUT))
        known = {one.name for one in fields(Upload)}
        return Upload(**{name: value for name, value in values.items() if name in known})
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def _renamed(values: dict[str, Any]) -> dict[str, Any]:
    """``values`` under the names of today; an upload may wait while the program is updated.

    Earlier versions called ``request`` ``wish``, with the batch in it, and a file's ``name`` ``label``.
    """
    if "wish" in values:
        request = values.pop("wish")
        values["request"] = {name: value for name, value in request.items() if name != "batch"}
        values["files"] = [
            {("name" if name == "label" else name): value for name, value in one.items()}
            for one in values.get("files", [])
        ]
    return values
