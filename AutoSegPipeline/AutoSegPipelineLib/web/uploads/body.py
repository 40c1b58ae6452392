"""The body of a request as it arrives: chunk by chunk, or the parts of a form (RFC 7578).

Nothing but small fields is kept in memory. ``web.gate.body_limits`` cuts off who sends too slowly.
"""

from __future__ import annotations

from dataclasses import dataclass
from email.message import Message
from typing import Any, AsyncIterator, Union

from starlette.requests import Request

from ...core.errors import PipelineError
from .file_writer import STEP, Data

READ = "autoseg.body_read"  # in the ASGI scope, once all of it was
MOST_FIELDS = 200
MOST_FIELD_BYTES = 1 << 20
MOST_HEADER_BYTES = 8192
MOST_BOUNDARY = 200


class Interrupted(Exception):
    """The sender went away before the end, or stopped sending."""


def length_of(request: Request) -> int | None:
    """What ``Content-Length`` says; None for a chunked body. Raises ``request.invalid``."""
    text = request.headers.get("content-length")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise PipelineError("request.invalid", "Content-Length is no number", status=400)
    return int(text)


async def chunks(request: Request) -> AsyncIterator[Data]:
    """The bytes as they come; a memoryview is valid until the next. Raises :class:`Interrupted`."""
    receive = request.receive
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Interrupted("the connection broke or nothing came for too long")
        more = message.get("more_body", False)
        request.scope[READ] = not more
        data = message.get("body", b"")
        if data:
            yield data
        if not more:
            return


@dataclass(frozen=True)
class Field:
    """A complete form field that is no file."""

    name: str
    value: str


@dataclass(frozen=True)
class FileBegins:
    """A file with the name that the client gave (it may be empty)."""

    field: str
    name: str


@dataclass(frozen=True)
class FileBytes:
    """Some of its bytes."""

    data: bytes


@dataclass(frozen=True)
class FileEnds:
    """It is complete."""


Event = Union[Field, FileBegins, FileBytes, FileEnds]


def boundary_of(content_type: str) -> bytes:
    """The boundary that ``Content-Type`` names. Raises ``web.upload_malformed``."""
    from python_multipart.multipart import parse_options_header

    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if not 0 < len(boundary) <= MOST_BOUNDARY:
        raise _malformed("its Content-Type names no boundary")
    return bytes(boundary)


def parts(content_type: str, body: AsyncIterator[Data]) -> AsyncIterator[Event]:
    """The fields and files of a form, in their order; raises as :func:`events_of`."""
    return events_of(Reader(boundary_of(content_type)), body)


async def events_of(reader: Reader, body: AsyncIterator[Data]) -> AsyncIterator[Event]:
    """What ``reader`` finds in a body.

    Raises ``web.upload_malformed`` for what is no multipart body or ends early,
    ``request.too_large`` for fields out of all proportion.
    """
    from python_multipart.exceptions import FormParserError

    try:
        async for chunk in body:
            for start in range(0, len(chunk), STEP):
                # The parser searches, which a memoryview cannot.
                reader.feed(bytes(chunk[start : start + STEP]))
                for event in reader.take():
                    yield event
    except FormParserError as error:
        raise _malformed(str(error)) from None
    if not reader.ended:
        raise _malformed("it ends before its last boundary")


class Reader:
    """Turns the callbacks of python-multipart's push parser into events; this one reads forms."""

    def __init__(self, boundary: bytes) -> None:
        from python_multipart.multipart import MultipartParser

        self.ended = False
        self.events: list[Event] = []
        self._header = [bytearray(), bytearray()]
        self.headers: dict[str, str] = {}
        self._header_bytes = 0
        self._field: tuple[str, bytearray] | None = None
        self._fields = 0
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begin,
                "on_header_field": lambda data, start, end: self._more_header(0, data[start:end]),
                "on_header_value": lambda data, start, end: self._more_header(1, data[start:end]),
                "on_header_end": self._header_end,
                "on_headers_finished": self.headers_end,
                "on_part_data": self._data,
                "on_part_end": self._part_end,
                "on_end": self._end,
            },
        )

    def feed(self, chunk: bytes) -> None:
        if not self.ended:  # what comes after the last boundary is nobody's
            self._parser.write(chunk)

    def take(self) -> list[Event]:
        events, self.events = self.events, []
        return events

    def _part_begin(self) -> None:
        self.headers, self._header_bytes, self._field = {}, 0, None

    def _more_header(self, which: int, data: bytes) -> None:
        self._header_bytes += len(data)
        if self._header_bytes > MOST_HEADER_BYTES:
            raise _malformed("the headers of a part are too long")
        self._header[which] += data

    def _header_end(self) -> None:
        name, value = (bytes(part).decode("utf-8", "replace") for part in self._header)
        self.headers[name.lower().strip()] = value
        self._header = [bytearray(), bytearray()]

    def headers_end(self) -> None:
        """What kind of part begins is decided by its headers."""
        about = disposition(self.headers.get("content-disposition", ""))
        if "name" not in about and "filename" not in about:
            raise _malformed("a part has no Content-Disposition with a name")
        encoding = self.headers.get("content-transfer-encoding", "binary").strip().lower()
        if encoding not in ("binary", "8bit", "7bit"):
            raise _malformed("a part is encoded; send its bytes as they are")
        if about.get("filename"):
            self.events.append(FileBegins(about.get("name", ""), about["filename"]))
            return
        self._fields += 1  # a file without a name is one too: an empty field of a browser's form
        if self._fields > MOST_FIELDS:
            raise PipelineError("request.too_large", f"more than {MOST_FIELDS} form fields", status=413)
        if "filename" in about:
            self.events.append(FileBegins(about.get("name", ""), ""))
            return
        self._field = (about["name"], bytearray())

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._field is None:
            complete = start == 0 and end == len(data)
            self.events.append(FileBytes(data if complete else data[start:end]))
            return
        name, value = self._field
        value += data[start:end]
        if len(value) > MOST_FIELD_BYTES:
            raise PipelineError("request.too_large", f"the form field {name!r} is too long", status=413)

    def _part_end(self) -> None:
        if self._field is None:
            self.events.append(FileEnds())
            return
        name, value = self._field
        try:
            self.events.append(Field(name, value.decode("utf-8")))
        except UnicodeDecodeError:
            raise _malformed(f"the form field {name!r} is no UTF-8") from None

    def _end(self) -> None:
        self.ended = True


def disposition(value: str) -> dict[str, str]:
    """``name`` and ``filename`` of a ``Content-Disposition``; ``filename*`` wins (RFC 6266).

    Browsers write ``%22`` for a quotation mark and everything else as it is (HTML's form rules),
    so a backslash stays one.
    """
    message = Message()
    message["content-disposition"] = value.replace("\r", " ").replace("\n", " ")
    found: dict[str, str] = {}
    for name in ("name", "filename"):
        parameter: Any = message.get_param(name, header="content-disposition")
        if parameter is None:
            continue
        if isinstance(parameter, tuple):
            charset, _, text = parameter
            parameter = text.encode("latin-1", "replace").decode(charset or "utf-8", "replace")
        found[name] = str(parameter).replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")
    return found


def _malformed(why: str) -> PipelineError:
    return PipelineError("web.upload_malformed", f"the multipart body cannot be read: {why}")
