"""A served home for tests of uploads: the real web child, the real store, a worker that computes nothing."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator

import psutil
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.job import Job
from AutoSegPipelineLib.core.store import Store

from support.headless import clean_environment
from support.pipeline import write_scan

DRIVER = Path(__file__).with_name("upload_driver.py")
TUS = {"Tus-Resumable": "1.0.0"}
PART = {**TUS, "Content-Type": "application/offset+octet-stream"}


@dataclass
class Answer:
    """One answer; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Site:
    """A pipeline with its page in a process of its own."""

    def __init__(self, root: Path, **settings: Any) -> None:
        self.home = Home.at(root)
        self.settings = settings
        self.url = ""
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> Site:
        self._process = subprocess.Popen(
            [sys.executable, str(DRIVER), str(self.home.root), json.dumps(self.settings)],
            env=clean_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip().rstrip("/")
        assert self.url, "the page was not served"
        return self

    def warm(self) -> Site:
        """Every child has been started, so that none appears in the middle of a test that shares this."""
        scan = write_scan(self.home.root.parent / "warm.nii")
        answer = self.ask("PUT", "/api/v1/uploads/warm.nii", scan.read_bytes())
        self.ended(answer.json["jobs"][0]["id"])
        return self

    def stop(self) -> None:
        if self._process is None:
            return
        process, self._process = self._process, None
        assert process.stdin is not None and process.stdout is not None
        process.stdin.close()
        try:
            process.wait(30)
        finally:
            process.kill()
            process.wait(10)
            process.stdout.close()

    @property
    def port(self) -> int:
        return int(urllib.parse.urlsplit(self.url).port or 0)

    @property
    def uploads(self) -> Path:
        return self.home.state / "uploads"

    def ask(self, method: str, path: str, data: Any = None, **headers: str) -> Answer:
        """One request; header names with ``_`` for ``-``."""
        target = path if path.startswith("http") else self.url + path
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(target, data=data, method=method, headers=named)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())
        try:
            with opener.open(request, timeout=60) as response:
                return Answer(response.status, _lower(response.headers), response.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, _lower(error.headers), error.read())

    @contextlib.contextmanager
    def store(self) -> Iterator[Store]:
        store = Store(self.home.store)
        try:
            yield store
        finally:
            store.close()

    def jobs(self) -> list[Job]:
        with self.store() as store:
            return store.jobs.list()

    def job(self, job_id: str) -> Job:
        with self.store() as store:
            return store.jobs.get(job_id)

    def until(self, predicate: Callable[[], Any], seconds: float = 30.0) -> Any:
        end = time.monotonic() + seconds
        while True:
            found = predicate()
            if found:
                return found
            assert time.monotonic() < end, "it did not happen"
            time.sleep(0.03)

    def ended(self, *job_ids: str) -> list[Job]:
        """The jobs, once they have ended."""
        self.until(lambda: all(self.job(one).ended for one in job_ids))
        return [self.job(one) for one in job_ids]

    @property
    def web_pid(self) -> int:
        with self.store() as store:
            return int((store.meta.get("web") or {}).get("pid") or 0)

    def back(self, before: int) -> None:
        """Wait until another web child than ``before`` serves."""
        self.until(lambda: not psutil.pid_exists(before) and self.web_pid not in (0, before))

        def answers() -> bool:
            with self.store() as store:
                url = (store.meta.get("web") or {}).get("url")
            self.url = str(url or self.url).rstrip("/")
            try:
                return self.ask("GET", "/healthz").status == 200
            except OSError:
                return False

        self.until(answers)

    # --- tus ---------------------------------------------------------------------------

    def create(self, length: int, body: bytes | None = None, **metadata: str) -> Answer:
        """Create a resumable upload, with bytes of it if given."""
        pairs = (f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in metadata.items())
        headers = {**(PART if body is not None else TUS), "Upload-Length": str(length)}
        if metadata:
            headers["Upload-Metadata"] = ",".join(pairs)
        return self.ask("POST", "/api/v1/uploads", body, **headers)

    def place(self, answer: Answer) -> str:
        """The path of a created upload."""
        assert answer.status == 201, answer
        return urllib.parse.urlsplit(answer.headers["location"]).path

    def patch(self, path: str, offset: int, data: bytes, **headers: str) -> Answer:
        return self.ask("PATCH", path, data, **{**PART, "Upload-Offset": str(offset), **headers})

    def offset(self, path: str) -> int:
        return int(self.ask("HEAD", path, **TUS).headers["upload-offset"])


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def form(*files: tuple[str, str, bytes], **fields: str) -> tuple[bytes, str]:
    """(body, content type) of a form: files as (field, name, bytes)."""
    boundary = "----test-boundary"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    for field, name, data in files:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n'
        parts.append(head.encode() + b"Content-Type: application/octet-stream\r\n\r\n" + data + b"\r\n")
    return b"".join(parts) + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def half_sent(site: Site, path: str, offset: int, data: bytes, length: int) -> socket.socket:
    """A connection that has sent ``data`` of a PATCH of ``length`` bytes, and waits."""
    head = f"PATCH {path} HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\nTus-Resumable: 1.0.0\r\n"
    head += (
        f"Upload-Offset: {offset}\r\nContent-Type: {PART['Content-Type']}\r\nContent-Length: {length}\r\n\r\n"
    )
    connection = socket.create_connection(("127.0.0.1", site.port), timeout=30)
    connection.sendall(head.encode() + data)
    return connection


def ids(answer: Any) -> list[str]:
    """The jobs that an answer names."""
    return [job["id"] for job in answer.json["jobs"]]
