"""What goes back to a client: status, headers, and bytes or a part of a file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

from ...core.errors import PipelineError
from ...core.hints import PANEL, hint_at

# Nothing of an answer is kept by the browser, guessed at, framed or told to other sites.
_ALWAYS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
NO_CONTENT_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"


@dataclass
class Answer:
    """``file`` with ``start`` and ``length`` (bytes) is sent instead of ``body`` where it is set."""

    status: int = 200
    kind: str = "text/plain; charset=utf-8"
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    file: Path | None = None
    start: int = 0
    length: int = 0

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return self.length if self.file is not None else len(self.body)

    def head(self, close: bool) -> bytes:
        """Status line and headers."""
        try:
            phrase = HTTPStatus(self.status).phrase
        except ValueError:
            phrase = ""
        fields = {"Content-Security-Policy": NO_CONTENT_POLICY, **_ALWAYS, **self.headers}
        fields["Content-Type"] = self.kind
        if self.status not in (204, 304):
            fields["Content-Length"] = str(self.size)
        fields["Connection"] = "close" if close else "keep-alive"
        lines = [f"HTTP/1.1 {self.status} {phrase}", *(f"{name}: {value}" for name, value in fields.items())]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


class HttpError(Exception):
    """A request that is answered with an error; the connection closes after it."""

    def __init__(self, status: int, detail: str, code: str = "", hint: str = "", **headers: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.code = code
        self.hint = hint
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    @classmethod
    def of(cls, error: PipelineError, status: int = 422) -> HttpError:
        """The same fault as HTTP says it."""
        return cls(status, error.message, error.code, hint_at(PANEL, error.code, error.hint))

    def answer(self) -> Answer:
        """Problem details (RFC 9457)."""
        document: dict[str, object] = {
            "type": "about:blank",
            "title": _title(self.status),
            "status": self.status,
            "detail": self.detail,
        }
        document.update({name: value for name, value in (("code", self.code), ("hint", self.hint)) if value})
        return Answer(self.status, "application/problem+json", _json(document), dict(self.headers))


def json_answer(document: object, status: int = 200) -> Answer:
    """``document`` as JSON."""
    return Answer(status, "application/json", _json(document))


def _json(document: object) -> bytes:
    return (json.dumps(document, indent=1) + "\n").encode("ascii")


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
