"""Contents of gzip, zlib and bzip2 streams, in pieces of bounded size."""

from __future__ import annotations

import zlib
from typing import Any, Iterator

from ..core.errors import Refused
from ..core.progress import Check, no_check
from ..core.safe_open import open_input
from .header import corrupt

GZIP = b"\x1f\x8b\x08"
PIECE = 1 << 20
_WINDOWS = {"gzip": 31, "zlib": 15}  # zlib's wbits


def gunzip_head(data: bytes, size: int) -> bytes:
    """At most ``size`` bytes of what the gzip stream that begins with ``data`` holds."""
    try:
        return zlib.decompressobj(31).decompress(data, size)
    except zlib.error:
        return b""


def decompressed(path: str, start: int, kind: str, name: str, check: Check = no_check) -> Iterator[bytes]:
    """Contents of a ``gzip``, ``bzip2`` (both with several members) or ``zlib`` stream, 1 MiB at most each.

    Raises ``input.truncated`` where it ends early, ``input.corrupt`` where it is broken,
    ``input.unknown_format`` for bzip2 where Python was built without it.
    """
    with open_input(path, name=name) as stream:
        stream.seek(start)
        machine, data, begun = _machine(kind, name), b"", False
        while True:
            check()
            if machine.eof:
                data = data or stream.read(PIECE)
                # Zeros after the last member are padding (gzip's manual); anything else ends it too.
                if not data.startswith({"gzip": GZIP, "bzip2": b"BZh"}.get(kind, b"\0never")):
                    return
                machine = _machine(kind, name)
            needs = getattr(machine, "needs_input", True)
            if needs and not data:
                data = stream.read(PIECE)
                if not data:
                    word = "ends in the middle of its compressed data" if begun else "has no data"
                    raise Refused("input.truncated", f"{name} {word}.")
            begun = True
            try:
                out = machine.decompress(data, PIECE)
            except (zlib.error, OSError) as error:
                raise corrupt(name, f"its compression is broken, {error}") from None
            data = machine.unused_data if machine.eof else getattr(machine, "unconsumed_tail", b"")
            if out:
                yield out


def _machine(kind: str, name: str) -> Any:
    if kind != "bzip2":
        return zlib.decompressobj(_WINDOWS[kind])
    try:
        import bz2
    except ImportError:
        raise Refused(
            "input.unknown_format", f"{name}: bzip2 is not available here.", "Save it as raw or gzip."
        ) from None
    return bz2.BZ2Decompressor()
