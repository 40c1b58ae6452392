"""A real web child for tests: alone on a home that the test writes, or under a whole pipeline."""

from __future__ import annotations

import hashlib
import http.client
import json
import ssl
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator

from AutoSegPipelineLib.core import protocol, states
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.job import Job
from AutoSegPipelineLib.core.lock import HomeLock
from AutoSegPipelineLib.core.settings import Settings
from AutoSegPipelineLib.core.store import Store
from AutoSegPipelineLib.runtime.pipeline import Pipeline
from AutoSegPipelineLib.runtime.processes.child import Child
from AutoSegPipelineLib.runtime.processes.child_command import (
    child_environment,
    command_of,
    library_parent,
)
from AutoSegPipelineLib.runtime.processes.child_kinds import WEB
from AutoSegPipelineLib.web.accounts.accounts import Accounts

from support.pipeline import Bench, fake_spawns
from support.qt import run_until

QUICK = {"port": 0, "disk_min_free_mb": 10, "disk_reserve_mb": 1}


@dataclass
class Answer:
    """What the server said; ``headers`` by names in lower case, several of one name joined."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def request(
    port: int,
    method: str,
    path: str,
    body: Any = None,
    headers: dict[str, str] | None = None,
    *,
    context: ssl.SSLContext | None = None,
    timeout: float = 60.0,
) -> Answer:
    """One request on a connection of its own; a dict or list as body is sent as JSON."""
    headers = dict(headers or {})
    if isinstance(body, (dict, list)):
        body = json.dumps(body).encode()
        headers.setdefault("Content-Type", "application/json")
    connection: http.client.HTTPConnection
    if context is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    else:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=timeout, context=context)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        found: dict[str, str] = {}
        for name, value in answer.getheaders():
            low = name.lower()
            found[low] = f"{found[low]}, {value}" if low in found else value
        return Answer(answer.status, found, answer.read())
    finally:
        connection.close()


class Served:
    """A web child on ``root``, spoken to over its pipes; the test itself plays the pipeline."""

    def __init__(self, root: Path, python: str | None = None, **settings: Any) -> None:
        self.python = python
        self.home = Home.at(root)
        self.home.create()
        self.settings = Settings.defaults(**{**QUICK, **settings})
        self.store = Store(self.home.store)
        self.port = 0
        self.url = ""
        self.failed: dict[str, Any] | None = None
        self.told: list[dict[str, Any]] = []
        self.errors: list[str] = []
        self._lock = HomeLock(self.home.lock)
        self.process: subprocess.Popen[bytes] | None = None
        self._answering: Callable[[Any], dict[str, Any]] | None = None
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Served:
        self._lock.acquire("test")
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._lock.release()
        self.store.close()

    def start(self) -> None:
        """Start the child and wait until it serves or says why not."""
        work = self.home.work / "web"
        work.mkdir(parents=True, exist_ok=True)
        self._ended.clear()
        self.failed, self.url = None, ""
        self.process = subprocess.Popen(
            self.command(), env=child_environment(work), cwd=library_parent(),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        places = {"root": self.home.root, "inbox": self.home.inbox}
        places.update(results=self.home.results, state=self.home.state)
        self._send(
            {
                "type": "serve",
                "home": {name: str(place) for name, place in places.items()},
                "settings": dict(self.settings.values),
            }
        )
        listening = self._thread(self._listen)
        self._thread(self._drain)
        until = time.monotonic() + 60
        while not self.url and self.failed is None and self.process.poll() is None:
            assert time.monotonic() < until, "the web child does not begin"
            time.sleep(0.01)
        if not self.url and self.failed is None:
            listening.join(60)  # it ended; what it said may not be read yet
        if self._answering is not None:
            self._thread(self._answer)

    def command(self) -> list[str]:
        """How the child is started."""
        return command_of(WEB, self.python)

    def _thread(self, target: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=target, daemon=True)
        thread.start()
        self._threads.append(thread)
        return thread

    def _send(self, message: dict[str, Any]) -> None:
        assert self.process is not None and self.process.stdin is not None
        self.process.stdin.write(protocol.to_line(message))
        self.process.stdin.flush()

    def _listen(self) -> None:
        assert self.process is not None and self.process.stdout is not None
        for line in self.process.stdout:
            message = protocol.from_line(line)
            self.told.append(message)
            if message["type"] == "serving":
                self.port, self.url = message["port"], message["url"]
            elif message["type"] == "failed":
                self.failed = message["error"]

    def _drain(self) -> None:
        assert self.process is not None and self.process.stderr is not None
        for line in self.process.stderr:
            self.errors.append(line.decode(errors="replace"))

    def answer(self, how: Callable[[Any], dict[str, Any]]) -> None:
        """Answer requests as a pipeline would, with what ``how(request)`` says."""
        self._answering = how
        self._thread(self._answer)

    def _answer(self) -> None:
        store = Store(self.home.store)  # a connection belongs to its thread
        while not self._ended.is_set():
            for one in store.requests.open():
                assert self._answering is not None
                store.requests.answer(one.id, self._answering(one))
            time.sleep(0.02)
        store.close()

    def kill(self) -> None:
        """End it as a crash would."""
        assert self.process is not None
        self.process.kill()
        self._gone()

    def stop(self, seconds: float = 30.0) -> int:
        """Tell it to end; its exit code."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self._send({"type": "quit"})
            assert self.process.stdin is not None
            self.process.stdin.close()
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self._gone()

    def _gone(self) -> int:
        assert self.process is not None
        code = self.process.wait()
        self._ended.set()
        for thread in self._threads:
            thread.join(10)
        self._threads.clear()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        self.process = None
        return code

    # --- what a test says and asks --------------------------------------------------------

    def request(self, method: str, path: str, body: Any = None, headers: Any = None, **how: Any) -> Answer:
        return request(self.port, method, path, body, headers, **how)

    def get(self, path: str, **headers: str) -> Answer:
        """GET; ``if_range="x"`` is the header ``if-range``."""
        return self.request("GET", path, None, {name.replace("_", "-"): v for name, v in headers.items()})

    def add_job(self, state: str = states.DONE, files: dict[str, bytes] | None = None, **about: Any) -> Job:
        """A job in ``state``; a finished one with ``files`` (by ending) in the results folder."""
        job = Job(**{"label": "scan.nii.gz", "door": "inbox", **about})
        self.store.jobs.add(job)
        if state == states.DONE:
            job.name = about.get("name") or f"case_{job.id[:6]}"
            job.outputs = [self._output(job, ending, data) for ending, data in (files or FILES).items()]
        for step in _WAY[state]:
            self.store.jobs.enter(job, step)
        return job

    def _output(self, job: Job, ending: str, data: bytes) -> dict[str, Any]:
        name = f"{job.name}{ending}"
        (self.home.results / name).write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        return {"kind": ending.split(".")[1], "name": name, "size": len(data), "sha256": digest}


