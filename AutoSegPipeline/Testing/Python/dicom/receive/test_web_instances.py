"""What came by STOW-RS lies in the spool as if an association had brought it; the rest says why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Iterator

import pydicom
import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.pacs.asks import Ask
from AutoSegPipelineLib.dicom.receive.web_instances import stow
from support.receiving import ENTRY, Receiving, receiving, send, write_series


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Receiving]:
    with receiving(tmp_path / "home", entries=[ENTRY, {**ENTRY, "title": "THIN"}]) as found:
        found.context.parts["receiver"] = found.receiver
        yield found


def stowed(running: Receiving, *contents: bytes, **args: Any) -> list[dict[str, Any]]:
    folder = running.home.state / "uploads" / "one"
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for number, data in enumerate(contents, 1):
        (folder / f"f{number:06d}").write_bytes(data)
        names.append(f"one/f{number:06d}")
    given = {"called": "AUTOSEG", "study": "", "address": "10.0.0.9", "files": names, **args}
    answer = stow(running.context, Ask(1, "stow", given, "anna", 0.0))
    found = answer["instances"]
    assert isinstance(found, list)
    return found


def changed(path: Path, **meta: Any) -> bytes:
    data = pydicom.dcmread(path)
    for keyword, value in meta.items():
        setattr(data.file_meta, keyword, value)
    data.save_as(path)
    return path.read_bytes()


def test_a_series_becomes_one_job_of_who_sent_it(running: Receiving, tmp_path: Path) -> None:
    paths = write_series(tmp_path / "s", slices=9)
    found = stowed(running, *[path.read_bytes() for path in paths])
    assert [one["status"] for one in found] == [0] * 9
    assert {one["sop_instance"] for one in found} == {str(pydicom.dcmread(p).SOPInstanceUID) for p in paths}
    (intent,) = running.intents()
    assert (intent.by, intent.door, intent.visible_to) == ("anna", "dicom", ["anna"])
    staged = [pydicom.dcmread(path) for path in running.staged(intent)]
    assert sorted(one.SOPInstanceUID for one in staged) == sorted(one["sop_instance"] for one in found)
    assert staged[0].pixel_array.shape == (10, 12)
    (row,) = running.pacs.received.list()
    assert (row.calling, row.address, row.called) == ("anna", "10.0.0.9", "AUTOSEG")


def test_two_requests_and_an_association_fill_one_series(running: Receiving, tmp_path: Path) -> None:
    paths = write_series(tmp_path / "s", slices=9)
    stowed(running, *[path.read_bytes() for path in paths[:3]])
    stowed(running, *[path.read_bytes() for path in paths[2:6]])  # one of them again
    send(running.port, *paths[6:])
    (intent,) = running.intents()
    assert len(running.staged(intent)) == 9


def test_a_title_of_its_own_has_its_own_entry(running: Receiving, tmp_path: Path) -> None:
    (path, *_) = write_series(tmp_path / "s")
    stowed(running, path.read_bytes(), called="THIN")
    running.intents()
    (row,) = running.pacs.received.list()
    assert row.called == "THIN"
    with pytest.raises(PipelineError, match="'NOBODY'"):
        stowed(running, path.read_bytes(), called="NOBODY")


def test_an_empty_title_is_the_receivers_own(running: Receiving, tmp_path: Path) -> None:
    (path, *_) = write_series(tmp_path / "s")
    stowed(running, path.read_bytes(), called="")
    running.intents()
    (row,) = running.pacs.received.list()
    assert row.called == "AUTOSEG"


def test_what_is_not_taken_says_why_and_leaves_nothing(running: Receiving, tmp_path: Path) -> None:
    paths = write_series(tmp_path / "s", slices=4)
    found = stowed(
        running,
        changed(paths[0], MediaStorageSOPClassUID="1.2.840.10008.5.1.4.1.1.66.4"),
        changed(paths[1], MediaStorageSOPClassUID="1.2.840.10008.5.1.4.1.1.7"),
        paths[2].read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.9\0", 1),
        b"no DICOM at all" * 40,
        paths[3].read_bytes()[:200],
    )
    assert [one["status"] for one in found] == [0x0122, 0x0122, 0xC122, 0xC000, 0xC000]
    assert "Segmentation" in found[0]["comment"]
    assert found[0]["sop_instance"] and not found[3]["sop_instance"]
    assert running.noted() == []


def test_only_the_study_of_the_address_is_taken(running: Receiving, tmp_path: Path) -> None:
    own = write_series(tmp_path / "a", slices=1)[0]
    other = write_series(tmp_path / "b", number=2, slices=1, StudyInstanceUID="1.2.3.4")[0]
    study = str(pydicom.dcmread(own).StudyInstanceUID)
    found = stowed(running, own.read_bytes(), other.read_bytes(), study=study)
    assert [one["status"] for one in found] == [0, 0xA901]
    assert len(running.noted()) == 1


def test_only_uploads_can_be_named(running: Receiving, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="no upload"):
        stowed(running, files=["../store.sqlite"])
