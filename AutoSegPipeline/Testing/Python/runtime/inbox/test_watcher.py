"""What is dropped into the inbox arrives whole and once, however it comes."""

from __future__ import annotations

import gzip
import os
import struct
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from AutoSegPipelineLib.core.clock import SystemClock
from AutoSegPipelineLib.core.settings import Settings
from AutoSegPipelineLib.core.store.small_tables import Consumed
from AutoSegPipelineLib.intake.examine import examine
from AutoSegPipelineLib.runtime import qt
from AutoSegPipelineLib.runtime.inbox.file_book import InboxBook
from AutoSegPipelineLib.runtime.inbox.folder_walk import WalkedFile
from AutoSegPipelineLib.runtime.inbox.watcher import InboxWatcher
from AutoSegPipelineLib.runtime.processes.child import Child, child_environment, intake_command
from AutoSegPipelineLib.runtime.processes.intake_client import IntakeClient
from support.qt import run_for, run_until

SETTLE = 0.2


def nifti(shape=(4, 4, 4), seed=0):
    """The bytes of a small NIfTI-1 file of int16."""
    head = bytearray(352)
    struct.pack_into("<i", head, 0, 348)
    struct.pack_into("<8h", head, 40, 3, *shape, 1, 1, 1, 1)
    struct.pack_into("<2h", head, 70, 4, 16)
    struct.pack_into("<8f", head, 76, 1, 1, 1, 1, 0, 0, 0, 0)
    struct.pack_into("<f", head, 108, 352)
    struct.pack_into("<2h", head, 252, 0, 1)
    for row in range(3):
        struct.pack_into("<4f", head, 280 + 16 * row, *(float(row == column) for column in range(4)))
    head[344:348] = b"n+1\0"
    values = np.random.default_rng(seed).integers(-1000, 1000, int(np.prod(shape)), dtype="<i2")
    return bytes(head) + values.tobytes()


def dicom(path, series="1.2.3", number=1, image=True, patient="P"):
    """One small CT slice (or a report)."""
    from pydicom.dataset import Dataset, FileMetaDataset

    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2" if image else "1.2.840.10008.5.1.4.1.1.88.11"
    data.SOPInstanceUID = f"{series}.{number}"
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.SeriesInstanceUID, data.StudyInstanceUID = series, "1.2"
    data.PatientID, data.Modality, data.SeriesNumber = patient, "CT" if image else "SR", 3
    if image:
        data.Rows = data.Columns = 4
        data.BitsAllocated = data.BitsStored = 16
        data.HighBit, data.SamplesPerPixel, data.PixelRepresentation = 15, 1, 1
        data.PhotometricInterpretation = "MONOCHROME2"
        data.ImagePositionPatient, data.ImageOrientationPatient = [0, 0, number], [1, 0, 0, 0, 1, 0]
        data.PixelSpacing, data.InstanceNumber = [1, 1], number
        data.PixelData = np.full(16, number, "<i2").tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(str(path), enforce_file_format=True)
    return path


def ask_here(paths, answer):
    """The intake child's work without the child; the answer still comes from the loop."""
    rows = examine(paths)["files"]
    qt.single_shot(0, lambda: answer(rows))


class Watching:
    """A watcher on a real folder with everything that it called back."""

    def __init__(self, folder, ask=ask_here, events=True, truncated=30.0, rescan=0.5, settle=SETTLE):
        self.inbox = folder
        self.arrivals, self.refusals, self.counts, self.ledger = [], [], [], {}
        settings = Settings.defaults(
            settle_seconds=settle, rescan_seconds=rescan, truncated_minutes=truncated / 60
        )
        self.watcher = InboxWatcher(
            folder, ask, settings, SystemClock(), self.ledger.get,
            self.arrivals.extend, lambda paths, error: self.refusals.append((paths, error)),
            self.counts.append, events=events,
        )  # fmt: skip
        self.watcher.start()

    def names(self):
        return [[Path(found.path).name for found in arrival.files] for arrival in self.arrivals]

    def codes(self):
        return {Path(paths[0]).name: error.code for paths, error in self.refusals}

    def until(self, arrivals=0, refusals=0, timeout=10):
        run_until(lambda: len(self.arrivals) >= arrivals and len(self.refusals) >= refusals, timeout)

    def settle(self, periods=4.0):
        run_for(SETTLE * periods)


@pytest.fixture
def watch(tmp_path):
    made = []
    folder = tmp_path / "inbox"
    folder.mkdir()

    def make(**how):
        made.append(Watching(folder, **how))
        return made[-1]

    yield make
    for watching in made:
        watching.watcher.stop()


