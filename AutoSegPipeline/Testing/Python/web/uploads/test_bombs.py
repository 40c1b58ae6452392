"""Archives that are weapons, handed in over HTTP: the intake child decides, nothing is unpacked."""

from __future__ import annotations

import contextlib
import io
import os
import zipfile
from pathlib import Path
from typing import Iterator

import pytest
from support.pipeline import write_scan
from support.uploads import Site, form

MB = 1 << 20


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A pipeline whose limits are as low as a test needs them, with all its children up."""
    made = Site(tmp_path_factory.mktemp("bombs") / "home", archive_max_files=50, archive_max_mb=40)
    made.start()
    scan = write_scan(tmp_path_factory.mktemp("scan") / "scan.nii").read_bytes()
    made.ended(made.ask("PUT", "/api/v1/uploads/scan.nii", scan).json["jobs"][0]["id"])
    yield made
    made.stop()


def packed(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive of ``members``."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def lying(size: int) -> bytes:
    """An archive whose directory says that its only member has ``size`` bytes more than it has."""
    data = bytearray(packed({"scan.nii": b"\0" * 1000}, zipfile.ZIP_STORED))
    at = data.rindex(b"PK\x01\x02") + 24
    data[at : at + 4] = (1000 + size).to_bytes(4, "little")
    return bytes(data)


def overlapping() -> bytes:
    """Two thousand directory entries that all lead to the same megabyte of zeros."""
    one = bytearray(packed({"a" * 8: b"\0" * MB}))
    start = one.rindex(b"PK\x01\x02")
    end = one.rindex(b"PK\x05\x06")
    entry, count = bytes(one[start:end]), 2000
    directory = b"".join(entry.replace(b"a" * 8, b"%08d" % number) for number in range(count))
    tail = bytearray(one[end:])
    tail[8:10] = tail[10:12] = count.to_bytes(2, "little")
    tail[12:16] = len(directory).to_bytes(4, "little")
    return bytes(one[:start]) + directory + bytes(tail)


BOMBS = {
    "compressed beyond belief": (packed({"scan.nii": b"\0" * (65 * MB)}), "archive.suspicious_ratio"),
    "unpacks to too much": (packed({"a.nii": b"ab" * (25 * MB)}, zipfile.ZIP_STORED), "archive.too_large"),
    "too many files": (packed({f"{n}.dcm": b"x" for n in range(60)}), "archive.too_many_files"),
    "an archive in an archive": (packed({"inner.zip": packed({"scan.nii": b"\0" * MB})}), "archive.nested"),
    "a path that climbs": (packed({"../../../climbed.nii": b"x" * 400}), "archive.unsafe_path"),
    "an absolute path": (packed({"/tmp/climbed.nii": b"x" * 400}), "archive.unsafe_path"),
    "a path of Windows": (packed({"..\\..\\climbed.nii": b"x" * 400}), "archive.unsafe_path"),
    "one body for many names": (overlapping(), "archive."),
    "a directory that lies": (lying(200 * MB), "archive."),
    "cut off": (packed({"scan.nii": b"ab" * 1000})[:-30], ""),
}


def unpacked(home: Path) -> int:
    """Bytes below ``home`` that are neither an upload as it came nor books."""
    skip = (".zip", ".sqlite", ".sqlite-wal", ".sqlite-shm", "reserve")
    total = 0
    for folder, _, names in os.walk(home):
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # the pipeline is tidying up
                total += 0 if name.endswith(skip) else os.stat(os.path.join(folder, name)).st_size
    return total


@pytest.mark.parametrize("what", BOMBS)
def test_an_archive_that_is_a_weapon_is_refused_with_its_reason(site: Site, what: str) -> None:
    data, code = BOMBS[what]
    before = unpacked(site.home.root)
    body, kind = form(("file", "scans.zip", data))
    answer = site.ask("POST", "/upload", body, Content_Type=kind)
    assert answer.status == 200, answer
    job = site.ended(answer.json["jobs"][0]["id"])[0]
    assert job.state == "refused" and job.error is not None, job
    assert job.error["code"].startswith(code), job.error
    assert job.error["hint"]
    assert unpacked(site.home.root) - before < 2 * MB, "it was unpacked"
    assert not any(site.home.root.parent.rglob("climbed.nii")) and not Path("/tmp/climbed.nii").exists()


def test_a_weapon_leaves_the_server_as_it_was(site: Site) -> None:
    assert site.ask("GET", "/healthz").json["live"] is True
    assert not list(site.home.work.glob("*/*"))
