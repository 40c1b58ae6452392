"""One input that holds hundreds: nothing of it waits for the disk in the pipeline's loop."""

from __future__ import annotations

import os
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.core.store.database import Database
from AutoSegPipelineLib.intake import case_folders
from AutoSegPipelineLib.runtime.staging import multi_case
from support.dicom_seg import dicom_seg, segment
from support.intake import field_slices
from support.pipeline import Bench, leftovers, write_scan
from support.processing import grid
from support.programs import package

COUNT = 300


def broken_slices(folder: Path, count: int) -> Path:
    """Files that begin as DICOM does and hold nothing that could be read."""
    folder.mkdir(parents=True)
    for number in range(count):
        (folder / f"IM{number:04d}.dcm").write_bytes(broken_slice(number))
    return folder


def broken_slice(number: int) -> bytes:
    return bytes(128) + b"DICM" + bytes([2, 0, number % 256]) * 9


def broken_archives(folder: Path, count: int) -> Path:
    """Archives of one broken slice each: every one has an answer of its own."""
    folder.mkdir(parents=True)
    for number in range(count):
        with zipfile.ZipFile(folder / f"S{number:04d}.zip", "w") as archive:
            archive.writestr("IM.dcm", broken_slice(number))
    return folder


class Waits:
    """Counts how often this process, which is the one with the loop, waits for the disk."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.files = self.commits = 0
        fsync, transaction = os.fsync, Database.transaction

        def counted_fsync(descriptor: int) -> None:
            self.files += 1
            fsync(descriptor)

        def counted_transaction(own: Database, durable: bool = True) -> Any:
            lazily = own.row("PRAGMA synchronous")[0] == 1
            self.commits += durable and not own._depth and not lazily
            return transaction(own, durable)

        monkeypatch.setattr(os, "fsync", counted_fsync)
        monkeypatch.setattr(Database, "transaction", counted_transaction)


def archived(bench: Bench) -> list[str]:
    found = (path for ending in ("*.dcm", "*.zip") for path in bench.home.refused.rglob(ending))
    return sorted(path.name for path in found)


def test_a_folder_of_broken_archives_is_divided_without_the_loop_waiting_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = broken_archives(tmp_path / "scans", COUNT)
    with Bench(tmp_path / "home", watch=False) as bench:
        job = bench.pipeline.commands.submit(folder)
        bench.until(lambda: bench.job(job.id).state == states.INSPECTING)
        waits = Waits(monkeypatch)
        bench.until(lambda: bench.job(job.id).ended, 60)
        # 3 for each file would be 900.
        assert (waits.files, waits.commits < 12) == (0, True)
        bench.until(lambda: len(archived(bench)) == COUNT, 90)
        bench.until(lambda: all("kept_at" in one.staged for one in bench.jobs()))
        assert waits.commits < COUNT / 5, "one for each place"
        jobs = bench.jobs()
        assert len(jobs) == COUNT and {one.state for one in jobs} == {states.REFUSED}
        assert {one.parent for one in jobs} == {None, job.id}
        assert archived(bench) == sorted(path.name for path in folder.iterdir())
        assert leftovers(bench) == []


def test_a_folder_of_broken_slices_is_one_refused_job_and_all_of_them_are_put_away(tmp_path: Path) -> None:
    folder = broken_slices(tmp_path / "study", 45)
    with Bench(tmp_path / "home", watch=False) as bench:
        bench.pipeline.commands.submit(folder)
        (job,) = bench.until_ended(1)
        assert (job.state, job.label) == (states.REFUSED, "study: 45 files") and job.error is not None
        assert job.error["message"].startswith("45 files share one reason. ")
        assert "IM0001.dcm, IM0002.dcm, IM0003.dcm and 41 more" in job.error["message"]
        bench.until(lambda: len(archived(bench)) == 45 and leftovers(bench) == [])


def test_stopped_among_the_rows_of_the_parts_the_next_start_goes_on_and_doubles_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multi_case, "MOST", 3)
    folder = broken_archives(tmp_path / "scans", 20)
    with Bench(tmp_path / "home", watch=False) as bench:
        write = multi_case.MultiCase._write_some

        def some(own: Any, job: Any, split: Any, until: float) -> int:
            number = write(own, job, split, until)
            if number > 6:
                bench.pipeline.stop()
            return number

        monkeypatch.setattr(multi_case.MultiCase, "_write_some", some)
        job = bench.pipeline.commands.submit(folder)
        bench.until(lambda: bench.pipeline.stopped)
        monkeypatch.setattr(multi_case.MultiCase, "_write_some", write)
        bench.restart()
        bench.until_ended(20)
        bench.until(lambda: len(archived(bench)) >= 20 and leftovers(bench) == [])
        assert len(bench.jobs()) == 20 and bench.job(job.id).state == states.REFUSED
        assert archived(bench) == sorted(path.name for path in folder.iterdir())


def test_who_cancels_an_input_that_is_being_split_cancels_all_of_it(tmp_path: Path, monkeypatch: Any) -> None:
    folder = tmp_path / "scans"
    for number in range(4):
        write_scan(folder / f"scan{number}.nii", number)
    with Bench(tmp_path / "home", watch=False) as bench:
        begin = multi_case.MultiCase.begin

        def cancelled(own: Any, job: Any, intent: Any, parts: Any) -> None:
            begin(own, job, intent, parts)
            bench.pipeline.commands.cancel(job.id)

        monkeypatch.setattr(multi_case.MultiCase, "begin", cancelled)
        bench.pipeline.commands.submit(folder)
        assert {one.state for one in bench.until_ended(4)} == {states.CANCELLED}
        bench.until(lambda: len(list(bench.home.failed.rglob("*.nii"))) == 4 and leftovers(bench) == [])


def test_options_files_hold_for_the_parts_beside_them(tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    for number, place in enumerate(("a", "b", "b")):
        write_scan(folder / place / f"scan{number}.nii", number)
    (folder / "b" / "options.json").write_text('{"quality": "fast"}')
    (folder / "b" / "scan2.options.json").write_text('{"detail": 0.3}')
    with Bench(tmp_path / "home", watch=False) as bench:
        bench.pipeline.commands.submit(folder)
        jobs = {Path(job.label).name: job for job in bench.until_ended(3)}
        assert [job.error for job in jobs.values()] == [None] * 3
        found = [
            (jobs[f"scan{n}.nii"].options["quality"], jobs[f"scan{n}.nii"].options["detail"])
            for n in range(3)
        ]
        assert found == [("normal", 0.1), ("fast", 0.1), ("fast", 0.3)]


def test_dividing_again_after_any_of_its_steps_gives_the_same(tmp_path: Path, monkeypatch: Any) -> None:
    from AutoSegPipelineLib.core.home import Home
    from AutoSegPipelineLib.core.incoming import Intent, IntentFile, folder_of, read_intent, write_intent
    from AutoSegPipelineLib.core.messages.found_cases import CasePart, Refusal

    home = Home.at(tmp_path)
    home.create()
    names = ["000001.dcm", "000002.dcm", "000003.dcm"]
    whole = Intent(label="scans", files=[IntentFile(name, None, name) for name in names], container=True)
    write_intent(home, whole)
    folder = folder_of(home, whole.id)
    for name in names:
        (folder / "input" / name).write_text(name)
    ids = [whole.id, "b" * 32, "c" * 32]
    parts = [CasePart(i, refusal=Refusal([n], n, n)) for i, n in zip(ids, names)]
    for step in ("sync_paths", "_keep_own"):

        def dies(*_: Any) -> None:
            raise OSError(5, "gone")

        with monkeypatch.context() as broken:
            broken.setattr(case_folders, step, dies)
            with pytest.raises(OSError):
                case_folders.divide(folder, parts, [])
    for _ in range(2):
        case_folders.divide(folder, parts, [])
    for job_id, name in zip(ids, names):
        own = read_intent(folder_of(home, job_id))
        assert own is not None and [item.name for item in own.files] == [name] == own.only
        assert own.parent == (None if job_id == whole.id else whole.id)
        assert [path.name for path in (folder_of(home, job_id) / "input").iterdir()] == [name]
    case_folders.divide(folder, [parts[0], replace(parts[1], id="d" * 32)], ["d" * 32])
    assert not folder_of(home, "d" * 32).exists()


def test_a_ct_and_its_dicom_segmentation_become_a_scan_and_an_export(tmp_path: Path) -> None:
    package("highdicom")
    mask = np.zeros((8, 10, 12), np.uint8)
    mask[2:6, 3:7, 2:9] = 1
    with Bench(tmp_path) as bench:
        folder = tmp_path / "elsewhere" / "study"
        field_slices(folder, [(-40, -38, 10 + 3 * n) for n in range(20)], (1, 0, 0, 0, 1, 0))
        dicom_seg(folder / "seg.dcm", grid((12, 10, 8)), {1: mask}, [segment(1, "Liver")])
        folder.rename(bench.home.inbox / "study")
        jobs = bench.until_ended(2)
        kinds = {job.label: (job.state, job.staged["kind"]) for job in jobs}
    assert kinds == {"SEG series 300": ("done", "segmentation"), "CT series 1 Thorax": ("done", "scan")}
