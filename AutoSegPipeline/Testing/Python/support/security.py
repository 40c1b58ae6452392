"""The real web child on a home with results and accounts, and requests of every kind to it.

No pipeline runs: a thread holds its lock and answers what is asked of it, so that a test of
hundreds of requests takes seconds.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import socket
import ssl
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.job import Job
from AutoSegPipelineLib.core.lock import HomeLock
from AutoSegPipelineLib.core.protocol import from_line, to_line
from AutoSegPipelineLib.core.settings import Settings
from AutoSegPipelineLib.core.store import Store
from AutoSegPipelineLib.web import app
from AutoSegPipelineLib.web.accounts import passwords
from AutoSegPipelineLib.web.accounts.accounts import Accounts

from support.headless import clean_environment

PASSWORD = "four horses in rain"
PEOPLE = {"vera": "viewer", "olga": "operator", "otto": "operator", "ada": "admin"}
KINDS = {"gltf": ".gltf", "report": ".report.html", "statistics": ".statistics.csv"}


@dataclass
class Answer:
    """One answer; header names in lower case, the last of the same name wins."""

    status: int
    headers: dict[str, str]
    body: bytes
    cookies: list[str] = field(default_factory=list)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The problem's code; empty where the answer is no problem."""
        try:
            return str(self.json.get("code", ""))
        except (ValueError, AttributeError):
            return ""


