"""Archives that are written while they are sent."""

from __future__ import annotations

import http.client
import logging
import os
import random
import sys
import zipfile
from pathlib import Path

import pytest
from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.web.http.zip_stream import pieces
from support.web import Served, served


@pytest.fixture
def page(tmp_path: Path):  # type: ignore[no-untyped-def]
    yield from served(tmp_path / "home")


def test_names_times_and_bytes_come_back_and_nothing_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    files = {"Müller.gltf": b"text " * 1000, "scan.glb": b"\x00" * 3_000_000, "empty.csv": b""}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        os.utime(tmp_path / name, (1_700_000_000, 1_700_000_000))
    target = tmp_path / "all.zip"
    target.write_bytes(b"".join(pieces([(name, tmp_path / name) for name in files])))
    with zipfile.ZipFile(target) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == files
        assert all(one.date_time[0] == 2023 for one in archive.infolist())
    assert caplog.records == []


def test_bytes_are_made_when_it_is_their_turn(tmp_path: Path) -> None:
    made: list[str] = []
    (tmp_path / "big.glb").write_bytes(bytes(8 << 20))

    def late() -> bytes:
        made.append("late")
        return b"scene"

    stream = pieces([("big.glb", tmp_path / "big.glb"), ("late.gltf", late)])
    first = next(stream)
    assert not made
    target = tmp_path / "all.zip"
    target.write_bytes(first + b"".join(stream))
    with zipfile.ZipFile(target) as archive:
        assert archive.read("late.gltf") == b"scene"


def test_a_file_that_changes_while_it_is_sent_breaks_the_archive_off(page: Served) -> None:
    big = random.Random(1).randbytes(1 << 20) * 64
    case = page.add_job(states.DONE, {".glb": big})
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=30)
    connection.request("GET", f"/api/v1/results/{case.id}.zip")
    answer = connection.getresponse()
    answer.read(1000)
    path = page.home.results / f"{case.name}.glb"
    with open(path, "r+b") as stream:
        stream.write(b"other")
    os.utime(path, (1, 1))  # also where the clock of the disk is coarse
    with pytest.raises(http.client.IncompleteRead):
        answer.read()
    connection.close()


@pytest.mark.parametrize("change", ["longer", "shorter", "gone", "replaced"])
def test_whatever_happens_to_a_file_the_archive_does_not_end_well(tmp_path: Path, change: str) -> None:
    path = tmp_path / "scan.glb"
    path.write_bytes(bytes(8 << 20))
    stream = pieces([(path.name, path)])
    next(stream)
    if change == "gone" and os.name == "nt":
        pytest.skip("Windows keeps a file that is open")
    if change == "longer":
        with open(path, "ab") as target:
            target.write(b"more")
    elif change == "shorter":
        os.truncate(path, 3 << 20)
    elif change == "gone":
        path.unlink()
    elif os.name != "nt":
        facts = path.stat()
        other = tmp_path / "other"
        other.write_bytes(bytes(8 << 20))
        os.utime(other, ns=(facts.st_atime_ns, facts.st_mtime_ns))
        os.replace(other, path)
    else:
        pytest.skip("Windows keeps a file that is open")
    with pytest.raises(OSError, match=r"scan\.glb"):
        for _ in stream:
            pass


@pytest.mark.skipif(
    sys.platform == "win32" or not os.environ.get("CI"),
    reason="reads 4 GB of a sparse file; runs where CI is set",
)
def test_a_file_beyond_four_gigabytes_gets_a_zip64_entry(tmp_path: Path) -> None:
    size = (4 << 30) + 5
    for name in ("big.glb", "small.glb"):
        (tmp_path / name).write_bytes(b"")
    os.truncate(tmp_path / "big.glb", size)
    target = tmp_path / "all.zip"
    with open(target, "wb") as stream:
        for piece in pieces([(name, tmp_path / name) for name in ("big.glb", "small.glb")]):
            if piece.count(0) == len(piece):
                stream.seek(len(piece), os.SEEK_CUR)  # a hole
            else:
                stream.write(piece)
    with zipfile.ZipFile(target) as archive:
        big, small = archive.infolist()
        assert (big.file_size, small.file_size) == (size, 0)
        assert small.header_offset > 4 << 30
        assert archive.read("small.glb") == b""
