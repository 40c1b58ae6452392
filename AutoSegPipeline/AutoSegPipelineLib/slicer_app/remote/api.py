"""Requests to another machine's web API. Waits for the network: only in the remote child.

A redirect is not followed, so the token goes to no other address.
"""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import os
import ssl
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Dict, Iterator, Mapping
from urllib.parse import quote, urlencode, urlsplit

from ...core.errors import CODES, PipelineError
from .servers import Server

SECONDS = 30.0
JSON = "application/json"
Query = Mapping[str, object]
Document = Dict[str, Any]  # JSON that the server sent
_PIECE = 1 << 20
_MOST_JSON = 64 << 20


class Api:
    """One server; a connection for each request, so that nothing hangs on an old one."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._parts = urlsplit(server.url)

    def ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, object] | None = None,
        wait: float = 0.0,
        body: Document | None = None,
    ) -> Document:
        """The JSON answer to a request below ``/api/v1``; ``body`` is sent as JSON."""
        sent = b"" if body is None else json.dumps(body).encode("ascii")
        stream = None if body is None else io.BytesIO(sent)
        with self._answer(method, path, query, stream, len(sent), SECONDS + wait, JSON) as answer:
            return json.loads(answer.read(_MOST_JSON) or b"null")

    def upload(self, file: Path, name: str, options: Mapping[str, object]) -> list[Document]:
        """Send a file; the jobs that it became."""
        size = file.stat().st_size
        with open(file, "rb") as stream:
            place = f"uploads/{quote(name)}"
            with self._answer("PUT", place, options, stream, size, 600.0) as answer:
                jobs: list[Document] = json.loads(answer.read(_MOST_JSON))["jobs"]
                return jobs

    def download(self, path: str, target: Path, sha256: str = "") -> None:
        """Write what is at ``path`` to ``target``, complete or not at all."""
        part = target.with_name(target.name + ".part")
        digest = hashlib.sha256()
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._answer("GET", path, None, None, 0, SECONDS) as answer, open(part, "wb") as stream:
            while True:
                piece = answer.read(_PIECE)
                if not piece:
                    break
                digest.update(piece)
                stream.write(piece)
        if sha256 and digest.hexdigest() != sha256:
            part.unlink()
            raise PipelineError("web.upload_checksum", f"{target.name} changed in transit")
        os.replace(part, target)

    @contextmanager
    def _answer(
        self,
        method: str,
        path: str,
        query: Query | None,
        body: IO[bytes] | None,
        size: int,
        seconds: float,
        kind: str = "application/octet-stream",
    ) -> Iterator[http.client.HTTPResponse]:
        connection = self._connection(seconds)
        where = f"{self._parts.path}/api/v1/{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {"Accept": JSON}
        if self._server.token:
            headers["Authorization"] = f"Bearer {self._server.token}"
        if body is not None:
            headers.update({"Content-Length": str(size), "Content-Type": kind})
        try:
            connection.request(method, where, body, headers)
            answer = connection.getresponse()
            if answer.status >= 300:
                raise self._refusal(answer)
            yield answer
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._unreachable(error) from error
        finally:
            connection.close()

    def _connection(self, seconds: float) -> http.client.HTTPConnection:
        host = self._parts.hostname or ""
        if self._parts.scheme == "http":
            return http.client.HTTPConnection(host, self._parts.port, timeout=seconds)
        try:
            context = ssl.create_default_context(cafile=self._server.ca or None)
        except (OSError, ssl.SSLError) as error:
            raise PipelineError("remote.unreachable", f"{self._server.ca} cannot be used: {error}") from error
        return http.client.HTTPSConnection(host, self._parts.port, timeout=seconds, context=context)

    def _unreachable(self, error: Exception) -> PipelineError:
        why = str(error) or type(error).__name__
        return PipelineError("remote.unreachable", f"{self._server.url} does not answer: {why}")

    def _refusal(self, answer: http.client.HTTPResponse) -> PipelineError:
        try:
            said = json.loads(answer.read(_PIECE))
            code, detail = str(said.get("code", "")), str(said.get("detail") or said.get("title") or "")
        except (ValueError, AttributeError):
            code, detail = "", ""
        text = f"{self._server.name}: {detail or f'it answered {answer.status} {answer.reason}'}"
        if answer.status in (401, 403):
            return PipelineError("remote.refused", text)
        return PipelineError(code if code in CODES else "remote.unreachable", text)