def test_a_file_arrives_once_and_as_it_was(watch):
    seen = watch()
    path = seen.inbox / "ct.nii.gz"
    path.write_bytes(gzip.compress(nifti()))
    seen.until(arrivals=1)
    seen.settle()
    (arrival,) = seen.arrivals
    info = path.stat()
    assert (arrival.kind, arrival.format, arrival.label) == ("file", "nifti", "ct.nii.gz")
    assert [(f.path, f.size, f.mtime_ns) for f in arrival.files] == [
        (str(path), info.st_size, info.st_mtime_ns)
    ]
    assert seen.watcher.waiting == 0 and seen.counts[-1] == 0


def test_what_lay_there_before_the_start_arrives(watch, tmp_path):
    (tmp_path / "inbox" / "a.nii").write_bytes(nifti())
    watch().until(arrivals=1)


def test_a_scan_that_is_written_slowly_with_a_long_pause_comes_out_whole(watch):
    seen = watch()
    path = seen.inbox / "slow.nii.gz"
    data = gzip.compress(nifti((16, 16, 16)))
    source = seen.inbox.parent / "source"
    source.write_bytes(data)
    script = textwrap.dedent(
        """
        import sys, time
        data = open(sys.argv[1], "rb").read()
        with open(sys.argv[2], "wb") as out:
            for start in range(0, len(data), len(data) // 6):
                out.write(data[start : start + len(data) // 6])
                out.flush()
                time.sleep(float(sys.argv[3]) if start else 0.02)
        """
    )
    pause = str(SETTLE * 1.7)
    writer = subprocess.Popen([sys.executable, "-c", script, str(source), str(path), pause])
    seen.until(arrivals=1, timeout=20)
    assert writer.wait(5) == 0
    assert seen.arrivals[0].files[0].size == len(data)
    seen.settle()
    assert len(seen.arrivals) == 1 and not seen.refusals


def test_a_truncated_scan_is_refused_after_it_rested_for_long(watch):
    seen = watch(truncated=1.0)
    (seen.inbox / "half.nii.gz").write_bytes(gzip.compress(nifti((16, 16, 16)))[:-2000])
    seen.settle(2)
    assert not seen.refusals and seen.watcher.waiting == 1
    seen.until(refusals=1)
    assert seen.codes() == {"half.nii.gz": "input.truncated"}
    assert not seen.arrivals


def test_a_file_renamed_into_place_arrives_and_partial_names_wait(watch):
    seen = watch()
    part = seen.inbox / "ct.nii.gz.part"
    part.write_bytes(gzip.compress(nifti()))
    (seen.inbox / ".hidden.nii").write_bytes(nifti())
    seen.settle()
    assert not seen.arrivals and not seen.refusals
    part.rename(seen.inbox / "ct.nii.gz")
    seen.until(arrivals=1)
    assert seen.names() == [["ct.nii.gz"]]


def test_a_folder_that_appears_with_its_files_is_looked_into(watch):
    seen = watch()
    outside = seen.inbox.parent / "study" / "deep"
    outside.mkdir(parents=True)
    (outside / "a.nii").write_bytes(nifti())
    outside.parent.rename(seen.inbox / "study")
    seen.until(arrivals=1)
    assert seen.arrivals[0].label == "study/deep/a.nii"
    (seen.inbox / "study" / "b.nii").write_bytes(nifti(seed=1))
    seen.until(arrivals=2)
    assert (seen.inbox / "study" / "deep").is_dir()


def test_without_events_the_rescan_finds_it(watch):
    seen = watch(events=False)
    seen.settle(2)
    (seen.inbox / "share.nii").write_bytes(nifti())
    seen.until(arrivals=1)


def test_with_events_nobody_waits_for_the_rescan(watch):
    seen = watch(rescan=3600)
    seen.settle(2)
    (seen.inbox / "a.nii").write_bytes(nifti())
    seen.until(arrivals=1, timeout=5)


def test_a_text_file_is_refused_and_system_files_are_left_alone(watch):
    seen = watch()
    (seen.inbox / "README.txt").write_text("hello " * 200, encoding="ascii")
    for name in ("Thumbs.db", "desktop.ini", ".DS_Store", "DICOMDIR"):
        (seen.inbox / name).write_bytes(b"x" * 500)
    seen.until(refusals=1)
    seen.settle()
    assert seen.codes() == {"README.txt": "input.unknown_format"}
    assert not seen.arrivals


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
def test_links_are_refused_and_not_followed(watch):
    outside = watch().inbox.parent / "outside"
    outside.mkdir()
    (outside / "secret.nii").write_bytes(nifti())
    seen = watch()
    (seen.inbox / "link.nii").symlink_to(outside / "secret.nii")
    (seen.inbox / "folder").symlink_to(outside)
    seen.until(refusals=2)
    seen.settle()
    assert seen.codes() == {"link.nii": "input.link", "folder": "input.link"}
    assert not seen.arrivals


