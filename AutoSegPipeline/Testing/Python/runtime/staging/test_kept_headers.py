"""The headers of DICOM cases through a pipeline: each case has its own, from the inspection to the purge."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.core.job import Job
from AutoSegPipelineLib.core.pacs.source_series import kept_headers
from support.dicom_objects import even
from support.pipeline import Bench


def series_of(bench: Bench, job: Job) -> dict[str, object]:
    with zipfile.ZipFile(kept_headers(bench.home, job.id)) as archive:
        said: dict[str, object] = json.loads(archive.read("series.json"))
    return said


def test_each_case_of_one_folder_keeps_its_own_until_it_is_purged(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        folder = tmp_path / "elsewhere" / "study"
        for number in (1, 2):
            even(folder, SeriesNumber=number, PatientName="Doe^Jane")
        folder.rename(bench.home.inbox / "study")
        jobs = bench.until_ended(2)
        assert [job.state for job in jobs] == [states.DONE] * 2
        for job in jobs:
            said = series_of(bench, job)
            assert said["content"] == job.content
            assert f"_{said['series_number']}_" in job.name
        left = list(bench.home.state.rglob("headers.zip"))
        assert left == [], "none is left beside a volume"
        first, second = jobs
        bench.pipeline.commands.purge(first.id)
        bench.until(lambda: not kept_headers(bench.home, first.id).exists())
        assert kept_headers(bench.home, second.id).exists()


def test_a_retry_keeps_them_again(tmp_path: Path) -> None:
    with Bench(tmp_path, do="fail") as bench:
        folder = even(tmp_path / "elsewhere" / "study")
        folder.rename(bench.home.inbox / "study")
        (job,) = bench.until_ended(1)
        assert job.state == states.FAILED
        kept_headers(bench.home, job.id).unlink()  # as of a job from before headers were kept
        bench.pipeline.commands.retry(job.id)
        bench.until(lambda: kept_headers(bench.home, job.id).exists())
        bench.until_ended(1)
