"""`autoseg table`: CSV and Parquet of a folder and of a home, with reviews."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.core.cohort.columns import NAMES
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.job import Job
from AutoSegPipelineLib.core.review import review_of
from AutoSegPipelineLib.core.store import Store
from support.cohort import structure, write_case, write_cohort
from support.headless import autoseg
from support.programs import package


def test_a_folder_becomes_one_csv_and_one_parquet_of_the_same_rows(tmp_path: Path) -> None:
    parquet = package("pyarrow.parquet", "requirements/base.txt")
    out = tmp_path / "out"
    out.mkdir()
    write_cohort(out, 12, 6)
    done = autoseg("table", out, "--json", env={"AUTOSEG_HOME": str(tmp_path / "home")})
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) | {"files": 0} == {"cases": 12, "rows": 72, "files": 0, "left_out": []}
    with open(out / "cohort.csv", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    table = parquet.read_table(out / "cohort.parquet")
    assert tuple(table.column_names) == NAMES and table.num_rows == len(rows) == 72
    assert table.column("volume_ml").to_pylist() == [
        float(row["volume_ml"]) if row["volume_ml"] else None for row in rows
    ]
    assert table.column("absent").to_pylist() == [row["absent"] == "yes" for row in rows]
    assert sum(table.column("absent").to_pylist()) == 2
    assert str(table.schema.field("outlier").type) == "bool"
    write_case(out, "more", [structure("liver", 1.0, None)])
    (out / "case_00003.statistics.json").write_text("[]")
    again = autoseg("table", out, "--to", tmp_path / "else", env={"AUTOSEG_HOME": str(tmp_path / "home")})
    assert again.returncode == 1 and "case_00003.manifest.json cannot be used" in again.stderr
    assert sorted(path.name for path in (tmp_path / "else").iterdir()) == ["cohort.csv", "cohort.parquet"]
    assert not (tmp_path / "home").exists(), "looking creates no home"


def test_a_home_gives_its_finished_cases_with_reviews(tmp_path: Path) -> None:
    home = Home.at(tmp_path / "home")
    home.create()
    store = Store(home.store)
    for number, state in enumerate((states.DONE, states.DONE, states.FAILED)):
        job = Job(label=f"scan{number}.nii.gz", name=f"scan{number}")
        store.jobs.add(job)
        write_case(home.results, job.name, [structure("liver", 10.0 + number, 40.0)])
        if state == states.DONE:  # a first attempt that failed has published nothing
            job.outputs = [
                {"kind": "manifest", "name": f"{job.name}.manifest.json", "size": 1, "sha256": "ab"}
            ]
        if number == 1:
            job.review = review_of("bad", "cut off", "ada", 0.0, job.outputs)
        for step in ("inspecting", "queued", "preparing", "segmenting", "exporting", "publishing", state):
            store.jobs.enter(job, step)
    store.close()
    done = autoseg("table", "--to", tmp_path, env={"AUTOSEG_HOME": str(home.root)})
    assert done.returncode == 0, done.stderr
    with open(tmp_path / "cohort.csv", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["case"], row["review"], row["remark"], row["reviewed_by"]) for row in rows] == [
        ("scan0", "", "", ""), ("scan1", "bad", "cut off", "ada"),
    ]  # fmt: skip
    assert [row["review_outdated"] for row in rows] == ["", "no"]


def test_a_methods_paragraph_of_a_folder_and_of_jobs(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for name in "ab":
        write_case(out, name, [structure("liver", 1.0, None)])
    env = {"AUTOSEG_HOME": str(tmp_path / "home")}
    bib = tmp_path / "methods.bib"
    done = autoseg("methods", out, "--bib", bib, env=env)
    assert done.returncode == 0, done.stderr
    assert (
        done.stdout.startswith("2 CT scans were processed with AutoSegPipeline 0.1.0")
        and "@" not in done.stdout
    )
    assert bib.read_text().startswith("@software{autosegpipeline,")
    document = json.loads(autoseg("methods", out, "--json", env=env).stdout)
    assert document["cases"] == 2 and document["bibtex"] == bib.read_text()
    none = autoseg("methods", "3f0c", env=env)
    assert none.returncode == 2 and "no pipeline has run" in none.stderr