class Served:
    """A home, its web child and a pipeline that says yes; ``with`` it."""

    def __init__(self, root: Path, accounts: bool = True, **settings: Any) -> None:
        self.home = Home.at(root)
        self.home.create()
        self.settings = Settings.defaults(**{"port": 0, **settings})
        self.failed: dict[str, str] | None = None
        self.port, self.url = 0, ""
        self.said: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = threading.Event()
        self._ready = threading.Event()
        Store(self.home.store).close()
        if accounts:
            with self.accounts() as book:
                for name, role in PEOPLE.items():
                    book.users.add(name, role, PASSWORD)

    def accounts(self) -> _Closing:
        """The accounts, in a connection of one's own."""
        return _Closing(Accounts.of(self.home))

    def __enter__(self) -> Served:
        self._threads = [threading.Thread(target=self._pipeline, daemon=True)]
        self._threads[0].start()
        assert self._ready.wait(10)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "AutoSegPipelineLib.web.child"],
            env=clean_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        home = {name: str(getattr(self.home, name)) for name in ("root", "inbox", "results", "state")}
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        stdin.write(to_line({"type": "serve", "home": home, "settings": dict(self.settings.values)}))
        stdin.flush()
        for line in stdout:
            message = from_line(line)
            if message["type"] == "serving":
                self.port, self.url = message["port"], message["url"].rstrip("/")
                break
            if message["type"] == "failed":
                self.failed = message["error"]
                break
            if message["type"] == "log":
                self.said.append(message["text"])
        self._threads.append(threading.Thread(target=self._listen, args=(stdout,), daemon=True))
        self._threads[1].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._process is not None:
            assert self._process.stdin is not None and self._process.stdout is not None
            self._process.stdin.close()
            try:
                self._process.wait(20)
            finally:
                self._process.kill()
                self._process.wait(10)
        for thread in self._threads:
            thread.join(10)
        if self._process is not None and self._process.stdout is not None:
            self._process.stdout.close()

    def _listen(self, stdout: Any) -> None:
        for line in stdout:
            message = from_line(line)
            if message["type"] == "log":
                self.said.append(message["text"])

    def _pipeline(self) -> None:
        lock = HomeLock(self.home.lock)
        lock.acquire("test")
        store = Store(self.home.store)
        self._ready.set()
        try:
            while not self._ended.wait(0.02):
                for request in store.requests.open():
                    store.requests.answer(
                        request.id, {"ok": True, "job": request.job or "", "state": "queued"}
                    )
        finally:
            store.close()
            lock.release()

    # --- what is there ----------------------------------------------------------------------

    def result(self, name: str, by: str, door: str = "web") -> Job:
        """A finished case of somebody, with files that say whose they are."""
        outputs = []
        for kind, ending in KINDS.items():
            data = f"{kind} of {by or 'nobody'}".encode()
            (self.home.results / (name + ending)).write_bytes(data)
            sha = hashlib.sha256(data).hexdigest()
            outputs.append({"kind": kind, "name": name + ending, "size": len(data), "sha256": sha})
        (self.home.logs / "jobs").mkdir(exist_ok=True)
        return self.job(name, by, door, states.DONE, outputs)

    def job(
        self, name: str, by: str, door: str = "web", state: str = states.QUEUED, outputs: Any = ()
    ) -> Job:
        """A job of somebody in some state."""
        job = Job(name=name, label=f"{name}.nii.gz", door=door, submitted_by=by, outputs=list(outputs))
        job.state = state
        store = Store(self.home.store)
        try:
            store.jobs.add(job)
            store.stems.reserve(name, job.id)
        finally:
            store.close()
        self.home.job_log(job.id).write_text('{"text": "secret of the log"}\n')
        return job

    # --- requests ---------------------------------------------------------------------------

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        **more: str,
    ) -> Answer:
        """One request on a connection of its own; in ``more`` names of headers with ``_`` for ``-``."""
        named = {**(headers or {}), **{name.replace("_", "-"): value for name, value in more.items()}}
        secure = self.url.startswith("https")
        if secure:
            context = ssl._create_unverified_context()
            connection: Any = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=context)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, named)
            response = connection.getresponse()
            found = response.getheaders()
            cookies = [value for name, value in found if name.lower() == "set-cookie"]
            return Answer(response.status, {n.lower(): v for n, v in found}, response.read(), cookies)
        finally:
            connection.close()

    def json(self, method: str, path: str, value: Any, **headers: str) -> Answer:
        """A request whose body is JSON."""
        body = json.dumps(value).encode()
        return self.ask(method, path, body, {"Content-Type": "application/json"}, **headers)

    def log_in(self, name: str, password: str = PASSWORD) -> Browser:
        """A browser that has logged in."""
        answer = self.json("POST", "/api/v1/session", {"username": name, "password": password})
        assert answer.status == 201, answer
        return Browser(self, answer.cookies[0].split(";")[0], answer.json["csrf"])

    def token(self, name: str, role: str = "admin", days: float = 1) -> str:
        """The header of a fresh token."""
        with self.accounts() as book:
            return "Bearer " + book.tokens.create(name, "test", role, days)[1]

    def raw(self, data: bytes, wait: float = 20.0) -> bytes:
        """Bytes as they are over a socket; what came back until the server closed."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=wait) as line:
            # A server that answers before the end of what it does not want may reset the line meanwhile.
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                line.sendall(data)
            return drain(line)


@dataclass
class Browser:
    """A login: its cookie and its proof."""

    served: Served
    cookie: str
    csrf: str

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """A request of the page itself."""
        return self.served.ask(method, path, body, Cookie=self.cookie, X_CSRF_Token=self.csrf, **headers)

    def json(self, method: str, path: str, value: Any) -> Answer:
        """The same with a JSON body."""
        return self.served.json(method, path, value, Cookie=self.cookie, X_CSRF_Token=self.csrf)


class _Closing:
    def __init__(self, book: Accounts) -> None:
        self._book = book

    def __enter__(self) -> Accounts:
        return self._book

    def __exit__(self, *_: object) -> None:
        self._book.close()


def drain(line: socket.socket) -> bytes:
    """Everything until the other end closes."""
    found = b""
    while True:
        try:
            part = line.recv(65536)
        except (ConnectionResetError, BrokenPipeError):
            return found
        if not part:
            return found
        found += part


def quick_hashes() -> None:
    """Parameters of the hash that take no time; only for books that a test fills itself."""
    passwords.PARAMETERS.update(time_cost=1, memory_cost=64, parallelism=1)


def routes() -> set[str]:
    """Method and path of every route of the application."""
    found = {"GET /api/v1/openapi.json"}
    for module in app._MODULES:
        for route in module.router.routes:
            found |= {f"{method} {route.path}" for method in route.methods}
    return found