def test_a_header_waits_for_its_data_and_both_arrive_together(watch):
    seen = watch()
    header = (
        "ObjectType = Image\nNDims = 3\nDimSize = 4 4 4\nElementType = MET_SHORT\nElementSpacing = 1 1 1\n"
        "Offset = 0 0 0\nTransformMatrix = 1 0 0 0 1 0 0 0 1\nElementDataFile = voxels.raw\n"
    )
    (seen.inbox / "scan.mhd").write_text(header, encoding="ascii")
    seen.settle()
    assert not seen.arrivals and not seen.refusals
    (seen.inbox / "voxels.raw").write_bytes(bytes(64))
    seen.settle()
    assert not seen.arrivals  # half of its bytes
    with open(seen.inbox / "voxels.raw", "ab") as stream:
        stream.write(bytes(64))
    seen.until(arrivals=1)
    seen.settle()
    assert seen.names() == [["scan.mhd", "voxels.raw"]] and not seen.refusals


def test_a_header_whose_data_never_come_is_refused_with_that_reason(watch):
    seen = watch(truncated=1.0)
    header = "NRRD0004\ntype: short\ndimension: 3\nsizes: 4 4 4\nencoding: raw\nendian: little\n"
    header += "data file: gone.raw\n\n"
    (seen.inbox / "scan.nhdr").write_text(header, encoding="ascii")
    (seen.inbox / "lonely.raw").write_bytes(b"\1" * 3000)
    seen.until(refusals=2)
    assert seen.codes() == {"scan.nhdr": "input.missing_data_file", "lonely.raw": "input.unknown_format"}


def test_options_beside_a_scan_are_told_with_it_and_never_alone(watch):
    seen = watch()
    (seen.inbox / "ct.options.json").write_text('{"quality": "fast"}', encoding="ascii")
    (seen.inbox / "options.json").write_text("{}", encoding="ascii")
    seen.settle()
    assert not seen.arrivals and not seen.refusals and seen.watcher.waiting == 0
    (seen.inbox / "ct.nii.gz").write_bytes(gzip.compress(nifti()))
    seen.until(arrivals=1)
    assert seen.arrivals[0].options_file == str(seen.inbox / "ct.options.json")


def test_a_series_in_two_bursts_arrives_as_one(watch):
    seen = watch(settle=1.0)
    for number in range(1, 11):
        dicom(seen.inbox / "pat" / f"IM{number}", number=number)
    run_for(1.3)  # the first ones rest; nothing else came for them yet
    for number in range(11, 21):
        dicom(seen.inbox / "pat" / f"IM{number}", number=number)
    seen.until(arrivals=1)
    seen.settle()
    (arrival,) = seen.arrivals
    assert (arrival.kind, arrival.series_uid, len(arrival.files)) == ("series", "1.2.3", 20)
    assert len(arrival.examined) == 20
    assert arrival.label == "pat: CT series 3"


def test_series_are_told_apart_and_late_slices_come_alone(watch):
    seen = watch()
    for number in range(1, 4):
        dicom(seen.inbox / f"a{number}.dcm", "1.2.3", number)
        dicom(seen.inbox / "other" / f"b{number}.dcm", "1.2.4", number)
    dicom(seen.inbox / "report.dcm", "1.2.5", image=False)
    seen.until(arrivals=2, refusals=1)
    assert sorted((a.series_uid, len(a.files)) for a in seen.arrivals) == [("1.2.3", 3), ("1.2.4", 3)]
    assert seen.codes() == {"report.dcm": "dicom.not_an_image"}
    dicom(seen.inbox / "a4.dcm", "1.2.3", 4)
    seen.until(arrivals=3)
    assert (seen.arrivals[2].series_uid, len(seen.arrivals[2].files)) == ("1.2.3", 1)


