"""The receiver is killed at every step: what it answered with success becomes one job, never two or none."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pydicom
import pytest
from AutoSegPipelineLib.core import crash_points
from AutoSegPipelineLib.core.store import Store
from support import receive_driver
from support.orthanc import needed
from support.receiving import Receiving, associate, dcmsend, write_series

STEPS = [
    *((step, 1) for step in (*crash_points.RECEIVING, *crash_points.HANDOVER)),
    ("instance noted", 3),
    ("received file moved", 3),
]


def begin(home: Path, *arguments: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, receive_driver.__file__, str(home), *arguments], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "listens\n"
    return process


def asked_for(taker: Receiving) -> list[str]:
    store = Store(taker.home.store)
    try:
        return [str(one.job) for one in store.requests.open()]
    finally:
        store.close()


def all_of(port: int, paths: list[Path]) -> int:
    """Send until everything was answered with success, as senders do; how often that took."""
    from pynetdicom import _config

    _config.STORE_SEND_CHUNKED_DATASET = True
    for tries in range(1, 100):
        association = associate(port, paths=paths)
        if association.is_established:
            answers: list[Any] = []
            for path in paths:
                if not association.is_established:
                    break
                answers.append(association.send_c_store(path).get("Status"))
            if answers == [0] * len(paths):
                association.release()
                return tries
            association.abort()
        time.sleep(0.1)
    raise AssertionError("it was never taken")


@pytest.mark.parametrize("step, number", STEPS)
def test_one_job_whenever_it_is_killed(tmp_path: Path, step: str, number: int) -> None:
    quiet = 2.0 if step == "instance noted" else 0.5  # the rest is sent after the next start
    # For its folders and its dicom.json: it does not listen.
    taker = Receiving(tmp_path / "home", entries=[{"title": "AUTOSEG", "quiet_seconds": quiet}])
    paths = write_series(tmp_path / "in", slices=5)
    first = begin(taker.home.root, step, str(number))
    if step == "instance noted":
        association = associate(taker.port, paths=paths)
        for path in paths[:number]:
            association.send_c_store(path)
    else:
        assert all_of(taker.port, paths) == 1
    assert first.wait(30) != 0
    second = begin(taker.home.root)
    try:
        if step == "instance noted":
            all_of(taker.port, paths)
        (intent,) = taker.intents()
        end = time.monotonic() + 60
        while not asked_for(taker) or any(taker.receiver.spool.root.glob("h-*")):
            assert time.monotonic() < end
            time.sleep(0.05)
        time.sleep(0.5)
        assert set(asked_for(taker)) == {intent.id}
        assert len(taker.intents()) == 1
        staged = [pydicom.dcmread(path).SOPInstanceUID for path in taker.staged(intent)]
        assert sorted(staged) == sorted(pydicom.dcmread(path).SOPInstanceUID for path in paths)
    finally:
        (taker.home.root / "enough").touch()
        assert second.wait(30) == 0


def test_a_file_cut_short_by_a_machine_that_went_down_was_never_answered(tmp_path: Path) -> None:
    taker = Receiving(tmp_path / "home", entries=[{"title": "AUTOSEG", "quiet_seconds": 1.0}])
    paths = write_series(tmp_path / "in")
    first = begin(taker.home.root)
    all_of(taker.port, paths)
    first.kill()
    first.wait(10)
    cut = taker.noted()[1]
    cut.write_bytes(cut.read_bytes()[:-100])
    second = begin(taker.home.root)
    try:
        (intent,) = taker.intents()
        assert len(taker.staged(intent)) == 3
    finally:
        (taker.home.root / "enough").touch()
        assert second.wait(30) == 0


def test_killed_again_and_again_with_senders_that_send_again(tmp_path: Path) -> None:
    needed("dcmsend")  # before there is a process that a skipped test would leave
    taker = Receiving(tmp_path / "home", entries=[{"title": "AUTOSEG", "quiet_seconds": 3.0}])
    series = [write_series(tmp_path / str(number), number, slices=60) for number in (1, 2)]
    process = begin(taker.home.root)
    for wait in (0.05, 0.15, 0.3):
        senders = [dcmsend(taker.port, *paths) for paths in series]
        time.sleep(wait)
        process.kill()
        process.wait(10)
        for one in senders:
            one.wait(60)
        process = begin(taker.home.root)
    try:
        for paths in series:
            assert dcmsend(taker.port, *paths).wait(60) == 0
        for intent in taker.intents(2, seconds=60):
            held = [pydicom.dcmread(path) for path in taker.staged(intent)]
            assert intent.version == 1 and len({one.SeriesInstanceUID for one in held}) == 1
            assert len(held) == len({one.SOPInstanceUID for one in held}) == 60
    finally:
        (taker.home.root / "enough").touch()
        assert process.wait(30) == 0
