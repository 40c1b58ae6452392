"""Files of the page compressed for the way: brotli where the set-up made it, else gzip, made once and kept.

Only files that are the same for everybody: the length of a compressed answer tells of its content.
"""

from __future__ import annotations

import functools
import gzip
from pathlib import Path

from starlette.requests import Request

BROTLI, GZIP = "br", "gzip"
_LEVEL = 6  # 9 takes twice as long for 2 % less


def accepted(request: Request) -> set[str]:
    """Which of the two the browser takes (RFC 9110, 12.5.3)."""
    kinds = set()
    for part in request.headers.get("accept-encoding", "").split(","):
        name, _, weight = part.partition(";")
        if weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000"):
            kinds.add(name.strip().lower())
    return kinds & {BROTLI, GZIP}


def precompressed(path: Path) -> Path | None:
    """``path`` with ``.br`` behind it, where that is no older than the file itself."""
    beside = path.with_name(f"{path.name}.br")
    try:
        return beside if beside.stat().st_mtime_ns >= path.stat().st_mtime_ns else None
    except OSError:
        return None


@functools.lru_cache(maxsize=256)
def gzipped(path: Path, tag: str, body: bytes | None = None) -> bytes:
    """The content of ``path``, or ``body`` in its place; ``tag`` changes with it. Raises OSError."""
    return gzip.compress(path.read_bytes() if body is None else body, _LEVEL, mtime=0)