def test_a_series_waits_while_its_folder_is_still_being_filled(watch):
    seen = watch()
    for number in range(1, 5):
        dicom(seen.inbox / "p" / f"IM{number}", number=number)
    growing = seen.inbox / "p" / "IM5"
    whole = dicom(seen.inbox.parent / "whole", number=5).read_bytes()
    for part in range(1, 9):
        growing.write_bytes(whole[: len(whole) * part // 8])
        run_for(SETTLE * 0.7)
        if part < 8:
            assert not seen.arrivals
    seen.until(arrivals=1)
    assert len(seen.arrivals[0].files) == 5


def test_a_short_note_beside_the_slices_does_not_hold_them(watch):
    seen = watch()
    (seen.inbox / "p").mkdir()
    (seen.inbox / "p" / "VERSION").write_text("1")
    (seen.inbox / "p" / "note.txt").write_text("hi")  # as short as a slice whose first bytes have arrived
    for number in range(1, 5):
        dicom(seen.inbox / "p" / f"IM{number}", number=number)
    seen.until(arrivals=1)
    assert len(seen.arrivals[0].files) == 4 and not seen.refusals


def test_a_file_in_the_ledger_is_not_taken_again_until_it_changes(watch):
    seen = watch()
    path = seen.inbox / "kept.nii"
    path.write_bytes(nifti())
    info = path.stat()
    seen.ledger[str(path)] = Consumed(str(path), info.st_size, info.st_mtime_ns, "h", "job")
    seen.settle()
    assert not seen.arrivals and seen.watcher.waiting == 0
    path.write_bytes(nifti((5, 5, 5)))
    seen.until(arrivals=1)


def test_what_is_put_back_arrives_again_and_what_was_taken_does_not(watch):
    seen = watch()
    path = seen.inbox / "a.nii"
    path.write_bytes(nifti())
    seen.until(arrivals=1)
    seen.watcher.put_back([str(path)])
    seen.until(arrivals=2)
    path.rename(seen.inbox.parent / "taken.nii")
    seen.watcher.taken([str(path)])
    seen.settle()
    assert len(seen.arrivals) == 2
    path.write_bytes(nifti(seed=2))  # another scan of the same name
    seen.until(arrivals=3)


def test_a_scan_of_the_same_name_and_time_is_a_new_one(watch):
    seen = watch()
    path = seen.inbox / "a.nii"
    path.write_bytes(nifti())
    os.utime(path, ns=(10**18, 10**18))
    seen.until(arrivals=1)
    fresh = seen.inbox.parent / "fresh"
    fresh.write_bytes(nifti(seed=3))
    os.utime(fresh, ns=(10**18, 10**18))
    os.replace(fresh, path)
    seen.until(arrivals=2)


def test_a_file_that_changes_while_it_is_examined_waits_again(watch):
    def ask(paths, answer):
        rows = examine(paths)["files"]
        if len(rows) == 1 and rows[0]["size"] == len(nifti()):
            (Path(paths[0])).write_bytes(nifti((5, 5, 5)))
            rows = examine(paths)["files"]
        qt.single_shot(0, lambda: answer(rows))

    seen = watch(ask=ask)
    (seen.inbox / "a.nii").write_bytes(nifti())
    seen.until(arrivals=1)
    assert seen.arrivals[0].files[0].size == len(nifti((5, 5, 5)))
    seen.settle()
    assert len(seen.arrivals) == 1


def test_one_file_that_kills_the_reader_does_not_stop_the_others(watch):
    def ask(paths, answer):
        killed = any(path.endswith("bad.nii") for path in paths)
        rows = [] if killed else examine(paths)["files"]
        qt.single_shot(0, lambda: answer(rows))

    seen = watch(ask=ask, truncated=1.0)
    for number in range(20):
        (seen.inbox / f"{number}.nii").write_bytes(nifti(seed=number))
    (seen.inbox / "bad.nii").write_bytes(nifti())
    seen.until(arrivals=20, refusals=1)
    assert seen.codes() == {"bad.nii": "input.unreadable"}


def test_a_callback_that_fails_does_not_lose_the_file(watch, caplog):
    seen = watch()
    calls = []

    def fail_once(arrivals):
        calls.append(arrivals)
        if len(calls) == 1:
            raise RuntimeError("the disk says no")

    seen.watcher._on_arrival = fail_once
    (seen.inbox / "a.nii").write_bytes(nifti())
    run_until(lambda: len(calls) == 2, 10)
    assert "the disk says no" in caplog.text


@pytest.mark.skipif(sys.platform != "linux", reason="only there may a name be any bytes")
def test_a_name_that_is_no_text_is_passed_over_with_a_warning(watch, caplog):
    seen = watch()
    Path(os.fsdecode(os.fsencode(seen.inbox) + b"/\xff.nii")).write_bytes(nifti())
    (seen.inbox / "good.nii").write_bytes(nifti())
    seen.until(arrivals=1)
    seen.settle()
    assert seen.names() == [["good.nii"]]
    assert caplog.text.count("not valid Unicode") == 1
    assert len(seen.watcher.problems) == 1


def found(path, size=10, mtime_ns=5, inode=1):
    return WalkedFile(path, os.path.basename(path), size, mtime_ns, inode, False)


def list_once(book, paths, now, problems=()):
    book.begin_listing()
    for path in paths:
        book.see(found(path), now)
    book.end_listing(problems, now)


def row(path, **more):
    told = {"path": path, "size": 10, "mtime_ns": 5, "state": "complete", "format": "nifti", "error": None}
    return {**told, "companions": [], "missing": [], "dicom": None, **more}


def test_a_share_that_is_away_for_a_while_makes_nothing_forgotten():
    book = InboxBook(5, 900, lambda path: None)
    path, other = os.path.join("/in", "far", "a.nii"), os.path.join("/in", "b.nii")
    list_once(book, [path, other], 0)
    list_once(book, [other], 3, problems=[os.path.join("/in", "far")])
    assert book.waiting == 2
    list_once(book, [path, other], 5)
    assert set(book.to_ask) == {path, other}
    list_once(book, [path], 6)
    assert book.waiting == 1


def test_a_locked_file_is_asked_for_again_and_not_at_once():
    book = InboxBook(5, 900, lambda path: None)
    list_once(book, ["/in/a.nii"], 0)
    list_once(book, ["/in/a.nii"], 5)
    book.to_ask.clear()
    book.answered(row("/in/a.nii", state="locked"), 5)
    assert book.next_look(5) == 10
    list_once(book, ["/in/a.nii"], 7)
    assert not book.to_ask
    list_once(book, ["/in/a.nii"], 10)
    assert list(book.to_ask) == ["/in/a.nii"]
    book.answered(row("/in/a.nii"), 10)
    assert len(book.arrivals) == 1


def test_a_header_at_rest_is_not_truncated_while_its_data_still_grow():
    book = InboxBook(5, 60, lambda path: None)
    header, data = "/in/a.mhd", "/in/a.raw"
    short = {"code": "input.truncated", "message": "a.mhd: half", "hint": ""}
    incomplete = row(header, state="incomplete", format="metaimage", companions=[data], error=short)
    now = 0.0
    while now < 300:
        book.begin_listing()
        book.see(found(header), now)
        book.see(found(data, size=int(now)), now)
        book.end_listing((), now)
        if header in book.to_ask:
            book.to_ask.clear()
            book.answered(incomplete, now)
        now += 4
    assert not book.refusals
    for _ in range(40):
        now += 4
        list_once(book, [header], now, problems=[data])
        if header in book.to_ask:
            book.to_ask.clear()
            book.answered(incomplete, now)
    assert [error.code for _, error in book.refusals] == ["input.truncated"]


def test_two_thousand_files_arrive_each_once_through_the_real_intake_child(watch, tmp_path):
    def spawn(on_message, on_log, on_end):
        return Child(intake_command(), child_environment(tmp_path), on_message, on_log, on_end)

    client = IntakeClient(spawn, tmp_path, lambda error: None)

    def ask(paths, answer):
        client.ask(
            "examine", {"paths": paths}, lambda result, error: answer(result["files"] if result else [])
        )

    data = nifti()
    for number in range(2000):
        (tmp_path / "inbox" / f"{number:04}.nii").write_bytes(data)
    seen = watch(ask=ask)
    try:
        seen.until(arrivals=2000, timeout=40)
        seen.settle()
    finally:
        client.stop()
        run_until(lambda: client.ended, 10)
    assert len({arrival.files[0].path for arrival in seen.arrivals}) == len(seen.arrivals) == 2000
    print(f"longest slice {seen.watcher.longest_slice * 1000:.1f} ms")


def test_ten_thousand_slices_in_one_folder_are_one_arrival(watch, tmp_path):
    (tmp_path / "inbox" / "p").mkdir()
    for number in range(10000):
        (tmp_path / "inbox" / "p" / f"{number}").write_bytes(b"")

    def ask(paths, answer):
        rows = []
        for path in paths:
            info = os.lstat(path)
            row = {"path": path, "size": info.st_size, "mtime_ns": info.st_mtime_ns, "state": "complete"}
            row.update(format="dicom", companions=[], missing=[], error=None)
            row["dicom"] = {
                "series_uid": "1.2",
                "image": True,
                "modality": "CT",
                "number": 1,
                "patient_key": "k",
            }
            rows.append(row)
        qt.single_shot(0, lambda: answer(rows))

    seen = watch(ask=ask)
    seen.until(arrivals=1, timeout=30)
    assert len(seen.arrivals[0].files) == 10000
    print(f"longest slice {seen.watcher.longest_slice * 1000:.1f} ms")
