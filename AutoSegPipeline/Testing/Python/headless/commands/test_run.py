"""`run` and `export`: given inputs, processed to the end by the real pipeline."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from AutoSegPipelineLib.core.lock import hold
from support.headless import Running, autoseg, write_scan

FAST = ("--engine", "tissue", "--formats", "gltf,seg,labels")


@pytest.fixture
def private(tmp_path: Path) -> dict[str, str]:
    """An environment whose temporary folder is ours, so that what stays in it is seen."""
    folder = tmp_path / "temp"
    folder.mkdir()
    return {"TMPDIR": str(folder), "AUTOSEG_HOME": str(tmp_path / "home")}


def left_in(private: dict[str, str]) -> list[str]:
    return os.listdir(private["TMPDIR"])


def write_label_map(path: Path) -> None:
    """A body with the label 1, and no name for it."""
    from AutoSegPipelineLib.processing.phantom import torso, write_nifti
    from AutoSegPipelineLib.processing.volume import Volume

    made = torso((61, 51, 30), (6.0, 6.0, 6.0))
    array = (made.volume.array > -200).astype("u1")
    write_nifti(Volume(array, made.volume.grid, "", None), path)


def test_one_document_tells_of_every_input_refused_and_missing_ones_too(
    tmp_path: Path, private: dict[str, str]
) -> None:
    good = write_scan(tmp_path / "in" / "gut gemacht ü.nii.gz")
    before = good.read_bytes()
    junk = tmp_path / "in" / "junk.nii"
    junk.write_bytes(b"not a scan at all" * 100)
    none, out = tmp_path / "in" / "none.nii", tmp_path / "out ü"
    done = autoseg("run", none, good, junk, "-o", out, *FAST, "--json", env=private)
    assert done.returncode == 1
    jobs = json.loads(done.stdout)["jobs"]
    assert [Path(job["input"]).name for job in jobs] == ["none.nii", "gut gemacht ü.nii.gz", "junk.nii"]
    assert [job["state"] for job in jobs] == ["refused", "done", "refused"]
    assert jobs[0]["error"]["code"] == "input.missing" and jobs[2]["error"]["code"].startswith("input.")
    paths = {output["kind"]: Path(output["path"]) for output in jobs[1]["outputs"]}
    assert set(paths) == {"gltf", "seg", "labels", "manifest"}
    assert sorted(path.name for path in paths.values()) == sorted(os.listdir(out))
    assert json.loads(paths["manifest"].read_text(encoding="utf-8"))["engine"]
    assert good.read_bytes() == before
    assert "processing gut gemacht ü.nii.gz" in done.stderr
    assert left_in(private) == [] and not Path(private["AUTOSEG_HOME"]).exists()


def test_label_maps_of_several_files_become_results_in_one_go(
    tmp_path: Path, private: dict[str, str]
) -> None:
    for name in ("one", "two"):
        write_label_map(tmp_path / f"{name}.nii.gz")
    table = tmp_path / "names.csv"
    table.write_text("value,name,color\n1,Whole body,#cc9966\n")
    out = tmp_path / "out"
    maps = [tmp_path / "one.nii.gz", tmp_path / "two.nii.gz"]
    done = autoseg(
        "export", *maps, "-o", out, "--labels", table, "--formats", "gltf,seg", "--json", env=private
    )
    jobs = json.loads(done.stdout)["jobs"]
    assert [job["error"] for job in jobs] == [None, None] and done.returncode == 0
    for name in ("one", "two"):
        assert "Whole body" in (out / f"{name}.gltf").read_text(encoding="utf-8")
    assert left_in(private) == []


def test_options_in_a_folder_hold_for_its_scans_and_the_command_line_wins(
    tmp_path: Path, private: dict[str, str]
) -> None:
    for name in ("one", "two", "three"):
        write_scan(tmp_path / "in" / "study" / f"{name}.nii.gz")
    (tmp_path / "in" / "options.json").write_text('{"quality": "fast", "detail": 0.5, "engine": "none"}')
    (tmp_path / "in" / "study" / "two.options.json").write_text('{"detail": 0.3}')
    (tmp_path / "in" / "study" / "three.options.json").write_text('{"detail": "much"}')
    done = autoseg("run", tmp_path / "in", "-o", tmp_path / "out", *FAST, "--json", env=private)
    jobs = {Path(job["label"]).name: job for job in json.loads(done.stdout)["jobs"]}
    wanted = {"one.nii.gz": ("fast", 0.5, "tissue"), "two.nii.gz": ("fast", 0.3, "tissue")}
    for name, options in wanted.items():
        assert jobs[name]["error"] is None
        assert tuple(jobs[name]["options"][key] for key in ("quality", "detail", "engine")) == options
    assert jobs["three.nii.gz"]["error"]["code"] == "options.invalid"
    assert "three.options.json" in jobs["three.nii.gz"]["error"]["message"]


def test_a_table_beside_a_label_map_gives_its_names_and_is_named_where_it_is_wrong(
    tmp_path: Path, private: dict[str, str]
) -> None:
    for name in ("one", "two", "three"):
        write_label_map(tmp_path / f"{name}.nii.gz")
    (tmp_path / "one.csv").write_text("value,name\n1,Whole body\n")
    (tmp_path / "two.csv").write_text("value,name\n1,Whole body\n1,Again\n")
    maps, out = [tmp_path / f"{name}.nii.gz" for name in ("one", "two", "three")], tmp_path / "out"
    done = autoseg("export", *maps, "-o", out, "--formats", "gltf", "--json", env=private)
    one, two, three = json.loads(done.stdout)["jobs"]
    assert one["error"] is None and "Whole body" in (out / "one.gltf").read_text(encoding="utf-8")
    assert two["error"]["code"] == "export.bad_table"
    assert two["error"]["message"].startswith("two.csv, line 3:")
    assert three["error"] is None and '"three"' in (out / "three.gltf").read_text(encoding="utf-8")


def test_a_folder_of_masks_is_one_result_and_a_task_names_the_labels_of_a_label_map(
    tmp_path: Path, private: dict[str, str]
) -> None:
    for name in ("liver", "kidney_left"):
        (tmp_path / "masks").mkdir(exist_ok=True)
        write_label_map(tmp_path / "masks" / f"{name}.nii.gz")
    write_label_map(tmp_path / "case.nii.gz")
    out, both = tmp_path / "out", [tmp_path / "masks", tmp_path / "case.nii.gz"]
    given = ("--labels", "total_mr", "--formats", "gltf,statistics", "--json")
    jobs = json.loads(autoseg("export", *both, "-o", out, *given, env=private).stdout)["jobs"]
    assert [(job["state"], job["name"]) for job in jobs] == [("done", "masks"), ("done", "case")]
    found = {
        job["name"]: [
            row.split(",")[0] for row in (out / f"{job['name']}.statistics.csv").read_text().splitlines()
        ]
        for job in jobs
    }
    assert sorted(found["masks"][1:]) == ["kidney_left", "liver"] and found["case"][1:] == ["spleen"]
    wrong = autoseg("export", *both, "-o", out, "--labels", "totl", env=private)
    assert wrong.returncode == 2 and "did you mean 'total'?" in wrong.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="a console's Ctrl+C cannot be sent to one process there")
@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_leaves_nothing_behind(tmp_path: Path, private: dict[str, str], times: int) -> None:
    scan = write_scan(tmp_path / "scan.nii.gz", spacing=2.5)
    with Running("run", scan, "-o", tmp_path / "out", "--engine", "tissue", env=private) as running:
        running.wait_for("processing scan.nii.gz")
        running.signal(signal.SIGINT)
        running.wait_for("stopping")
        if times == 2:
            running.signal(signal.SIGINT)
        assert running.end() == 130
    assert "Traceback" not in running.text
    assert os.listdir(tmp_path / "out") == []
    assert left_in(private) == []


def test_results_may_go_into_the_folder_that_holds_the_temporary_one(tmp_path: Path) -> None:
    (tmp_path / "temp").mkdir()
    env = {"TMPDIR": str(tmp_path / "temp"), "XDG_DATA_HOME": str(tmp_path.parent / f"{tmp_path.name}-data")}
    done = autoseg("run", tmp_path / "none.nii", "-o", tmp_path, "--json", "--quiet", env=env)
    # Nested folders would have ended it before it came to the missing file.
    assert json.loads(done.stdout)["jobs"][0]["error"]["code"] == "input.missing"
    assert "none.nii does not exist" in done.stderr and "new file" not in done.stderr


def test_results_inside_the_input_folder_are_not_taken_for_scans(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "scan.gltf").write_text("{}")
    done = autoseg("run", tmp_path, "-o", tmp_path / "out")
    assert done.returncode == 2 and "would be taken for scans" in done.stderr


def test_a_folder_that_cannot_be_written_is_named_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = autoseg("run", tmp_path / "x.nii", "-o", tmp_path / "file" / "out", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["code"] == "environment.results_unreachable"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux file systems take names that are not text")
def test_a_name_that_is_not_text_is_refused_and_told(tmp_path: Path, private: dict[str, str]) -> None:
    name = os.fsdecode(bytes(tmp_path) + b"/bad\xff.nii.gz")
    Path(name).write_bytes(b"x")
    done = autoseg("run", name, "-o", tmp_path / "out", "--json", env=private)
    (job,) = json.loads(done.stdout)["jobs"]
    assert done.returncode == 1
    assert job["error"]["code"] == "input.unreadable" and job["input"] == name


def test_a_folder_goes_on_where_it_stopped_and_takes_what_changed(
    tmp_path: Path, private: dict[str, str]
) -> None:
    cohort, out = tmp_path / "cohort", tmp_path / "out"
    for number, name in enumerate("abc"):
        write_scan(cohort / f"{name}.nii.gz", seed=number)
    (cohort / "junk.nii").write_bytes(b"not a scan at all" * 100)

    def run(*more: str) -> tuple[int, dict[str, Any]]:
        done = autoseg("run", cohort, "-o", out, *FAST, "--json", *more, env=private)
        return done.returncode, json.loads(done.stdout)

    code, found = run()
    assert code == 1 and found["cohort"] == {"new": 4, "left": 0}
    assert [(job["label"], job["state"]) for job in found["jobs"]] == [
        ("cohort/a.nii.gz", "done"), ("cohort/b.nii.gz", "done"), ("cohort/c.nii.gz", "done"),
        ("cohort/junk.nii", "refused"),
    ]  # fmt: skip
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    code, found = run()
    assert (code, found["jobs"]) == (1, []), "a refused scan is still no success"
    assert found["cohort"] == {"done": 3, "refused": 1, "left": 0}
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before

    (cohort / "junk.nii").unlink()
    (cohort / "a.nii.gz").touch()
    write_scan(cohort / "b.nii.gz", seed=9)
    write_scan(cohort / "d.nii.gz", seed=10)
    code, found = run()
    assert code == 0 and found["cohort"] == {"done": 2, "changed": 1, "new": 1, "left": 0}
    assert [job["name"] for job in found["jobs"]] == ["cohort_b-2", "cohort_d"]
    assert all((out / name).read_bytes() == data for name, data in before.items() if not name.startswith("."))
    table = json.loads(autoseg("table", out, "--json", env=private).stdout)
    assert table["cases"] == 4, "the result of the earlier bytes of b is no row any more"
    assert left_in(private) == []


@pytest.mark.skipif(sys.platform == "win32", reason="a console's Ctrl+C cannot be sent to one process there")
@pytest.mark.parametrize("number", [signal.SIGINT, getattr(signal, "SIGKILL", signal.SIGTERM)])
def test_what_a_stopped_run_left_is_done_by_the_next_and_nothing_twice(
    tmp_path: Path, private: dict[str, str], number: signal.Signals
) -> None:
    cohort, out = tmp_path / "cohort", tmp_path / "out"
    for name, spacing in (("a", 6.0), ("b", 2.5), ("c", 6.0), ("d", 6.0)):
        write_scan(cohort / f"{name}.nii.gz", spacing)
    command = ("run", cohort, "-o", out, *FAST)
    with Running(*command, env=private) as running:
        running.wait_for("4 scans: 4 new")
        running.wait_for("processing cohort/b.nii.gz")
        running.signal(number)
        running.end()
    assert (number == signal.SIGINT) == ("3 scans are left" in running.text)
    done = autoseg(*command, env=private)
    assert done.returncode == 0 and "Nothing is left." in done.stdout, done.stdout + done.stderr
    names = sorted(path.name for path in out.glob("*.manifest.json"))
    assert names == [f"cohort_{name}.manifest.json" for name in "abcd"]
    assert not list(out.glob(".publish-*"))
    assert autoseg(*command, env=private).stdout.endswith("Nothing is left to do.\n")


def test_a_folder_in_which_nothing_is_a_scan_is_refused_and_beside_a_scan_there_is_a_note(
    tmp_path: Path, private: dict[str, str]
) -> None:
    for folder in ("none", "some"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "logo.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(500))
        (tmp_path / folder / "viewer.ini").write_text("[view]\n")
    done = autoseg("run", tmp_path / "none", "-o", tmp_path / "out", *FAST, "--json", env=private)
    (job,) = json.loads(done.stdout)["jobs"]
    assert (done.returncode, job["state"], job["error"]["code"]) == (1, "refused", "input.nothing_inside")
    assert "logo.png and viewer.ini" in job["error"]["message"] and "passed by" not in done.stderr
    write_scan(tmp_path / "some" / "a.nii.gz")
    done = autoseg("run", tmp_path / "some", "-o", tmp_path / "out", *FAST, "--json", env=private)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["cohort"] == {"new": 1, "passed_by": 2, "left": 0}
    assert "2 files are no scan and were passed by: logo.png and viewer.ini." in " ".join(done.stderr.split())


def test_two_runs_at_once_on_one_folder_of_results_are_refused(
    tmp_path: Path, private: dict[str, str]
) -> None:
    (tmp_path / "cohort").mkdir()
    (tmp_path / "out").mkdir()
    with hold(tmp_path / "out" / ".autoseg-run.lock"):
        done = autoseg("run", tmp_path / "cohort", "-o", tmp_path / "out", *FAST, env=private)
    assert done.returncode == 1 and "another `autoseg run` is writing" in done.stderr
