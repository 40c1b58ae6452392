"""DICOM slices that are dropped into the inbox, and very many files at once."""

from __future__ import annotations

import os

from AutoSegPipelineLib.core.messages.examined_files import DicomHeader, ExaminedFile
from AutoSegPipelineLib.core.messages.intake_messages import Examine
from AutoSegPipelineLib.runtime import qt
from AutoSegPipelineLib.runtime.processes.child import Child
from AutoSegPipelineLib.runtime.processes.child_command import child_environment, command_of
from AutoSegPipelineLib.runtime.processes.child_kinds import INTAKE
from AutoSegPipelineLib.runtime.processes.intake_client import IntakeClient
from support.inbox import SETTLE, dicom, nifti
from support.qt import run_for, run_until


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


def test_two_thousand_files_arrive_each_once_through_the_real_intake_child(watch, tmp_path):
    def spawn(on_message, on_log, on_end):
        return Child(command_of(INTAKE), child_environment(tmp_path), on_message, on_log, on_end)

    client = IntakeClient(spawn, tmp_path, lambda error: None)

    def ask(paths, answer):
        client.ask(Examine(paths), lambda result, error: answer(result.files if result else []))

    data = nifti()
    for number in range(2000):
        (tmp_path / "inbox" / f"{number:04}.nii").write_bytes(data)
    seen = watch(ask=ask)
    try:
        seen.until(arrivals=2000, timeout=40)
        seen.settle()
    finally:
        client.stop()
        run_until(lambda: client.ended, 60)
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
            row = ExaminedFile(path, info.st_size, info.st_mtime_ns, format="dicom")
            row.dicom = DicomHeader(series_uid="1.2", modality="CT", number=1, patient_key="k")
            rows.append(row)
        qt.single_shot(0, lambda: answer(rows))

    seen = watch(ask=ask)
    seen.until(arrivals=1, timeout=30)
    assert len(seen.arrivals[0].files) == 10000
    print(f"longest slice {seen.watcher.longest_slice * 1000:.1f} ms")
