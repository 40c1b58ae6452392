"""Sending a file: ETag, conditions, ranges (RFC 9110), as an attachment, in big pieces."""

from __future__ import annotations

import asyncio
import functools
import os
import re
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path
from typing import IO, AsyncIterator, Optional
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from ...core.errors import PipelineError
from ...core.result_formats import media_type
from .streams import Streamed

PIECE = 1 << 20
_SMALL = 64 << 10  # sent at once: a thread and a stream would cost more than the reading
_RANGE = re.compile(r"bytes=\s*(\d*)\s*-\s*(\d*)\s*\Z")


def disposition(name: str, inline: bool = False) -> str:
    """``Content-Disposition`` (RFC 6266) with an ASCII stand-in for old clients."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%;' else "_" for c in name)
    kind = "inline" if inline else "attachment"
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def named_in(header: str, etag: str) -> bool:
    """Whether a list of entity tags holds ``etag``, compared weakly as ``If-None-Match`` does."""
    tags = (tag.strip() for tag in header.split(","))
    return any(tag == "*" or (tag[2:] if tag.startswith("W/") else tag) == etag for tag in tags)


def wanted_part(header: str, size: int) -> Optional[tuple[int, int]]:
    """``(begin, end)`` of the one range in a ``Range`` header; None where all of it is sent.

    What is no range of bytes, and more than one range, is answered with the complete file (RFC 9110,
    section 14.2). Raises ``request.range_not_satisfiable`` for a range outside the file.
    """
    found = _RANGE.match(header.strip())
    if found is None or not (found.group(1) or found.group(2)):
        return None
    first, last = found.groups()
    if len(first) > 19 or len(last) > 19:
        first, last = first[:19], last[:19]
    if not first:
        begin, end = max(0, size - int(last)), size
        if not int(last):
            begin = end
    else:
        begin, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < begin:
            return None
    if begin >= end:
        raise PipelineError(
            "request.range_not_satisfiable",
            f"the file has {size} bytes",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return begin, end


def send(
    request: Request,
    path: Path,
    name: str,
    kind: Optional[str] = None,
    *,
    etag: Optional[str] = None,
    inline: bool = False,
    headers: Optional[dict[str, str]] = None,
) -> Response:
    """The file at ``path`` as ``name``, all of it or the part asked for.

    ``etag`` is the strong tag without quotes; by default one of size and time. Raises
    ``request.not_found`` where the file is gone.
    """
    try:
        stream = open(path, "rb")  # noqa: SIM115 - the response closes it
    except (FileNotFoundError, NotADirectoryError):
        raise PipelineError("request.not_found", f"{name} is not there any more") from None
    try:
        facts = os.fstat(stream.fileno())
        tag = f'"{etag or f"{facts.st_mtime_ns:x}-{facts.st_size:x}"}"'
        modified = formatdate(facts.st_mtime, usegmt=True)
        about = {
            "ETag": tag,
            "Last-Modified": modified,
            "Accept-Ranges": "bytes",
            "Cache-Control": "private, no-cache",
            "Content-Disposition": disposition(name, inline),
            **(headers or {}),
        }
        if _unchanged(request, tag, facts.st_mtime):
            stream.close()
            return Response(status_code=304, headers=about)
        part = _part(request, tag, modified, facts.st_size)
    except BaseException:
        stream.close()
        raise
    begin, end = part or (0, facts.st_size)
    if part is not None:
        about["Content-Range"] = f"bytes {begin}-{end - 1}/{facts.st_size}"
    about["Content-Length"] = str(end - begin)
    if end - begin <= _SMALL:
        with stream:
            stream.seek(begin)
            return Response(stream.read(end - begin), 206 if part else 200, about, kind or media_type(name))
    return _Sent(stream, begin, end, 206 if part else 200, about, kind or media_type(name))


def _unchanged(request: Request, tag: str, modified: float) -> bool:
    if "if-none-match" in request.headers:
        return named_in(request.headers["if-none-match"], tag)
    try:
        since = parsedate_to_datetime(request.headers.get("if-modified-since", ""))
        return int(modified) <= since.timestamp()
    except (TypeError, ValueError, OverflowError, OSError):
        return False


def _part(request: Request, tag: str, modified: str, size: int) -> Optional[tuple[int, int]]:
    asked = request.headers.get("range")
    if asked is None:
        return None
    # A weak tag never matches here: the parts would not fit together.
    if request.headers.get("if-range", tag) not in (tag, modified):
        return None
    return wanted_part(asked, size)


class _Sent(Streamed):
    """Bytes ``begin`` to ``end`` of an open file; closes it in the end."""

    def __init__(
        self, stream: IO[bytes], begin: int, end: int, status: int, headers: dict[str, str], kind: str
    ) -> None:
        super().__init__(status, headers, kind)
        self._stream, self._begin, self._end = stream, begin, end

    async def pieces(self) -> AsyncIterator[bytes]:
        """Read in a thread: a disk may be slow, and the others must not wait for it."""
        loop = asyncio.get_running_loop()
        place = self._begin
        self._stream.seek(place)
        while place < self._end:
            wanted = min(PIECE, self._end - place)
            piece = await loop.run_in_executor(None, functools.partial(self._stream.read, wanted))
            if not piece:
                raise OSError("a result file became shorter while it was sent")
            place += len(piece)
            yield piece

    def close(self) -> None:
        self._stream.close()
