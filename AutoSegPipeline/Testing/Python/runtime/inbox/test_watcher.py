"""What is dropped into the inbox arrives whole and once, however it comes."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from AutoSegPipelineLib.core.store.small_tables import Consumed
from AutoSegPipelineLib.intake.examine import examine
from AutoSegPipelineLib.runtime import qt
from support.inbox import SETTLE, nifti
from support.qt import run_until


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
    for name in ("Thumbs.db", "desktop.ini", ".DS_Store"):
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
        rows = examine(paths).files
        if len(rows) == 1 and rows[0].size == len(nifti()):
            (Path(paths[0])).write_bytes(nifti((5, 5, 5)))
            rows = examine(paths).files
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
        rows = [] if killed else examine(paths).files
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
    run_until(lambda: len(calls) == 2, 60)
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
