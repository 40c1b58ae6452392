"""One upload: its files go to ``state/incoming`` as they arrive and become jobs when all are complete."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Callable, Iterator, Protocol

from ...core import lock
from ...core.errors import PipelineError
from ...core.files import free_bytes, remove_tree, write_json
from ...core.home import Home
from ...core.incoming import ending_of
from ...intake.received.client_input import CaseRequest, clean_name
from ...intake.received.grouping import Group, ReceivedFile, group
from ...runtime import qt
from .responses import HttpError

_FIELD_BYTES = 65536
_FILES = 20000
_LOOK_BYTES = 32 << 20  # how much is written between two looks at the free disk
_MOVED = 50  # files renamed in one turn of the loop


class Host(Protocol):
    """What an upload asks of the pipeline."""

    @property
    def home(self) -> Home: ...

    @property
    def min_free_bytes(self) -> int:
        """Nothing more is taken once the disk has less than this."""

    def check(self, options: dict[str, object]) -> None:
        """Raise ``engine.*`` for what no engine here could do."""

    def make_durable(self, paths: list[str], then: Callable[[PipelineError | None], None]) -> None:
        """Have ``paths`` synced without holding the loop."""

    def adopt(self, job_id: str) -> dict[str, object]:
        """Make the job of what lies in ``state/incoming/<job_id>``; its public form."""


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
        self._part = host.home.incoming / f"{uuid.uuid4().hex}.part"
        self._check_disk()
        self._input = self._part / "input"
        self._input.mkdir(mode=0o700, parents=True)
        self._lock: IO[bytes] | None = lock.hold(self._part / "lock")
        self._files: list[ReceivedFile] = []
        self._open: _Open | None = None
        self._field: tuple[str, bytearray] | None = None
        self._since_look = 0

    def _check_disk(self) -> None:
        if free_bytes(self._host.home.state) < self._host.min_free_bytes:
            error = PipelineError(
                "environment.disk_full", f"the disk of {self._host.home.state} is nearly full"
            )
            raise HttpError.of(error, 507)

    def _hear(self, pairs: dict[str, str], origin: str, strict: bool) -> None:
        try:
            self._request.add(pairs.items(), origin, strict)
        except PipelineError as error:
            raise HttpError.of(error) from None

    @property
    def count(self) -> int:
        """How many files have come."""
        return len(self._files)

    # --- parts -----------------------------------------------------------------------------

    def begin(self, field: str, filename: str | None) -> None:
        """A file under any field name, or an option under its own name."""
        if filename is None:
            self._field = (field, bytearray())
            return
        if not filename:  # a browser's form in which no file was chosen
            return
        if len(self._files) >= _FILES:
            raise HttpError(413, f"an upload may have {_FILES} files; send the folder as a zip archive")
        label = clean_name(filename)
        name = f"{len(self._files) + 1:06d}{ending_of(label)}"
        stream = open(self._input / name, "xb")  # noqa: SIM115 - closed when the part ends
        self._open = _Open(stream, name, label)

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
            self._files.append(ReceivedFile(opened.file, opened.label, opened.size))

    # --- the end -----------------------------------------------------------------------------

    def finish(self, then: Callable[[list[dict[str, object]] | HttpError], None]) -> None:
        """Make the files durable, then jobs of them; ``then`` hears the jobs or what went wrong."""
        if not self._files:
            self.discard()
            then(HttpError(422, "the form has no file", "input.missing", "curl -F file=@scan.nii.gz ADDRESS"))
            return
        try:
            self._host.check(self._request.options)
            groups = group(self._input, self._files, self._request.expect)
        except PipelineError as error:
            self.discard()
            then(HttpError.of(error))
            return
        parts: list[Path] = []

        def failed(error: HttpError) -> None:
            for part in parts:
                remove_tree(part)
            self.discard()
            then(error)

        def durable(error: PipelineError | None) -> None:
            if error is not None:
                failed(HttpError.of(error, 507 if error.is_environment else 500))
            else:
                then(self._adopt(parts))

        def stage(steps: Iterator[None]) -> None:
            # Thousands of slices are renamed a few in each turn, so that the loop is not held.
            try:
                next(steps)
            except StopIteration:
                self._host.make_durable([str(path) for part in parts for path in _all_of(part)], durable)
            except OSError as error:
                failed(HttpError(507, f"the upload cannot be written: {error.strerror}"))
            else:
                qt.single_shot(0, lambda: stage(steps))

        stage(self._stage(groups, parts))

    def _stage(self, groups: list[Group], parts: list[Path]) -> Iterator[None]:
        """A folder of its own for each job, still without the name that makes it count."""
        for one in groups:
            intent = one.intent("web", "", self._request)
            part = self._host.home.incoming / f"{intent.id}.part"
            parts.append(part)
            for number, (received, name) in enumerate(one.files, 1):
                target = part / "input" / name
                target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                os.rename(self._input / received.file, target)
                if number % _MOVED == 0:
                    yield
            write_json(part / "intent.json", intent.to_dict(), durable=False)
            yield

    def _adopt(self, parts: list[Path]) -> list[dict[str, object]]:
        self.discard()
        for part in parts:
            os.rename(part, part.with_suffix(""))
        return [self._host.adopt(part.stem) for part in parts]

    def discard(self) -> None:
        """Remove what was not finished; again is fine."""
        if self._open is not None:
            self._open.stream.close()
            self._open = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None
            remove_tree(self._part)


def _all_of(folder: Path) -> Iterator[Path]:
    yield folder
    yield from folder.rglob("*")
