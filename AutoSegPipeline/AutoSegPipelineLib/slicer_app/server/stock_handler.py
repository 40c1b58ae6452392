"""A handler that the user's own stock Slicer web server can carry under ``/autoseg/``.

That server shows a handler neither headers nor who asks, and every answer but an
exception is 200: so this is for small things on a trusted machine. Whoever
reaches a stock Slicer web server can read the user's files through its other
handlers; see the README.
"""

from __future__ import annotations

import json
import mimetypes
from typing import Any, Callable
from urllib.parse import parse_qsl, unquote, urlsplit

from ...core.errors import PipelineError
from .multipart import Multipart
from .responses import HttpError
from .site import Pipeline
from .upload import Upload

PREFIX = "/autoseg"
# The stock server holds bodies in memory, and its cost grows with their square.
UPLOAD_BYTES = 32 << 20
DOWNLOAD_BYTES = 256 << 20
_HARMLESS = ("image/png", "text/csv", "application/json")


def make_handler(base: Any, pipeline: Pipeline, refusal: Callable[[], str]) -> Any:
    """An ``AutoSegPipelineRequestHandler`` on Slicer's ``BaseRequestHandler``.

    ``refusal()`` says why nothing may be served now, or is empty.
    """

    class AutoSegPipelineRequestHandler(base):
        """Routes: ``status``, ``files``, ``download/NAME``, and ``upload`` (POST)."""

        def __init__(self, logMessage: Any = None) -> None:
            self.logMessage = logMessage or (lambda *_: None)

        def canHandleRequest(self, method: str, uri: bytes, requestBody: bytes) -> float:
            path = urlsplit(bytes(uri)).path.decode("latin-1")
            return 1.0 if path == PREFIX or path.startswith(PREFIX + "/") else 0.0

        def handleRequest(self, method: str, uri: bytes, requestBody: bytes) -> tuple[bytes, bytes]:
            target = urlsplit(bytes(uri).decode("latin-1"))
            path = unquote(target.path)[len(PREFIX) :].strip("/")
            try:
                reason = refusal()
                if reason:
                    raise HttpError(403, reason)
                if method == "POST" and path == "upload":
                    return self._upload(dict(parse_qsl(target.query)), bytes(requestBody))
                if method != "GET":
                    raise HttpError(405, f"{method} is not possible at {target.path}")
                return self._get(path)
            except HttpError as error:
                return b"application/problem+json", error.answer().body
            except PipelineError as error:
                return b"application/problem+json", HttpError.of(error).answer().body

        def _get(self, path: str) -> tuple[bytes, bytes]:
            if path in ("", "status"):
                jobs = [job.to_dict() for job in pipeline.newest(50)]
                return _json({**pipeline.status(), "jobs": jobs})
            if path == "files":
                return _json(pipeline.results().all_names())
            if path.startswith("download/"):
                return self._download(path[len("download/") :])
            raise HttpError(404, f"there is nothing at {PREFIX}/{path}")

        def _download(self, name: str) -> tuple[bytes, bytes]:
            found = pipeline.results().find(name)
            if found is None or not found[0].is_file():
                raise HttpError(404, f"there is no result file called {name}")
            if found[0].stat().st_size > DOWNLOAD_BYTES:
                raise HttpError(413, f"{name} is too large for this server; start the pipeline's own")
            # Never a page: a browser would run what is in it as this server's.
            kind = mimetypes.guess_type(name)[0] or ""
            shown = (
                kind if kind in ("image/png", "text/csv", "application/json") else "application/octet-stream"
            )
            return shown.encode("ascii"), found[0].read_bytes()

        def _upload(self, query: dict[str, str], body: bytes) -> tuple[bytes, bytes]:
            if len(body) > UPLOAD_BYTES:
                raise HttpError(
                    413, f"more than {UPLOAD_BYTES >> 20} MB; upload it to the pipeline's own web server"
                )
            name = query.pop("name", "")
            upload = Upload(pipeline, query)
            try:
                if name:
                    upload.begin("file", name)
                    upload.data(body)
                    upload.end()
                else:
                    _read_form(body, upload)
            except BaseException:
                upload.discard()
                raise
            # The files are synced in another process; the answer here cannot wait for it.
            upload.finish(lambda outcome: self.logMessage("AutoSegPipeline upload", outcome))
            return _json({"accepted": upload.count})

    return AutoSegPipelineRequestHandler()


def _read_form(body: bytes, upload: Upload) -> None:
    """The boundary is the form's first line: the header that names it is not handed on."""
    first = body.partition(b"\r\n")[0]
    if not first.startswith(b"--") or len(first) > 200:
        raise HttpError(
            415, f"send a form with files, or the bytes of one to {PREFIX}/upload?name=scan.nii.gz"
        )
    form = Multipart(first[2:], upload)
    form.feed(body)
    if not form.done:
        raise HttpError(400, "the form ends before its last boundary; nothing was taken")


def _json(document: Any) -> tuple[bytes, bytes]:
    return b"application/json", (json.dumps(document, indent=1) + "\n").encode("ascii")
