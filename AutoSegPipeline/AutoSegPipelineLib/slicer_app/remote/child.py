"""The remote child: ``python -m AutoSegPipelineLib.slicer_app.remote.child``.

It keeps a copy of a server's jobs in a store of its own, which the panel reads as it reads a pipeline's,
and does what stands in the store's requests: ``cancel``, ``retry``, ``purge``, and ``submit``, ``fetch``
and ``log``, which only this store knows. The address and the token stand in ``state/server.json``.
"""

from __future__ import annotations

import os
import platform
import sys
import threading
from pathlib import Path
from typing import Callable, Iterator
from urllib.parse import quote

from ...core.child_channel import ChildChannel
from ...core.child_main import heartbeats, take_channel
from ...core.commands import Cancel, Purge, Retry, Review
from ...core.errors import PipelineError
from ...core.files import read_json
from ...core.home import Home
from ...core.job import FIELDS, Job
from ...core.messages.child_messages import Failed, Hello, Serve
from ...core.protocol import Envelope
from ...core.store import Store
from ...core.store.requests import Request
from .api import Api, Document
from .servers import Server

SERVER = "server.json"
NOTE, SUBMIT, FETCH, LOG = "remote", "submit", "fetch", "log"
SEGMENTATION = "seg"
_NEWS_SECONDS, _LOOK_SECONDS = 20.0, 0.2
_AGAIN_SECONDS = (1.0, 2.0, 5.0, 15.0)
_PUBLIC = [one.name for one in FIELDS if one.public and one.name != "revision"]


class Mirror:
    """A server's jobs in our store. ``sent`` says which file of ours a job was made of."""

    def __init__(self, home: Home, api: Api, sent: dict[str, str]) -> None:
        self._home = home
        self._api = api
        self._sent = sent
        self._since = 0

    def run(self, ended: threading.Event) -> None:
        """Ask for news until the end; the note says whether the server answers."""
        store = Store(self._home.store)
        tries = 0
        try:
            while not ended.is_set():
                try:
                    self._news(store, 0.0 if tries or not self._since else _NEWS_SECONDS)
                    if tries or not store.meta.get(NOTE):
                        store.meta.set("describe", {"engines": self._api.ask("GET", "engines")["engines"]})
                        store.meta.set(NOTE, {"error": None})
                    tries = 0
                except Exception as error:  # the thread's boundary: the panel says it, and it is tried again
                    store.meta.set(NOTE, {"error": _coded(error).to_dict()})
                    ended.wait(_AGAIN_SECONDS[min(tries, len(_AGAIN_SECONDS) - 1)])
                    tries += 1
        finally:
            store.close()

    def _news(self, store: Store, wait: float) -> None:
        if not self._since:
            self._forget_deleted(store)
        news = self._api.ask("GET", "events", {"since": self._since, "wait": wait}, wait)
        if news["reset"]:
            self._forget_deleted(store)
        with store.transaction():
            for document in news["jobs"]:
                self.keep(store, document)
            for job_id in news["deleted"]:
                if store.jobs.find(job_id) is not None:
                    store.jobs.delete(job_id)
        self._since = int(news["revision"])

    def _forget_deleted(self, store: Store) -> None:
        """What was deleted there while nobody looked."""
        there: set[str] = set()
        cursor: str | None = None
        while True:
            query = {"limit": 500, **({"cursor": cursor} if cursor else {})}
            page = self._api.ask("GET", "jobs", query)
            there.update(str(document["id"]) for document in page["jobs"])
            cursor = page["cursor"]
            if not cursor:
                break
        for job in store.jobs.list():
            if job.id not in there:
                store.jobs.delete(job.id)

    def keep(self, store: Store, document: Document) -> Job:
        """The row of a job as the server describes it now."""
        values = {name: document[name] for name in _PUBLIC if name in document}
        job = Job(**values)
        job.input = self._sent.get(job.id, job.input)
        store.jobs.copy(job)
        return job


