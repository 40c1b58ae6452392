"""A disk that is really full: the receiver answers so and lives, and goes on once there is room."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Iterator

import pytest
from AutoSegPipelineLib.dicom.receive import completion
from support.receiving import Receiving, associate, receiving, send, write_series

SUCCESS, FULL = 0x0000, 0xA700


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 24 MB in memory."""
    place = tmp_path / "disk"
    place.mkdir()
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("only root of a Linux machine mounts")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "autoseg", place], check=False).returncode:
        pytest.skip("root may not mount here, as in a container without CAP_SYS_ADMIN")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


@pytest.fixture
def died(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of threads that ended with an error; in the dicom process one is the end of all."""
    found: list[str] = []
    monkeypatch.setattr(
        threading, "excepthook", lambda args: found.append(f"{args.thread}: {args.exc_value}")
    )
    return found


def fill(place: Path) -> Path:
    """Leave not one block free."""
    path = place / "filler"
    with open(path, "wb", buffering=0) as stream:
        try:
            while stream.write(bytes(4096)):
                pass
        except OSError:
            pass
    assert os.statvfs(place).f_bavail == 0
    return path


@pytest.mark.parametrize("checked", [True, False], ids=["seen before", "met while writing"])
def test_a_full_disk_is_answered_and_ends_nothing(
    small_disk: Path, tmp_path: Path, died: list[str], monkeypatch: Any, checked: bool
) -> None:
    monkeypatch.setattr(completion, "RETRY_SECONDS", 0.3)
    paths = write_series(tmp_path / "in")
    taker = Receiving(small_disk / "home", settings={"disk_min_free_mb": 10})
    filler = fill(small_disk)  # also the start finds it full
    with receiving(small_disk / "home", began=taker):
        if not checked:
            taker.receiver._min_free = 0
        assert [one.Status for one in send(taker.port, *paths)] == [FULL] * 4
        stranger = associate(taker.port, calling="STRANGER")
        assert stranger.is_rejected, "whom nobody knows is rejected, whether or not that can be noted"
        filler.unlink()
        assert [one.Status for one in send(taker.port, *paths)] == [SUCCESS] * 4
        (intent,) = taker.intents()
        assert len(taker.staged(intent)) == 4
        assert died == []
