"""A phantom goes through the real receiver, and its results to a real peer, by the ways of all others."""

from __future__ import annotations

import secrets
import socket
import time
from pathlib import Path
from typing import Callable, TypeVar

from ..core import states
from ..core.commands import Purge
from ..core.errors import PipelineError
from ..core.job import Job
from ..core.pacs.asks import Ask
from ..core.pacs.config import Caller, Entry, Peer, Receiver
from ..core.pacs.sends import FAILED, SENT, Send, SentObject
from ..core.pacs.store import PacsStore
from ..core.specs import parse_options
from ..core.store import Store
from .connect import Ourselves
from .context import Context
from .privacy.folders import table_of
from .query.find import find_series
from .send.c_store import store as c_store

LOOK_SECONDS = 0.5
STEP_SECONDS = 240.0
_OPTIONS = {"engine": "tissue", "formats": ["gltf", "seg", "statistics"]}
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}
T = TypeVar("T")


def self_test(context: Context, ask: Ask) -> dict[str, object]:
    """``peer``, and ``folder`` with the study: each step with what it found, up to the first that fails.

    The title under which it is received is random and known to the receiver only meanwhile.
    """
    name = str(ask.args.get("peer", ""))
    peer = context.config().peer(name)
    test = _SelfTest(context, name, peer, Path(str(ask.args.get("folder", ""))), ask.by)
    try:
        return {"steps": test.run()}
    finally:
        test.close()


class _SelfTest:
    def __init__(self, context: Context, name: str, peer: Peer, folder: Path, by: str) -> None:
        self._context = context
        self._name = name
        self._peer = peer
        self._folder = folder
        self._by = by
        self._title = "T" + secrets.token_hex(7).upper()
        self._store: Store = context.store()
        self._pacs: PacsStore = context.pacs_store()
        self._steps: list[dict[str, object]] = []

    def close(self) -> None:
        self._store.close()
        self._pacs.close()

    def run(self) -> list[dict[str, object]]:
        receiver = self._context.config().receiver
        host = _WILDCARDS.get(receiver.host, receiver.host)
        entry = Entry(self._title, parse_options(_OPTIONS, "self-test"), [self._name], quiet_seconds=1.0)
        job: Job | None = None
        try:
            with self._context.config.guest(Caller(self._title, socket.gethostbyname(host)), entry):
                study = self._step("received", lambda: self._deliver(receiver, host))
                job = accepted = self._step("accepted", self._accepted)
            processed = self._step("processed", lambda: self._processed(accepted))
            self._step("sent", lambda: self._sent(processed))
            self._look(study)
        except PipelineError:
            pass  # its step says why
        finally:
            if job is not None:
                self._store.requests.ask(Purge(job.id), self._by)
        return self._steps

    def _step(self, name: str, act: Callable[[], T]) -> T:
        began = time.monotonic()
        step: dict[str, object] = {"step": name, "ok": False, "note": ""}
        self._steps.append(step)
        try:
            found = act()
            step["ok"] = True
            return found
        except PipelineError as error:
            step["note"] = error.message
            raise
        finally:
            step["seconds"] = round(time.monotonic() - began, 1)

    def _deliver(self, receiver: Receiver, host: str) -> str:
        """Send the study to the receiver; its UID."""
        from pydicom import dcmread

        objects, study = [], ""
        for path in sorted(self._folder.iterdir()):
            data = dcmread(path, stop_before_pixels=True)
            study = str(data.StudyInstanceUID)
            syntax = str(data.file_meta.TransferSyntaxUID)
            own, series = str(data.SOPInstanceUID), str(data.SeriesInstanceUID)
            objects.append(SentObject("slice", path.name, str(data.SOPClassUID), own, series, syntax))
        ourselves = Ourselves(
            title=self._title, our_title=self._title, host=host, port=receiver.port,
            tls=bool(receiver.tls_cert), tls_ca=receiver.tls_cert,
            tls_cert=receiver.tls_cert if receiver.tls_ca else "",
            tls_key=receiver.tls_key if receiver.tls_ca else "",
        )  # fmt: skip
        c_store("the receiver", ourselves, self._folder, objects)
        return study

    def _accepted(self) -> Job:
        """The job that the receiver makes of it."""

        def look() -> Job | None:
            for row in self._pacs.received.list(20):
                if row.called == self._title and row.jobs:
                    return self._store.jobs.find(row.jobs[0])
            return None

        return self._wait(look, "the receiver has not handed it over")

    def _processed(self, job: Job) -> Job:
        def look() -> Job | None:
            found = self._store.jobs.find(job.id)
            return found if found is None or found.ended else None

        found = self._wait(look, "it is not processed yet; see autoseg list")
        if found.state != states.DONE:
            raise PipelineError("pacs.missing_result", (found.error or {}).get("message", found.state))
        return found

    def _sent(self, job: Job) -> Send:
        """The send that the outbox makes of it; an obstacle that it meets is the answer."""

        def look() -> Send | None:
            found = self._pacs.sends.of(job.id, self._name)
            return found if found is not None and (found.state in (SENT, FAILED) or found.error) else None

        found = self._wait(look, "the peer has not acknowledged it yet")
        if found.state != SENT:
            raise PipelineError("pacs.not_taken", (found.error or {}).get("message", found.state))
        kind = f"{found.encoding} {found.compression}".strip()
        self._steps[-1]["note"] = f"{len(found.objects)} objects, {kind}"
        return found

    def _look(self, study: str) -> None:
        """Whether the peer shows them; one that answers no questions is no failure."""
        if self._peer.deidentify:
            table = table_of(self._context.home, self._context.config().privacy)
            study = table.uid(study)
            table.close()
        try:
            found = find_series(self._name, self._peer, study)
        except PipelineError as error:
            self._steps.append({"step": "found", "ok": None, "note": f"not checked: {error.message}"})
            return
        kinds = ", ".join(sorted({one.modality for one in found})) or "nothing"
        self._steps.append({"step": "found", "ok": bool(found), "note": f"the study holds {kinds}"})

    def _wait(self, look: Callable[[], T | None], late: str) -> T:
        until = time.monotonic() + STEP_SECONDS
        while True:
            found = look()
            if found is not None:
                return found
            if time.monotonic() > until or self._context.ended.is_set():
                raise PipelineError("pacs.no_answer", late)
            time.sleep(LOOK_SECONDS)
