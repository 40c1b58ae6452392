"""The routes: the original's ``/upload``, ``/files`` and ``/download/<filename>``, and ``/status``."""

from __future__ import annotations

import secrets
from email.utils import formatdate
from pathlib import Path
from typing import Callable, Protocol
from urllib.parse import quote

from ...core.errors import PipelineError
from ...core.hints import PANEL, error_at
from ...core.job import Job
from ...runtime.staging.received_inputs import Received
from . import page
from .connection import Exchange, Reply
from .head import Head
from .multipart import Multipart, boundary_of
from .responses import Answer, HttpError, json_answer
from .results import Results
from .upload import Host, Upload

_SMALL_BODY = 65536


class Pipeline(Host, Protocol):
    """What the site shows of the pipeline."""

    def status(self) -> dict[str, object]:
        """Counts, what is being processed, why it pauses."""

    def newest(self, limit: int) -> list[Job]:
        """The newest jobs, the newest first."""

    def results(self) -> Results: ...


class Site:
    """Serves ``pipeline`` to this machine alone. ``port`` is where it listens."""

    def __init__(self, pipeline: Pipeline, port: int, base: str = "") -> None:
        self._pipeline = pipeline
        self._hosts = {f"{name}:{port}" for name in ("localhost", "127.0.0.1", "[::1]")}
        if port == 80:
            self._hosts |= {"localhost", "127.0.0.1", "[::1]"}
        self._base = base

    def begin(self, head: Head) -> Exchange:
        """Check who asks, then find the route. Raises :class:`HttpError`."""
        self._check_host(head)
        path = head.path.rstrip("/") or "/"
        if path == "/upload" and head.method == "POST":
            self._check_origin(head)
            return _Receiving(self._upload(head), head)
        if head.chunked or (head.length or 0) > _SMALL_BODY:
            raise HttpError(413, f"{head.method} {head.path} takes no body")
        route = self._route(path)
        if route is None:
            raise HttpError(404, f"there is nothing at {head.path}")
        if head.method not in ("GET", "HEAD"):
            allowed = "GET, HEAD, POST" if path == "/upload" else "GET, HEAD"
            raise HttpError(405, f"{head.method} is not possible at {head.path}", Allow=allowed)
        return _Deferred(lambda reply: route(head, reply))

    # --- who asks -----------------------------------------------------------------------------

    def _check_host(self, head: Head) -> None:
        """A page of another site that points its own name here (DNS rebinding) has its name as the host."""
        named = [value.strip().lower() for value in head.headers.get_all("Host") or []]
        if len(named) != 1 or named[0] not in self._hosts:
            raise HttpError(421, "this server answers to localhost only")
        forwarded = [name for name in head.headers if name.lower().startswith(("x-forwarded", "forwarded"))]
        if forwarded or head.headers.get("X-Real-IP"):
            raise HttpError(403, "this server is not to be reached through a proxy; use the full web server")

    def _check_origin(self, head: Head) -> None:
        """A page of another site may make a browser post here, but not say where it comes from."""
        origin = head.headers.get("Origin")
        own = {f"http://{host}" for host in self._hosts}
        if (origin is not None and origin.lower() not in own) or head.headers.get(
            "Sec-Fetch-Site", "none"
        ) not in ("none", "same-origin"):
            raise HttpError(403, "this upload comes from another site's page")

    # --- routes ---------------------------------------------------------------------------------

    def _route(self, path: str) -> Callable[[Head, Reply], None] | None:
        if path.startswith("/download/"):
            return self._download
        return {"/": self._home, "/upload": self._page, "/files": self._files, "/status": self._status}.get(
            path
        )

    def _home(self, head: Head, reply: Reply) -> None:
        reply(Answer(302, headers={"Location": f"{self._base}/upload"}))

    def _page(self, head: Head, reply: Reply) -> None:
        nonce = secrets.token_urlsafe(16)
        policy = page.policy(nonce)
        reply(
            Answer(200, "text/html; charset=utf-8", page.document(nonce), {"Content-Security-Policy": policy})
        )

    def _status(self, head: Head, reply: Reply) -> None:
        newest = [{**job.to_dict(), "error": error_at(PANEL, job.error)} for job in self._pipeline.newest(50)]
        reply(json_answer({**self._pipeline.status(), "jobs": newest}))

    def _files(self, head: Head, reply: Reply) -> None:
        self._pipeline.results().names(lambda names: reply(json_answer(names)))

    def _download(self, head: Head, reply: Reply) -> None:
        name = head.path[len("/download/") :]
        found = self._pipeline.results().find(name)
        if found is None:
            reply(HttpError(404, f"there is no result file called {name}").answer())
            return
        path, output = found
        reply(_file_answer(head, path, str(output["sha256"])))

    def _upload(self, head: Head) -> Callable[[], tuple[Multipart, Upload]]:
        boundary = boundary_of(head.headers.get("Content-Type") or "")

        def make() -> tuple[Multipart, Upload]:
            upload = Upload(self._pipeline, dict(head.query))
            return Multipart(boundary, upload), upload

        return make


