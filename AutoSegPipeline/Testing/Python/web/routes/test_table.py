"""``/api/v1/table``: pages, filters, the files, the methods paragraph."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Iterator

import pytest
from AutoSegPipelineLib.core import states
from support.cohort import structure, write_case
from support.programs import package
from support.web import Served


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("table")) as served:
        for number in range(12):
            liver = structure("liver", 400.0 if number == 4 else 1500.0 + number, 50.0)
            spleen = structure("spleen", 200.0, None)
            path = write_case(served.home.results, f"c{number:02d}", [liver, spleen])
            beside = path.with_name(f"c{number:02d}.statistics.json")
            files = {".manifest.json": path.read_bytes(), ".statistics.json": beside.read_bytes()}
            job = served.add_job(files=files, name=f"c{number:02d}")
        served.store.jobs.delete(job.id)
        job.state = states.SEGMENTING  # the last one runs again; its result stays
        served.store.jobs.add(job)
        served.add_job(states.QUEUED)
        yield served


def test_rows_are_paged_sorted_and_filtered_by_the_server(page: Served) -> None:
    first = page.get("/api/v1/table?limit=10").json()
    assert (first["total"], first["cases"], len(first["rows"])) == (24, 12, 10)
    assert first["structures"] == ["liver", "spleen"]
    rest = page.get("/api/v1/table?limit=100&offset=10").json()["rows"]
    names = [(row["case"], row["structure"]) for row in first["rows"] + rest]
    assert names == [(f"c{n:02d}", name) for n in range(12) for name in ("liver", "spleen")]
    (row,) = page.get("/api/v1/table?flag=outlier").json()["rows"]
    assert (row["case"], row["volume_ml"], row["outlier"], row["absent"]) == ("c04", 400.0, True, False)
    top = page.get("/api/v1/table?sort=volume_ml&descending=true&structure=liver&limit=1").json()
    assert top["total"] == 12 and top["rows"][0]["case"] == "c11"


@pytest.mark.parametrize("query", ["sort=volume", "flag=odd", "review=fine", "limit=0", "offset=-1"])
def test_a_question_that_makes_no_sense_is_a_problem_with_a_code(page: Served, query: str) -> None:
    answer = page.get(f"/api/v1/table?{query}")
    assert (answer.status, answer.json()["code"]) == (422, "request.invalid")


def test_the_files_hold_the_rows_that_are_asked_for(page: Served, tmp_path: Path) -> None:
    answer = page.get("/api/v1/table.csv?structure=liver&sort=volume_ml")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert 'filename="cohort.csv"' in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.body.decode(), newline="")))
    assert len(rows) == 12 and rows[0]["case"] == "c04"
    parquet = package("pyarrow.parquet", "requirements/base.txt")
    (tmp_path / "t.parquet").write_bytes(page.get("/api/v1/table.parquet?flag=outlier").body)
    assert parquet.read_table(tmp_path / "t.parquet").column("case").to_pylist() == ["c04"]
    assert page.get("/api/v1/table.xlsx").status == 404


def test_a_methods_paragraph_of_all_or_of_some(page: Served) -> None:
    found = page.get("/api/v1/table/methods").json()
    assert found["cases"] == 12 and found["paragraph"].startswith("12 CT scans were processed")
    job = page.get("/api/v1/table?limit=1").json()["rows"][0]["job"]
    assert page.get(f"/api/v1/table/methods?job={job}").json()["cases"] == 1
    waiting = page.get("/api/v1/jobs?state=queued").json()["jobs"][0]["id"]
    assert page.get(f"/api/v1/table/methods?job={waiting}").status == 409
