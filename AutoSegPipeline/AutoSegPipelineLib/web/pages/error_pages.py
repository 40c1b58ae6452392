"""Errors as pages, for people; programs get problem details."""

from __future__ import annotations

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ..context import context_of
from .render import page

_LONGEST_QUERY = 2000
_HEADINGS = {
    403: "Not allowed",
    404: "Not there",
    405: "Not this way",
    410: "No longer there",
    503: "Not available now",
}


def error_page(request: Request, status: int, code: str, text: str, hint: str) -> Response:
    """What went wrong and what to do; who has to log in is taken to the login page."""
    if status == 401:
        base = context_of(request).config.base_path
        return RedirectResponse(f"{base}/login?next={quote(_asked(request))}", 303)
    heading = _HEADINGS.get(status, "This did not work")
    return message_page(request, heading, as_sentence(text), f"{hint} ({code})", status)


def _asked(request: Request) -> str:
    """The path and, unless it is too long for a header line, the query of a request."""
    path, query = quote(request.scope["path"]), request.scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if 0 < len(query) < _LONGEST_QUERY else path


def as_sentence(message: str) -> str:
    """An error's message as a page shows it."""
    text = f"{message[:1].upper()}{message[1:]}".rstrip(".")
    return f"{text}."


def message_page(request: Request, heading: str, text: str, hint: str, status: int = 200) -> Response:
    """A heading, two sentences and the way to the main page."""
    return page(request, "message", heading, status=status, heading=heading, text=text, hint=hint)