class _Deferred:
    """A request whose body, if any, means nothing."""

    def __init__(self, answer: Callable[[Reply], None]) -> None:
        self._answer = answer

    def data(self, data: bytes) -> None:
        return

    def end(self, reply: Reply) -> None:
        try:
            self._answer(reply)
        except HttpError as error:
            reply(error.answer())
        except PipelineError as error:
            reply(HttpError.of(error, 404).answer())

    def abandon(self) -> None:
        return


class _Receiving:
    """An upload on its way."""

    def __init__(self, make: Callable[[], tuple[Multipart, Upload]], head: Head) -> None:
        self._form, self._upload = make()
        self._wants_page = "text/html" in (head.headers.get("Accept") or "")

    def data(self, data: bytes) -> None:
        try:
            self._form.feed(data)
        except OSError as error:
            raise HttpError(507, f"the upload cannot be written: {error.strerror}") from error

    def end(self, reply: Reply) -> None:
        if not self._form.done:
            self._upload.discard()
            reply(HttpError(400, "the form ends before its last boundary; nothing was taken").answer())
            return

        def finished(outcome: Received | HttpError) -> None:
            if isinstance(outcome, HttpError):
                reply(outcome.answer())
            elif self._wants_page:
                reply(Answer(303, headers={"Location": "upload"}))
            else:
                jobs = [job.to_dict() for job in outcome.jobs]
                reply(json_answer({"jobs": jobs}, 201 if outcome.taken else 202))

        try:
            self._upload.finish(finished)
        except OSError as error:
            self._upload.discard()
            reply(HttpError(507, f"the upload cannot be written: {error.strerror}").answer())

    def abandon(self) -> None:
        self._upload.discard()


def _file_answer(head: Head, path: Path, sha256: str) -> Answer:
    """A result as an attachment, all of it or one range of it (RFC 9110 section 14)."""
    try:
        found = path.stat()
    except OSError:
        return HttpError(404, f"{path.name} is no longer in the results folder").answer()
    tag = f'"{sha256[:32]}"'
    headers = {
        "ETag": tag,
        "Accept-Ranges": "bytes",
        "Last-Modified": formatdate(found.st_mtime, usegmt=True),
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(path.name, safe='')}",
    }
    if head.headers.get("If-None-Match") == tag:
        return Answer(304, headers=headers)
    start, end, status = 0, found.st_size, 200
    wanted = head.headers.get("Range")
    if wanted and head.headers.get("If-Range", tag) == tag:
        ranged = _range(wanted, found.st_size)
        if ranged == ():
            return Answer(416, headers={**headers, "Content-Range": f"bytes */{found.st_size}"})
        if ranged is not None:
            start, end, status = ranged[0], ranged[1], 206
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{found.st_size}"
    return Answer(status, "application/octet-stream", b"", headers, path, start, end - start)


def _range(text: str, size: int) -> tuple[int, ...] | None:
    """(start, end) of one range; () where it lies outside; None for what is not understood."""
    unit, _, spec = text.partition("=")
    first, dash, last = spec.strip().partition("-")
    if unit.strip().lower() != "bytes" or not dash or "," in spec:
        return None
    if not all(part == "" or (part.isascii() and part.isdigit()) for part in (first, last)):
        return None
    if first:
        start, end = int(first), min(int(last) + 1 if last else size, size)
        return (start, end) if start < end else ()
    if not last:
        return None
    return (max(0, size - int(last)), size) if int(last) and size else ()
