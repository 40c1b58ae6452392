"""A zip archive that is made while it is sent: memory stays flat whatever the size."""

from __future__ import annotations

import asyncio
import os
import time
import zipfile
from pathlib import Path
from typing import AsyncIterator, Iterator, Sequence

from .streams import Streamed

_PIECE = 1 << 20
# Compressed already: to do it again costs time and saves nothing.
_PACKED = (".gz", ".zip", ".png", ".jpg", ".seg.nrrd", ".glb")


class _Sink:
    """What zipfile writes to: a stream without a way back, emptied after every piece."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        return

    def close(self) -> None:
        return

    def take(self) -> bytes:
        data = b"".join(self._parts)
        self._parts.clear()
        return data


def pieces(paths: Sequence[Path]) -> Iterator[bytes]:
    """The archive of ``paths``, each under its bare name, in pieces of about a megabyte."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", allowZip64=True) as archive:
        for path in paths:
            yield from _entry(archive, sink, path)
    yield sink.take()


def _entry(archive: zipfile.ZipFile, sink: _Sink, path: Path) -> Iterator[bytes]:
    with open(path, "rb") as source:
        facts = os.fstat(source.fileno())
        year = max(1980, min(2107, time.localtime(facts.st_mtime)[0]))
        about = zipfile.ZipInfo(path.name, (year, *time.localtime(facts.st_mtime)[1:6]))
        packed = path.name.lower().endswith(_PACKED)
        about.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
        about.external_attr = 0o600 << 16
        about.file_size = facts.st_size  # beyond 4 GiB zipfile needs to know it before
        about._compresslevel = 1  # type: ignore[attr-defined]
        with archive.open(about, "w", force_zip64=facts.st_size > 1 << 31) as target:
            while True:
                piece = source.read(_PIECE)
                if not piece:
                    break
                target.write(piece)
                ready = sink.take()
                if ready:
                    yield ready


class ZipOfFiles(Streamed):
    """Sends :func:`pieces`, reading and packing in a thread; its length is not known before its end."""

    def __init__(self, paths: Sequence[Path], headers: dict[str, str]) -> None:
        super().__init__(200, headers, "application/zip")
        self._source = pieces(paths)

    async def pieces(self) -> AsyncIterator[bytes]:
        """Bit by bit."""
        loop = asyncio.get_running_loop()
        while True:
            piece = await loop.run_in_executor(None, next, self._source, None)
            if piece is None:
                return
            yield piece
