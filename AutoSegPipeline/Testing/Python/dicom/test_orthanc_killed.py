"""Orthanc is killed in the middle of a transfer and started again: everything ends complete, exactly once."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any, Callable

import pydicom
import pytest
from AutoSegPipelineLib.core import crash_points
from AutoSegPipelineLib.core.incoming import Intent, input_of, read_intent
from AutoSegPipelineLib.core.pacs.fetches import Order
from AutoSegPipelineLib.core.pacs.store import PacsStore
from AutoSegPipelineLib.dicom.query import fetcher, retrieve
from AutoSegPipelineLib.dicom.query.fetcher import Fetcher
from support.archive import context, until_ended, write_study
from support.orthanc import Orthanc, orthanc
from support.receiving import Receiving, receiving

SLICES, KILLED_AT = 120, 40
ENTRY = {"title": "AUTOSEG"}


def until(what: Callable[[], Any], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


class Axe:
    """Kills the server as soon as ``KILLED_AT`` instances have come; ``killed`` says that it has."""

    def __init__(self, server: Orthanc) -> None:
        self.killed = threading.Event()
        self._server = server
        self._came = 0

    def another(self) -> None:
        self._came += 1
        if self._came == KILLED_AT:
            self._server.kill()
            self.killed.set()


def uids(paths: list[Path]) -> list[str]:
    return sorted(str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in paths)


def send_all(server: Orthanc, wait: bool) -> None:
    """Let it send everything that it holds to us."""
    order = {"Resources": server.rest("/studies"), "Synchronous": wait, "LocalAet": "SENDER"}
    server.rest("/modalities/us/store", json.dumps(order).encode())


def jobs_are_over(server: Orthanc) -> bool:
    """Whether nothing is left of what it was doing when it was killed."""
    return all(one["State"] in ("Success", "Failure") for one in server.rest("/jobs?expand"))


def test_while_it_sends_to_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = write_study(tmp_path / "study", 1, SLICES)
    taker = Receiving(tmp_path / "home", entries=[{**ENTRY, "quiet_seconds": 600.0}])
    with orthanc(tmp_path / "orthanc", known={"us": ("AUTOSEG", taker.port)}) as server:
        server.add(*paths)
        axe = Axe(server)
        monkeypatch.setattr(
            crash_points, "listener", lambda step: axe.another() if step == "instance noted" else None
        )
        with receiving(tmp_path / "home", taker):
            send_all(server, wait=False)
            assert axe.killed.wait(60)
            until(lambda: not taker.receiver._connections)
            assert KILLED_AT <= len(taker.noted()) < SLICES
            server.start()
            send_all(server, wait=True)
            until(lambda: jobs_are_over(server))
            assert uids(taker.noted()) == uids(paths)
            taker.configure(**{**taker.file, "entries": [{**ENTRY, "quiet_seconds": 0.5}]})
            (intent,) = taker.intents(seconds=60)
            until(lambda: [one.jobs for one in taker.pacs.received.list()] == [(intent.id,)])
            assert uids(taker.staged(intent)) == uids(paths) and intent.version == 1
            assert [one.id for one in taker.intents()] == [intent.id]


def test_while_we_fetch_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetcher, "WAITS", (0.2,) * 30)
    paths = write_study(tmp_path / "study", 1, SLICES)
    with orthanc(tmp_path / "orthanc") as server:
        server.add(*paths)
        axe = Axe(server)
        keep = retrieve.SeriesFiles.store

        def store(files: retrieve.SeriesFiles, event: Any) -> int:
            status = keep(files, event)
            axe.another()
            return status

        monkeypatch.setattr(retrieve.SeriesFiles, "store", store)
        peer = {"title": "ORTHANC", "host": "127.0.0.1", "port": server.port}
        shared = context(tmp_path / "home", peers={"pacs": peer}, entries=[ENTRY])
        pacs = PacsStore.of(shared.home)
        study = str(pydicom.dcmread(paths[0]).StudyInstanceUID)
        number = pacs.fetches.add(Order("pacs", study, entry="AUTOSEG"))
        working = Fetcher(shared)
        working.start()
        try:
            assert axe.killed.wait(60)
            found = pacs.fetches.get(number)
            assert found is not None and found.state in ("running", "waiting") and not found.jobs
            server.start()
            found = until_ended(pacs, number)
        finally:
            shared.ended.set()
            working.stop()
        assert (found.state, found.done, found.total, found.tries > 1) == ("done", SLICES, SLICES, True)
        (intent,) = _intents(shared.home.incoming)
        assert list(found.jobs) == [intent.id]
        files = [path for path in input_of(shared.home, intent.id).rglob("*") if path.is_file()]
        assert uids(files) == uids(paths)
        pacs.close()


def _intents(folder: Path) -> list[Intent]:
    return [one for one in map(read_intent, folder.iterdir()) if one is not None]
