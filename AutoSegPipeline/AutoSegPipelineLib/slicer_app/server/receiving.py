"""One upload: its files go to ``state/incoming`` as they arrive and become jobs when all are whole."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Callable, Protocol

from ...core import incoming, lock, specs
from ...core.errors import PipelineError
from ...core.files import free_bytes, remove_tree, write_json
from ...core.home import Home
from ...core.incoming import Intent, IntentFile
from .answers import HttpError
from .groups import Group, Received, grouped

_FIELD_BYTES = 65536
_FILES = 20000
_LOOK_BYTES = 32 << 20  # how much is written between two looks at the free disk


class Host(Protocol):
    """What an upload asks of the pipeline."""

    @property
    def home(self) -> Home: ...

    @property
    def min_free_bytes(self) -> int:
        """Nothing more is taken once the disk has less than this."""

    def make_durable(self, paths: list[str], then: Callable[[PipelineError | None], None]) -> None:
        """Have ``paths`` synced without holding the loop."""

    def adopt(self, job_id: str) -> dict[str, Any]:
        """Make the job of what lies in ``state/incoming/<job_id>``; its public form."""


@dataclass
class _Open:
    stream: IO[bytes]
    received: Received
    size: int = 0


class Upload:
    """Takes the parts of a form (:class:`.multipart.Parts`); :meth:`finish` makes jobs of them.

    Until then nothing of it counts: :meth:`discard` removes all, and so does the
    next start after a crash.
    """

    def __init__(self, host: Host, options: dict[str, Any]) -> None:
        """``options`` as the query had them. Raises :class:`HttpError` for a wrong one or a full disk."""
        self._host = host
        self._options: dict[str, Any] = {}
        self._option(options)
        self._part = host.home.incoming / f"{uuid.uuid4().hex}.part"
        self._check_disk()
        self._input = self._part / "input"
        self._input.mkdir(mode=0o700, parents=True)
        self._lock: IO[bytes] | None = lock.hold(self._part / "lock")
        self._files: list[Received] = []
        self._open: _Open | None = None
        self._field: tuple[str, bytearray] | None = None
        self._since_look = 0

    def _check_disk(self) -> None:
        if free_bytes(self._host.home.state) < self._host.min_free_bytes:
            error = PipelineError(
                "environment.disk_full", f"the disk of {self._host.home.state} is nearly full"
            )
            raise HttpError.of(error, 507)

    def _option(self, given: dict[str, Any]) -> None:
        try:
            self._options.update(specs.parse_options(given, "upload"))
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
        label = _label(filename)
        if not label:  # a browser's form in which no file was chosen
            return
        if len(self._files) >= _FILES:
            raise HttpError(413, f"an upload may have {_FILES} files; send the folder as a zip archive")
        number = len(self._files) + 1
        path = self._input / f"{number:06d}{incoming.ending_of(label)}"
        received = Received(path, label)
        self._open = _Open(open(path, "xb"), received)  # noqa: SIM115 - closed when the part ends
        self._files.append(received)

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
        """The present part is whole."""
        if self._field is not None:
            (name, value), self._field = self._field, None
            if value and name in specs.OPTION_NAMES:
                self._option({name: value.decode("utf-8", "replace")})
        elif self._open is not None:
            opened, self._open = self._open, None
            opened.stream.close()
            opened.received.size = opened.size

    # --- the end -----------------------------------------------------------------------------

    def finish(self, then: Callable[[list[dict[str, Any]] | HttpError], None]) -> None:
        """Make the files durable, then jobs of them; ``then`` hears the jobs or what went wrong."""
        if not self._files:
            self.discard()
            then(HttpError(422, "the form has no file", "input.missing", "curl -F file=@scan.nii.gz ADDRESS"))
            return
        groups = grouped(self._files)
        alone = len(groups) == 1 and all(one.path.name == name for one, name in groups[0].files)
        # A folder of many slices stays where it is: renaming each would hold the loop.
        parts = [self._keep(groups[0])] if alone else [self._stage(group) for group in groups]
        paths = [str(found) for part in parts for found in (part, part / "input", part / "intent.json")]
        paths += [str(found) for part in parts for found in (part / "input").iterdir()]

        def durable(error: PipelineError | None) -> None:
            if error is not None:
                for part in parts:
                    remove_tree(part)
                self.discard()
                then(HttpError.of(error, 507 if error.is_environment else 500))
                return
            then(self._adopt(parts))

        self._host.make_durable(paths, durable)

    def _keep(self, group: Group) -> Path:
        part = self._part
        self._let_go(part)
        self._describe(part, group)
        return part

    def _stage(self, group: Group) -> Path:
        """A folder of its own for what becomes one job, still without the name that makes it count."""
        part = self._host.home.incoming / f"{uuid.uuid4().hex}.part"
        (part / "input").mkdir(mode=0o700, parents=True)
        for received, name in group.files:
            os.rename(received.path, part / "input" / name)
        self._describe(part, group)
        return part

    def _describe(self, part: Path, group: Group) -> None:
        intent = Intent(
            id=part.stem, door="web", label=group.label, input=group.label, container=group.container
        )
        intent.options = dict(self._options)
        intent.files = [IntentFile(name, None, one.label, one.size) for one, name in group.files]
        write_json(part / "intent.json", intent.to_dict(), durable=False)

    def _adopt(self, parts: list[Path]) -> list[dict[str, Any]]:
        self.discard()
        for part in parts:
            os.rename(part, part.with_suffix(""))
        return [self._host.adopt(part.stem) for part in parts]

    def _let_go(self, part: Path) -> None:
        """Windows renames no folder in which a file is open."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None
            (part / "lock").unlink()

    def discard(self) -> None:
        """Remove what was not finished; again is fine."""
        if self._open is not None:
            self._open.stream.close()
            self._open = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None
            remove_tree(self._part)


def _label(filename: str) -> str:
    """What the client calls a file: without drive, leading slashes and ``..``; never used as a path."""
    parts = filename.replace("\\", "/").split("/")
    return "/".join(part for part in parts if part not in ("", ".", "..") and not part.endswith(":"))[-400:]