class Requests:
    """Does what the panel asks, one thing after the other."""

    def __init__(self, home: Home, api: Api, mirror: Mirror, sent: dict[str, str]) -> None:
        self._home = home
        self._api = api
        self._mirror = mirror
        self._sent = sent
        self._actions: dict[str, Callable[[Store, Request], dict[str, object]]] = {
            Cancel.name: lambda store, asked: self._command("POST", asked, "/cancel"),
            Retry.name: lambda store, asked: self._command("POST", asked, "/retry"),
            Review.name: self._review,
            Purge.name: lambda store, asked: self._command("DELETE", asked, ""),
            SUBMIT: self._submit,
            FETCH: self._fetch,
            LOG: self._log,
        }

    def run(self, ended: threading.Event) -> None:
        """Look for requests until the end."""
        store = Store(self._home.store)
        try:
            while not ended.wait(_LOOK_SECONDS):
                for asked in store.requests.open():
                    store.requests.answer(asked.id, self._answer(store, asked))
        finally:
            store.close()

    def _answer(self, store: Store, asked: Request) -> dict[str, object]:
        action = self._actions.get(asked.kind)
        try:
            if action is None:
                raise PipelineError(
                    "request.invalid", f"another machine's jobs cannot be changed by {asked.kind}"
                )
            return {"ok": True, **action(store, asked)}
        except (PipelineError, OSError, KeyError, TypeError, ValueError) as error:
            return {"error": _coded(error).to_dict()}

    def _review(self, store: Store, asked: Request) -> dict[str, object]:
        body = {"mark": asked.args.get("mark", ""), "remark": asked.args.get("remark", "")}
        self._mirror.keep(store, self._api.ask("PUT", f"jobs/{quote(str(asked.job))}/review", body=body))
        return {"job": asked.job}

    def _command(self, method: str, asked: Request, ending: str) -> dict[str, object]:
        self._api.ask(method, f"jobs/{quote(str(asked.job))}{ending}")
        return {"job": asked.job}

    def _submit(self, store: Store, asked: Request) -> dict[str, object]:
        path, options = Path(str(asked.args["path"])), asked.args.get("options")
        try:
            found = self._api.upload(path, path.name, options if isinstance(options, dict) else {})
        except PipelineError as error:
            text = f"{path.name} was not sent: {error.message}"
            raise PipelineError(error.code, text, error.hint) from error
        with store.transaction():
            for document in found:
                self._sent[str(document["id"])] = str(path)
                self._mirror.keep(store, document)
        return {"jobs": [document["id"] for document in found]}

    def _fetch(self, store: Store, asked: Request) -> dict[str, object]:
        """The segmentation of a job, into the results folder of the copy."""
        result = self._api.ask("GET", f"results/{quote(str(asked.job))}")
        wanted = [one for one in result["files"] if one["kind"] == SEGMENTATION]
        for one in wanted:
            name = Path(str(one["name"])).name
            if name != one["name"]:
                raise PipelineError("request.invalid", f"{one['name']!r} cannot be the name of a file")
            target = self._home.results / name
            path = f"results/{quote(str(asked.job))}/files/{quote(name)}"
            self._api.download(path, target, str(one["sha256"]))
        return {"job": asked.job, "found": len(wanted)}

    def _log(self, store: Store, asked: Request) -> dict[str, object]:
        self._api.download(f"jobs/{quote(str(asked.job))}/log", self._home.job_log(str(asked.job)))
        return {"job": asked.job}


def _coded(error: Exception) -> PipelineError:
    """``error`` for the panel: what has no code comes of an answer that is not of this program."""
    if isinstance(error, PipelineError):
        return error
    return PipelineError("remote.unreachable", f"{type(error).__name__}: {error}")


def _serve(channel: ChildChannel, commands: Iterator[Envelope], home: Home) -> None:
    api = Api(Server(**read_json(home.state / SERVER)))
    ended = threading.Event()
    sent: dict[str, str] = {}
    mirror = Mirror(home, api, sent)
    threads = [
        threading.Thread(target=one.run, args=(ended,), daemon=True)
        for one in (mirror, Requests(home, api, mirror, sent))
    ]
    for thread in threads:
        thread.start()
    channel.send(Hello(os.getpid(), "remote", platform.python_version()))
    for _ in commands:  # only `quit` can come, which ends the loop as a closed pipe does
        pass
    ended.set()
    threads[1].join(5)


def main() -> int:
    """Serve; 0 after ``quit``, 1 when it could not begin."""
    channel = take_channel()
    channel.start()
    commands = channel.commands()
    with heartbeats(channel):
        for envelope in commands:
            if isinstance(envelope.message, Serve):
                try:
                    _serve(channel, commands, envelope.message.home.home)
                except (OSError, ValueError, TypeError, PipelineError) as error:
                    channel.send(Failed(PipelineError("remote.unreachable", str(error)).to_dict()))
                    return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
