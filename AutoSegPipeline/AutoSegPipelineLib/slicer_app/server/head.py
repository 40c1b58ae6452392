"""The head of a request, read by the standard library's parser."""

from __future__ import annotations

import io
from dataclasses import dataclass
from email.errors import (
    FirstHeaderLineIsContinuationDefect,
    MalformedHeaderDefect,
    MissingHeaderBodySeparatorDefect,
)
from email.message import Message
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from .responses import HttpError

HEAD_BYTES = 32768
_END = b"\r\n\r\n"
_BROKEN = (FirstHeaderLineIsContinuationDefect, MissingHeaderBodySeparatorDefect, MalformedHeaderDefect)


@dataclass(frozen=True)
class Head:
    """``path`` is percent-decoded; ``length`` is None without a Content-Length."""

    method: str
    path: str
    query: dict[str, str]
    headers: Message
    length: int | None
    chunked: bool
    keep_alive: bool
    expects_continue: bool

    @property
    def has_body(self) -> bool:
        return self.chunked or bool(self.length)


class _Parser(BaseHTTPRequestHandler):
    """The standard library's handler without a socket: only its parsing is used."""

    def __init__(self, head: bytes) -> None:
        self.rfile: Any = io.BytesIO(head)
        self.wfile: Any = io.BytesIO()
        self.raw_requestline = self.rfile.readline(HEAD_BYTES + 1)
        self.problem: HttpError | None = None
        self.requestline = ""
        self.protocol_version = "HTTP/1.1"

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        self.problem = HttpError(int(code), message or explain or "the request cannot be read")

    def handle_expect_100(self) -> bool:
        return True


def take_head(received: bytearray) -> Head | None:
    """The head at the beginning of ``received``, which it is cut from; None while it is incomplete.

    Raises :class:`HttpError`.
    """
    while received.startswith(b"\r\n"):  # RFC 9112 section 2.2: empty lines before a request
        del received[:2]
    end = received.find(_END)
    if end < 0 or end > HEAD_BYTES:
        if len(received) > HEAD_BYTES:
            raise HttpError(431, f"the head of the request is longer than {HEAD_BYTES} bytes")
        return None
    head = bytes(received[: end + len(_END)])
    del received[: end + len(_END)]
    return parse(head)


def parse(head: bytes) -> Head:
    """Read a complete head, the empty line included. Raises :class:`HttpError`."""
    if b"\0" in head or b"\n" in head.replace(b"\r\n", b"") or b"\r" in head.replace(b"\r\n", b""):
        raise HttpError(400, "the head of the request has control characters")
    parser = _Parser(head)
    fine = parser.parse_request()
    if parser.problem is not None:
        raise parser.problem
    if not fine or parser.request_version not in ("HTTP/1.0", "HTTP/1.1"):
        raise HttpError(400, "the request line cannot be read")
    # A multipart type makes the parser miss the body, which is not here: no fault of the headers.
    if any(isinstance(defect, _BROKEN) for defect in parser.headers.defects):
        raise HttpError(400, "the headers cannot be read")
    target = urlsplit(parser.path)
    length, chunked = _framing(parser.headers)
    return Head(
        method=parser.command,
        path=unquote(target.path, errors="replace"),
        query=dict(parse_qsl(target.query, keep_blank_values=True)),
        headers=parser.headers,
        length=length,
        chunked=chunked,
        keep_alive=not parser.close_connection,
        expects_continue=(parser.headers.get("Expect") or "").lower() == "100-continue",
    )


def _framing(headers: Message) -> tuple[int | None, bool]:
    """(Content-Length or None, whether the body is chunked); two answers to one question are refused."""
    lengths = [value.strip() for value in headers.get_all("Content-Length") or []]
    codings = [value.strip().lower() for value in headers.get_all("Transfer-Encoding") or []]
    if len(lengths) > 1 or (lengths and codings):
        raise HttpError(400, "the length of the body is stated more than once")
    if codings:
        if codings != ["chunked"]:
            raise HttpError(501, f"transfer coding {codings[0]!r} is not spoken here")
        return None, True
    if not lengths:
        return None, False
    if not (lengths[0].isascii() and lengths[0].isdigit() and len(lengths[0]) < 19):
        raise HttpError(400, "the Content-Length is no number")
    return int(lengths[0]), False
