"""``autoseg dicom find``, ``get`` and ``echo``, and a serving pipeline that fetches and watches."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Iterator

import pydicom
import pytest
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.pacs.fetches import Order
from AutoSegPipelineLib.core.pacs.store import PacsStore
from AutoSegPipelineLib.core.store import Store
from AutoSegPipelineLib.dicom.query.fetcher import Fetcher
from support.archive import Archive, archive, context, until_ended, write_config, write_study
from support.headless import SERVE, Running, autoseg
from support.orthanc import free_port, needed


@pytest.fixture
def home(tmp_path: Path, shared_archive: Archive) -> Path:
    away = {"title": "A", "host": "127.0.0.1", "port": 1}
    peers = {"pacs": shared_archive.peer(), "web": shared_archive.web_peer(), "away": away}
    write_config(tmp_path / "home", peers=peers)
    return tmp_path / "home"


@pytest.fixture
def serving(home: Path) -> Iterator[Path]:
    running = Running(*SERVE, "--home", home, "--dicom", "--no-web")
    try:
        until = time.monotonic() + 60
        while not json.loads(autoseg("dicom", "status", "--json", "--home", home).stdout)["running"]:
            assert time.monotonic() < until
            time.sleep(0.2)
        yield home
    finally:
        running.signal(signal.SIGINT)
        assert running.end() == 0


def until_done(home: Path, count: int, seconds: float = 60.0) -> list[Any]:
    """The ended jobs when there are ``count``."""
    until = time.monotonic() + seconds
    while True:
        store = Store(Home.at(home).store)
        jobs = store.jobs.list(("done", "failed", "refused"))
        store.close()
        if len(jobs) >= count:
            return jobs
        assert time.monotonic() < until, jobs
        time.sleep(0.3)


def test_find_lists_studies_and_series(home: Path) -> None:
    found = autoseg("dicom", "find", "pacs", "--patient", "P1", "--series", "--json", "--home", home)
    document = json.loads(found.stdout)
    [study] = document["studies"]
    assert study["name"] == "Müller Änne" and study["series_list"][0]["number"] == 3
    table = autoseg("dicom", "find", "web", "--modality", "CT", "--home", home, env={"COLUMNS": "200"})
    assert "THORAX" in table.stdout and "2025-11-01" in table.stdout
    assert "No study matches" in autoseg("dicom", "find", "web", "--patient", "P9", "--home", home).stdout
    nothing = autoseg("dicom", "find", "pacs", "--home", home)
    assert nothing.returncode == 2 and "at least one" in nothing.stderr
    unknown = autoseg("dicom", "find", "pax", "--patient", "P1", "--home", home)
    assert unknown.returncode and "did you mean 'pacs'" in unknown.stderr
    assert not (home / "state").exists()  # looking makes no home


def test_echo_names_who_is_away(home: Path) -> None:
    found = autoseg("dicom", "echo", "--json", "--home", home)
    assert found.returncode == 1
    answers = {one["peer"]: one for one in json.loads(found.stdout)["peers"]}
    assert answers["pacs"]["answers"] and answers["web"]["answers"]
    assert "does not answer at 127.0.0.1, port 1" in answers["away"]["note"]
    assert autoseg("dicom", "echo", "pacs", "web", "--home", home).returncode == 0


def test_get_writes_to_a_folder(home: Path, shared_archive: Archive, tmp_path: Path) -> None:
    study = pydicom.dcmread(shared_archive.files[0][0]).StudyInstanceUID
    out = tmp_path / "out"
    found = autoseg("dicom", "get", "pacs", study, "-o", out, "--json", "--home", home)
    assert found.returncode == 0, found.stderr
    [series] = json.loads(found.stdout)["series"]
    assert series["files"] == len(list(Path(series["folder"]).glob("*.dcm"))) == 12
    assert Path(series["folder"]).name.startswith("series-3-")
    refused = autoseg("dicom", "get", "pacs", study, "--home", home)
    assert refused.returncode and "--dicom" in refused.stderr


def test_get_makes_a_case(serving: Path, shared_archive: Archive) -> None:
    study = pydicom.dcmread(shared_archive.files[0][0]).StudyInstanceUID
    found = autoseg("dicom", "get", "pacs", study, "--json", "--home", serving)
    assert found.returncode == 0, found.stderr
    document = json.loads(found.stdout)["fetch"]
    assert document["state"] == "done" and len(document["jobs"]) == 1
    [job] = until_done(serving, 1)
    assert job.state == "done" and job.door == "dicom", job.error


def test_get_ends_when_the_pipeline_does(home: Path) -> None:
    running = Running(*SERVE, "--home", home, "--dicom", "--no-web")
    waiting = None
    try:
        until = time.monotonic() + 60
        while not json.loads(autoseg("dicom", "status", "--json", "--home", home).stdout)["running"]:
            assert time.monotonic() < until
            time.sleep(0.2)
        waiting = Running("dicom", "get", "away", "1.2.3", "--home", home)
        waiting.wait_for("does not answer")  # it is tried again in 30 seconds
    finally:
        running.signal(signal.SIGINT)
        ended = running.end()
    assert ended == 0 and waiting is not None
    waiting.wait_for("the pipeline has ended; fetch 1 is waiting")
    assert waiting.end() != 0


def test_a_watch_takes_each_study_once(serving: Path, shared_archive: Archive, tmp_path: Path) -> None:
    watch = {
        "name": "all", "peer": "web", "match": {"patient": "W*"}, "every_minutes": 0.01, "at_most_studies": 1,
    }  # fmt: skip
    peers = {"web": shared_archive.web_peer(), "away": {"title": "A", "host": "127.0.0.1", "port": 1}}
    gone = {**watch, "name": "gone", "peer": "away"}
    write_config(serving, peers=peers, watch=[watch, gone])
    shared_archive.server.add(*write_study(tmp_path / "one", 11, PatientID="W1", PatientName="W^1"))
    shared_archive.server.add(*write_study(tmp_path / "two", 12, PatientID="W2", PatientName="W^2"))
    assert [job.state for job in until_done(serving, 2)] == ["done", "done"]
    time.sleep(3)  # some rounds more
    assert len(until_done(serving, 2)) == 2
    status = json.loads(autoseg("dicom", "status", "--json", "--home", serving).stdout)
    rounds = {one["watch"]: one for one in status["watches"]}
    assert rounds["all"]["ok"] and (rounds["all"]["found"], rounds["all"]["waiting"]) == (2, 0)
    assert not rounds["gone"]["ok"] and "does not answer" in rounds["gone"]["note"]
    store = PacsStore.of(Home.at(serving))
    assert {one.order.by for one in store.fetches.list()} == {"watch all"}
    echoes = {one.name: one.echo_ok for one in store.peers.list()}
    store.close()
    assert echoes["web"] and not echoes["away"]


@pytest.mark.slow
def test_a_killed_process_fetches_on_and_makes_one_case(serving: Path, tmp_path: Path) -> None:
    with archive(tmp_path / "slow") as held:
        many = write_study(tmp_path / "many", 21, slices=60, PatientID="P3", PatientName="K^9")
        held.server.add(*many)
        write_config(serving, peers={"slow": held.peer()})
        study = str(pydicom.dcmread(many[0]).StudyInstanceUID)
        assert autoseg("dicom", "get", "slow", study, "--no-wait", "--home", serving).returncode == 0
        store = PacsStore.of(Home.at(serving))
        until = time.monotonic() + 60
        while not 0 < store.fetches.list()[0].done < 50:  # 50 ms each
            assert time.monotonic() < until, store.fetches.list()
            time.sleep(0.05)
        status = json.loads(autoseg("dicom", "status", "--json", "--home", serving).stdout)
        os.kill(status["process"]["pid"], getattr(signal, "SIGKILL", signal.SIGTERM))
        assert until_ended(store, 1).state == "done"
        store.close()
    assert [job.state for job in until_done(serving, 1)] == ["done"]
    time.sleep(1)
    assert len(until_done(serving, 1)) == 1


def test_c_move_lets_the_archive_send(tmp_path: Path) -> None:
    needed("storescp")
    port, into = free_port(), tmp_path / "came"
    into.mkdir()
    with archive(tmp_path / "archive", known={"us": ("AUTOSEG", port)}) as held:
        listener = subprocess.Popen(["storescp", "-aet", "AUTOSEG", "-od", str(into), str(port)])
        try:
            study = str(pydicom.dcmread(held.files[0][0]).StudyInstanceUID)
            peer = held.peer(retrieve="move")
            bench = context(tmp_path / "home", peers={"pacs": peer}, entries=[{"title": "STRANGE"}])
            fetcher, store = Fetcher(bench), bench.pacs_store()
            good = store.fetches.add(Order("pacs", study))
            fetcher.start()
            found = until_ended(store, good)
            assert (found.state, found.done) == ("done", 12) and "sent to AUTOSEG" in found.note
            assert len(list(into.iterdir())) == 12
            unknown = store.fetches.add(Order("pacs", study, entry="STRANGE"))
            until = time.monotonic() + 60
            while not (state := store.fetches.get(unknown)).note:  # type: ignore[union-attr]
                assert time.monotonic() < until
                time.sleep(0.1)
            assert state is not None and state.state == "waiting"
            bench.ended.set()
            fetcher.stop()
            store.close()
        finally:
            listener.kill()
            listener.wait(10)


def test_c_move_to_our_own_receiver_makes_a_case(serving: Path, tmp_path: Path) -> None:
    port = free_port()
    with archive(tmp_path / "mover", known={"us": ("AUTOSEG", port)}) as held:
        write_config(
            serving,
            receiver={"port": port},
            callers=[{"title": "ORTHANC", "address": "127.0.0.1"}],
            entries=[{"title": "AUTOSEG", "quiet_seconds": 0.5}],
            peers={"mover": held.peer(retrieve="move")},
        )
        study = str(pydicom.dcmread(held.files[0][0]).StudyInstanceUID)
        until = time.monotonic() + 60
        while listening(serving) != port:
            assert time.monotonic() < until
            time.sleep(0.2)
        found = autoseg("dicom", "get", "mover", study, "--home", serving)
        assert found.returncode == 0 and "sent to AUTOSEG" in found.stdout, found
        assert [job.state for job in until_done(serving, 1)] == ["done"]


def listening(home: Path) -> int:
    """The port of the receiver."""
    store = PacsStore.of(Home.at(home))
    note = json.loads(store.note("receiver") or "{}")
    store.close()
    return int(note.get("port") or 0)
