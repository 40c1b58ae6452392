"""A folder dropped into the inbox has one answer; what is no scan in it is passed by and listed."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from support.inbox import dicom, nifti
from support.pipeline import Bench
from support.qt import run_for

VIEWER = {
    "AUTORUN.INF": b"[autorun]\n",
    "VIEWER/viewer.exe": b"MZ" + bytes(3000),
    "VIEWER/logo.png": b"\x89PNG\r\n\x1a\n" + b"\3" * 500,
    "letter.docx": b"PK\3\4",
    "EMPTY.LOG": b"",
    "DICOMDIR": b"\0" * 128 + b"DICM" + b"\0" * 900,
}


def fill(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def cut(folder: Path, count: int) -> None:
    for number in range(count):
        path = dicom(folder / f"IM{number:02}", number=number)
        path.write_bytes(path.read_bytes()[:-10])


def test_a_discs_viewer_stays_and_is_listed_with_the_series(watch) -> None:
    seen = watch()
    fill(seen.inbox / "disc", VIEWER)
    for number in range(5):
        dicom(seen.inbox / "disc" / "SE0" / f"IM{number}", number=number)
    seen.until(arrivals=1)
    seen.settle(6)
    (arrival,) = seen.arrivals
    assert sorted(arrival.passed) == sorted(f"disc/{name}" for name in VIEWER)
    assert not seen.refusals and seen.watcher.waiting == 0
    assert {Path(found.path).name for some in seen.passed for found in [some]} == {
        Path(n).name for n in VIEWER
    }


def test_a_second_series_of_the_disc_lists_nothing_again(watch) -> None:
    seen = watch()
    fill(seen.inbox / "disc", VIEWER)
    for number in range(5):
        dicom(seen.inbox / "disc" / "SE0" / f"IM{number}", "1.2.3", number)
        dicom(seen.inbox / "disc" / "SE1" / f"IM{number}", "1.2.4", number)
    seen.until(arrivals=2)
    seen.settle(6)
    assert sorted(len(arrival.passed) for arrival in seen.arrivals) == [0, len(VIEWER)]
    assert not seen.refusals


def test_an_archive_that_comes_first_does_not_take_the_note_from_the_scan(watch) -> None:
    seen = watch()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("letter.txt", "nothing")
    fill(seen.inbox / "study", {"inner.zip": stream.getvalue(), **VIEWER})
    seen.until(arrivals=1)
    fill(seen.inbox / "study", {"ct.nii": nifti()})
    seen.until(arrivals=2)
    formats = [arrival.format for arrival in seen.arrivals]
    assert formats == ["zip", "nifti"] and len(seen.arrivals[1].passed) == len(VIEWER)


def test_a_folder_without_a_scan_is_one_refusal(watch) -> None:
    seen = watch()
    fill(seen.inbox / "disc", VIEWER)
    seen.until(refusals=1)
    seen.settle(6)
    ((paths, error),) = seen.refusals
    assert len(paths) == len(VIEWER) and error.code == "input.nothing_inside" and seen.labels == ["disc"]
    assert "None of 6 files in disc is a scan" in error.message and not seen.passed


def test_slices_that_share_a_reason_are_one_refusal_and_another_reason_another(watch) -> None:
    seen = watch(truncated=1.0)
    cut(seen.inbox / "study" / "SE0", 12)
    (seen.inbox / "study" / "flat.mhd").write_text("ObjectType = Image\nNDims = 9\nElementDataFile = LOCAL\n")
    seen.until(refusals=2)
    seen.settle(6)
    assert len(seen.refusals) == 2 and not seen.arrivals
    paths, error = max(seen.refusals, key=lambda one: len(one[0]))
    assert len(paths) == 12 and error.message.startswith("12 files share one reason.")
    assert "study: 12 files" in seen.labels


def test_slices_beside_each_other_at_the_top_are_one_refusal(watch) -> None:
    seen = watch(truncated=1.0)
    cut(seen.inbox, 5)
    (seen.inbox / "other.nii").write_bytes(nifti()[:-9])
    seen.until(refusals=2)
    seen.settle(6)
    assert sorted(len(paths) for paths, _ in seen.refusals) == [1, 5]


def test_a_disc_index_alone_is_refused_by_its_name(watch) -> None:
    seen = watch()
    fill(seen.inbox, {"DICOMDIR": VIEWER["DICOMDIR"]})
    seen.until(refusals=1)
    ((_, error),) = seen.refusals
    assert "DICOMDIR" in error.message and error.hint.startswith("Give the folder")


def test_a_file_that_is_mended_while_its_folder_settles_is_taken(watch) -> None:
    seen = watch(settle=1.0)
    fill(seen.inbox / "in", {"a.nii": b"x" * 500})
    seen.settle(9)
    (seen.inbox / "in" / "a.nii").write_bytes(nifti())
    seen.until(arrivals=1)
    assert not seen.refusals


def test_the_note_stands_on_the_case_and_a_restart_refuses_nothing(tmp_path: Path) -> None:
    with Bench(tmp_path / "home") as bench:
        inbox = bench.home.inbox
        fill(inbox / "disc", VIEWER)
        bench.drop("disc/ct.nii", 1)
        (job,) = bench.until_ended(1)
        notes = [warning["message"] for warning in job.warnings if warning["code"] == "input.passed_by"]
        assert len(notes) == 1 and notes[0].startswith("6 files are no scan and were passed by: ")
        assert (inbox / "disc" / "VIEWER" / "viewer.exe").exists()
        bench.until(lambda: len(bench.pipeline.store.ledger.all()) == len(VIEWER))
        bench.restart()
        run_for(1.5)
        assert len(bench.jobs()) == 1


def test_a_folder_without_a_scan_is_one_refused_job_with_all_of_its_files(tmp_path: Path) -> None:
    with Bench(tmp_path / "home") as bench:
        fill(bench.home.inbox / "disc", VIEWER)
        (job,) = bench.until_ended(1)
        assert (job.state, job.label) == ("refused", "disc") and job.error is not None
        assert job.error["code"] == "input.nothing_inside"
        bench.until(lambda: not [path for path in bench.home.inbox.rglob("*") if path.is_file()])

        def kept() -> list[str]:
            return [path.name for path in bench.home.refused.rglob("*") if path.is_file()]

        bench.until(lambda: len(kept()) > len(VIEWER))
        assert sorted(kept()) == sorted([*(Path(name).name for name in VIEWER), "reason.json"])