FILES = {".gltf": b'{"asset": {"version": "2.0"}}', ".manifest.json": b"{}"}
_RUN = (states.INSPECTING, states.QUEUED, states.PREPARING, states.SEGMENTING, states.EXPORTING)
_WAY = {
    states.RECEIVING: (),
    states.INSPECTING: _RUN[:1],
    states.QUEUED: _RUN[:2],
    states.PREPARING: _RUN[:3],
    states.SEGMENTING: _RUN[:4],
    states.EXPORTING: _RUN,
    states.DONE: (*_RUN, states.PUBLISHING, states.DONE),
    states.FAILED: (*_RUN, states.FAILED),
    states.REFUSED: (states.REFUSED,),
    states.CANCELLED: (*_RUN[:2], states.CANCELLED),
}


class WebBench(Bench):
    """A pipeline with the fake worker that serves its page; the Qt loop runs while a request waits."""

    def __init__(self, root: Path, do: str = "", **settings: Any) -> None:
        super().__init__(root, do, None, **{**QUICK, "web": True, **settings})

    def _make(self) -> Pipeline:
        def web(on_message: Any, on_log: Any, on_end: Any) -> Child:
            work = self.home.work / "web"
            work.mkdir(parents=True, exist_ok=True)
            return Child(command_of(WEB), child_environment(work), on_message, on_log, on_end)

        spawns = fake_spawns(self.home, self.do, self.hung_seconds, {WEB: web})
        return Pipeline(self.home, self.settings, spawns, what="test", web=self.settings["web"])

    def start(self) -> None:
        """Start and wait until the page is there or is known not to come."""
        super().start()
        web = self.pipeline.web
        run_until(lambda: not self.settings["web"] or web.url or web.error, 60)

    @property
    def port(self) -> int:
        return self.pipeline.web.port

    def request(self, method: str, path: str, body: Any = None, headers: Any = None) -> Answer:
        """Ask while the loop runs; an error of the request is raised here."""
        found: list[Any] = []

        def work() -> None:
            try:
                found.append(request(port, method, path, body, headers))
            except (OSError, http.client.HTTPException) as error:
                found.append(error)

        port = self.port
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        run_until(lambda: bool(found), 60)
        thread.join()
        if isinstance(found[0], Exception):
            raise found[0]
        answer: Answer = found[0]
        return answer


def served(root: Path, **settings: Any) -> Iterator[Served]:
    """For fixtures: ``yield from served(tmp_path)``."""
    with Served(root, **settings) as one:
        yield one


def token_for(home: Path, name: str) -> str:
    """The secret of a token of ``name``, a new account of the role operator."""
    accounts = Accounts.of(Home.at(home))
    accounts.users.add(name, "operator", "correct horse battery")
    _, secret = accounts.tokens.create(name, "stow", "operator", 1)
    accounts.close()
    return secret
