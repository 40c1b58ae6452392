"""One upload: its files arrive in a folder of their own and become jobs when all are complete."""

from __future__ import annotations

import contextlib
import uuid
from dataclasses import dataclass
from typing import IO, Callable, Protocol

from ...core.errors import PipelineError
from ...core.files import remove_tree
from ...intake.received.client_input import CaseRequest, clean_name
from ...intake.received.grouping import ReceivedFile
from ...intake.received.handover import Handover, check_free
from ...intake.received.handover_tasks import ReceivedList
from ...runtime.staging.received_inputs import Received, Then
from .responses import HttpError

_FIELD_BYTES = 65536
_FILES = 20000
_LOOK_BYTES = 32 << 20  # how much is written between two looks at the free disk


class Host(Protocol):
    """What an upload asks of the pipeline."""

    @property
    def door(self) -> Handover:
        """The folder of the uploads, and how much of the disk stays free."""

    def check(self, options: dict[str, object]) -> None:
        """Raise ``engine.*`` for what no engine here could do."""

    def hand_over(self, upload: str, request: CaseRequest, then: Then) -> None:
        """Make jobs of the files in the list of the folder ``upload``, without holding the loop."""


@dataclass
class _Open:
    stream: IO[bytes]
    file: str
    label: str
    size: int = 0


class Upload:
    """Takes the parts of a form (:class:`.multipart.Parts`); :meth:`finish` makes jobs of them.

    Until then nothing of it counts: :meth:`discard` removes all, and so does the
    next start after a crash.
    """

    def __init__(self, host: Host, query: dict[str, str]) -> None:
        """``query`` may hold case options. Raises :class:`HttpError` for a wrong one or a full disk."""
        self._host = host
        self._request = CaseRequest()
        self._hear(query, "query", strict=True)
        self._door = host.door
        self._id = uuid.uuid4().hex
        self._folder = self._door.root / self._id
        self._door.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._check_disk()
        self._lock: IO[bytes] | None = self._door.hold(self._folder)
        self._handed = False
        self._files = ReceivedList(self._folder)
        self._open: _Open | None = None
        self._field: tuple[str, bytearray] | None = None
        self._since_look = 0

    def _check_disk(self) -> None:
        try:
            check_free(self._door.root, self._door.min_free_bytes)
        except PipelineError as error:
            raise HttpError.of(error, 507) from None

    def _hear(self, pairs: dict[str, str], origin: str, strict: bool) -> None:
        try:
            self._request.add(pairs.items(), origin, strict)
        except PipelineError as error:
            raise HttpError.of(error) from None

    @property
    def count(self) -> int:
        """How many files have come."""
        return self._files.count

    # --- parts -----------------------------------------------------------------------------

    def begin(self, field: str, filename: str | None) -> None:
        """A file under any field name, or an option under its own name."""
        if filename is None:
            self._field = (field, bytearray())
            return
        if not filename:  # a browser's form in which no file was chosen
            return
        if self.count >= _FILES:
            raise HttpError(413, f"an upload may have {_FILES} files; send the folder as a zip archive")
        name = f"f{self.count + 1:06d}"
        stream = open(self._folder / name, "xb")  # noqa: SIM115 - closed when the part ends
        self._open = _Open(stream, f"{self._id}/{name}", clean_name(filename))

    def data(self, data: bytes) -> None:
        """Bytes of the present part."""
        if self._field is not None:
            self._field[1].extend(data)
            if len(self._field[1]) > _FIELD_BYTES:
                raise HttpError(413, f"the form field {self._field[0]!r} is too long")
        elif self._open is not None:
            self._since_look += len(data)
            if self._since_look >= _LOOK_BYTES:
                self._since_look = 0
                self._check_disk()
            self._open.stream.write(data)
            self._open.size += len(data)

    def end(self) -> None:
        """The present part is complete."""
        if self._field is not None:
            (name, value), self._field = self._field, None
            # A field that is no option is some client's own affair.
            self._hear({name: value.decode("utf-8", "replace")}, "form", strict=False)
        elif self._open is not None:
            opened, self._open = self._open, None
            opened.stream.close()
            self._files.add(ReceivedFile(opened.file, opened.label, opened.size))

    # --- the end -----------------------------------------------------------------------------

    def finish(self, then: Callable[[Received | HttpError], None]) -> None:
        """Hand the files over; ``then`` hears the jobs or what went wrong."""
        if not self.count:
            self.discard()
            then(HttpError(422, "the form has no file", "input.missing", "curl -F file=@scan.nii.gz ADDRESS"))
            return
        try:
            self._host.check(self._request.options)
            self._files.close()
        except (PipelineError, OSError) as error:
            self.discard()
            then(_as_http(error))
            return

        def answered(outcome: Received | PipelineError) -> None:
            self._let_go()
            then(_as_http(outcome) if isinstance(outcome, PipelineError) else outcome)

        self._handed = True
        self._host.hand_over(self._id, self._request, answered)

    def discard(self) -> None:
        """Remove what was not finished, and nothing that was handed over; again is fine."""
        if self._handed:
            return
        if self._open is not None:
            self._open.stream.close()
            self._open = None
        with contextlib.suppress(OSError):  # a full disk; the list goes anyway
            self._files.close()
        if self._lock is not None:
            self._let_go()
            remove_tree(self._folder)

    def _let_go(self) -> None:
        """Windows removes no folder in which a file is open."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def _as_http(error: PipelineError | OSError) -> HttpError:
    if isinstance(error, OSError):
        return HttpError(507, f"the upload cannot be written: {error.strerror}")
    known = 507 if error.is_environment else 422 if error.code.startswith(("options.", "engine.")) else 500
    return HttpError.of(error, int(error.data.get("status", known)))
