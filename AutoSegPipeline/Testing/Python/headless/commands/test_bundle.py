"""``autoseg bundle``: scans packed without a pipeline, looked at, and their results brought back."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from AutoSegPipelineLib.core.bundles import claims
from AutoSegPipelineLib.core.bundles.layout import Bundle, CaseFolder, Outcome
from AutoSegPipelineLib.core.bundles.packing import facts_of
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.headless.collecting import collect, look
from support.bundles import make_bundle
from support.headless import autoseg, write_scan


def test_scans_are_packed_computed_and_brought_back(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_scan(tmp_path / "cohort" / f"{name}.nii.gz", 12.0 if name == "a" else 14.0)
    (tmp_path / "notes.nii").write_text("no scan")
    place, out = tmp_path / "share" / "bundle", tmp_path / "out"
    made = autoseg(
        "bundle", "make", tmp_path / "cohort", tmp_path / "notes.nii", "-o", place, "-e", "tissue",
        "-f", "gltf", "--json",
    )  # fmt: skip
    assert made.returncode == 1, made.stderr
    answer = json.loads(made.stdout)
    assert answer["bundle"] == str(place)
    assert [one["state"] for one in answer["jobs"]] == ["bundled", "bundled", "refused"]
    shown = json.loads(autoseg("bundle", "show", place, "--json").stdout)["cases"]
    assert [one["state"] for one in shown] == ["waiting", "waiting"]
    early = autoseg("bundle", "collect", place, "-o", out)
    assert early.returncode == 1 and "2 cases: 2 waiting" in early.stdout
    worked = autoseg("worker", place)
    assert worked.returncode == 0, worked.stderr
    brought = autoseg("bundle", "collect", place, "-o", out)
    assert brought.returncode == 0, brought.stderr
    assert "2 cases: 2 done" in brought.stdout
    stems = sorted(one["name"] for one in shown)
    assert sorted(path.name for path in out.glob("*.manifest.json")) == [f"{s}.manifest.json" for s in stems]
    assert not [one for one in os.listdir(out) if one.startswith(".")]


def test_a_bundle_gets_a_folder_of_its_own_and_none_is_left_of_one_without_cases(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    scan = write_scan(tmp_path / "ct.nii.gz", 14.0)
    there = autoseg("bundle", "make", scan, "-o", tmp_path / "there")
    assert there.returncode == 2 and "is there already" in there.stderr
    empty = autoseg("bundle", "make", tmp_path / "missing.nii", "-o", tmp_path / "new")
    assert empty.returncode == 1 and "does not exist" in empty.stderr
    assert not (tmp_path / "new").exists()
    none = autoseg("bundle", "make", tmp_path / "there", "-o", tmp_path / "new")
    assert none.returncode == 1 and "no scan was found" in none.stderr


def finish(folder: CaseFolder, stem: str, **files: bytes) -> None:
    """A result as a worker leaves it."""
    claim = claims.take(folder, 1, claims.this_process())
    assert claim is not None
    claim.empty()
    manifest = f"{stem}.manifest.json"
    for name, data in {f"{stem}.gltf": b"{}", manifest: b"{}", **files}.items():
        (claim.making / name).write_bytes(data)
    facts = {path.name: facts_of(path) for path in claim.making.iterdir()}
    assert claim.publish(Outcome(ok=True, result={"manifest_name": manifest}, files=facts))


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    made = make_bundle(tmp_path, "a", "b")
    for entry, stem in zip(made.read().cases, "ab"):
        finish(made.folder(entry), stem)
    return made


def states(bundle: Bundle, out: Path) -> list[str]:
    return [case.state for case in collect(bundle, out)]


def test_collecting_again_brings_what_was_missing_and_overwrites_nothing(
    tmp_path: Path, bundle: Bundle
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    assert states(bundle, out) == ["done", "done"]
    (out / "a.manifest.json").unlink()  # as an interruption would leave it
    assert states(bundle, out) == ["done", "done"]
    assert (out / "a.manifest.json").exists()
    (out / "b.gltf").write_bytes(b"a stranger's")
    (out / "b.manifest.json").unlink()
    found = collect(bundle, out)
    assert [case.state for case in found] == ["done", "failed"]
    assert "is another file" in str(found[1].error)
    assert (out / "b.gltf").read_bytes() == b"a stranger's"
    assert not (out / "b.manifest.json").exists()


def test_a_damaged_result_is_not_brought(tmp_path: Path, bundle: Bundle) -> None:
    out = tmp_path / "out"
    out.mkdir()
    first = bundle.folder(bundle.read().cases[0])
    (first.result / "a.gltf").write_bytes(b"[]")
    found = collect(bundle, out)
    assert [case.state for case in found] == ["failed", "done"]
    assert found[0].error is not None and found[0].error["code"] == "environment.bundle_damaged"
    assert sorted(os.listdir(out)) == ["b.gltf", "b.manifest.json"]


def test_a_case_that_runs_shows_where_it_is(tmp_path: Path) -> None:
    made = make_bundle(tmp_path, "a", "b")
    first, second = (made.folder(entry) for entry in made.read().cases)
    claims.take(first, 1, claims.this_process())
    (first.path / "progress.json").write_text(
        json.dumps({"count": 3, "claim": 1, "stage": "segmenting", "progress": 0.5, "host": "node7"})
    )
    (second.path / "case.json").unlink()
    running, broken = look(made)
    assert (running.state, running.progress, running.host) == ("running", 0.5, "node7")
    assert running.message == "segmenting"
    assert broken.state == "failed"
    with pytest.raises(PipelineError):
        look(Bundle(tmp_path))
