"""The result of a case that runs again: it stays what it was until the new one replaces it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.core.job import Job
from support.pipeline import write_scan
from support.web import WebBench


class Retried:
    """A pipeline with one finished case, and what its readers get of it."""

    def __init__(self, bench: WebBench, source: Path) -> None:
        self.bench = bench
        bench.pipeline.commands.submit(source)
        (self.job,) = bench.until_ended(1)
        assert self.job.state == states.DONE
        self.name = f"{self.job.name}.gltf"
        self.old = self.download()

    def again(self, do: str) -> None:
        """Retry it over HTTP with a worker that does ``do``."""
        self.bench.do = do
        self.bench.restart()
        assert self.bench.request("POST", f"/api/v1/jobs/{self.job.id}/retry").status == 200

    def now(self) -> Job:
        return self.bench.job(self.job.id)

    def download(self) -> tuple[bytes, str]:
        """The file by both of its addresses, and its tag."""
        ours = self.bench.request("GET", f"/api/v1/results/{self.job.id}/files/{self.name}")
        original = self.bench.request("GET", f"/download/{self.name}")
        assert (ours.status, original.status) == (200, 200)
        assert ours.body == original.body
        return ours.body, ours.headers["etag"]

    def check_old_is_served(self) -> None:
        assert self.download() == self.old
        assert self.name in self.bench.request("GET", "/files").json()
        listed: list[dict[str, Any]] = self.bench.request("GET", "/api/v1/results").json()["results"]
        assert [one["job"] for one in listed] == [self.job.id]
        assert self.bench.request("GET", f"/view/{self.job.id}").status == 200
        assert self.bench.request("GET", f"/api/v1/results/{self.job.id}.zip").status == 200


def test_the_old_result_is_served_until_the_new_one_replaces_it(tmp_path: Path) -> None:
    with WebBench(tmp_path / "home", watch=False) as bench:
        case = Retried(bench, write_scan(tmp_path / "thorax.nii"))
        case.again("slow60000")
        bench.until(lambda: case.now().state == states.SEGMENTING)
        case.check_old_is_served()

        assert bench.request("POST", f"/api/v1/jobs/{case.job.id}/cancel").status == 200
        bench.until(lambda: case.now().ended)
        assert case.now().state == states.CANCELLED
        case.check_old_is_served()

        case.again("fail")
        bench.until(lambda: case.now().state == states.FAILED)
        case.check_old_is_served()

        case.again("big2")
        bench.until(lambda: case.now().state == states.DONE)
        new = case.download()
        assert new != case.old and len(new[0]) > 2048

        assert bench.request("DELETE", f"/api/v1/jobs/{case.job.id}").status == 200
        assert bench.results() == [], "nothing of it is left behind"


def test_a_result_goes_by_its_own_retention_where_a_later_attempt_failed(tmp_path: Path) -> None:
    with WebBench(tmp_path / "home", watch=False, keep_failed_days=1) as bench:
        case = Retried(bench, write_scan(tmp_path / "thorax.nii"))
        case.again("fail")
        bench.until(lambda: case.now().state == states.FAILED)
        job = case.now()
        job.times[states.FAILED] = "2020-01-01T00:00:00Z"
        bench.pipeline.store.jobs.save(job)
        for _ in bench.pipeline.flow.retention.steps():
            pass
        case.check_old_is_served()
