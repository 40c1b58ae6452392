"""A zip archive that is written while it is sent: memory stays flat whatever the size."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Callable, Generator, Iterator, Sequence, Tuple, Union

from zipstream import ZIP_DEFLATED, ZIP_STORED, ZipStream

from .streams import FromGenerator

_PIECE = 1 << 20
# Compressed already: to do it again costs time and saves nothing.
_COMPRESSED = (".gz", ".zip", ".png", ".jpg", ".seg.nrrd", ".glb", ".usdz")


# A file, or what makes the bytes when it is their turn.
Named = Tuple[str, Union[Path, Callable[[], bytes]]]


def pieces(files: Sequence[Named]) -> Generator[bytes, None, None]:
    """The archive of ``files``, each under the name given with it, in pieces of about a megabyte.

    Raises :class:`OSError` where a file is gone, or changes while it is read: the archive must not
    come to a good end then.
    """
    waiting: list[bytes] = []
    size = 0
    for piece in _archive(files):
        waiting.append(piece)
        size += len(piece)
        if size >= _PIECE:
            yield b"".join(waiting)
            waiting, size = [], 0
    yield b"".join(waiting)


def _archive(files: Sequence[Named]) -> Iterator[bytes]:
    archive = ZipStream()
    for name, path in files:
        if not isinstance(path, Path):
            archive.add(path(), name, compress_type=ZIP_DEFLATED, compress_level=1)
            yield from archive.file()
            continue
        before = os.stat(path)
        if name.lower().endswith(_COMPRESSED):
            archive.add_path(path, name, recurse=False, compress_type=ZIP_STORED)
        else:
            archive.add_path(path, name, recurse=False, compress_type=ZIP_DEFLATED, compress_level=1)
        yield from archive.file()
        # The library takes what it reads, be it more or less than the file had at first.
        read = archive.info_list()[-1]["size"]
        if read != before.st_size or _identity(os.stat(path)) != _identity(before):
            raise OSError(f"{path.name} changed while it was sent")
    yield from archive.footer()


def _identity(facts: os.stat_result) -> tuple[int, int, int, int]:
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns


class ZipOfFiles(FromGenerator):
    """Sends :func:`pieces`; its length is not known before its end."""

    def __init__(self, files: Sequence[Named], headers: dict[str, str]) -> None:
        super().__init__(pieces(files), headers, "application/zip")
