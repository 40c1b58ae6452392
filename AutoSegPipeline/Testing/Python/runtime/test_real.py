"""The pipeline with its real worker: what a person gets, the cache, and the Python API."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from AutoSegPipelineLib.core import result_formats, states
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.processing.phantom import torso, write_nifti
from AutoSegPipelineLib.processing.writers.gltf_check import read_meshes
from AutoSegPipelineLib.runtime.api import AutoSeg, segment_file

QUICK = {"settle_seconds": 0.1, "rescan_seconds": 0.3, "disk_min_free_mb": 10}


@pytest.fixture(scope="module")
def scan(tmp_path_factory) -> Path:
    """A small torso."""
    path = tmp_path_factory.mktemp("scan") / "Torso one.nii.gz"
    write_nifti(torso(shape=(61, 50, 40), spacing=(6.0, 6.0, 6.0)).volume, path)
    return path


def test_a_scan_in_the_inbox_becomes_named_anatomy_in_every_default_format(tmp_path, scan) -> None:
    with AutoSeg(tmp_path / "home", watch=True, **QUICK) as autoseg:
        (autoseg.home.inbox / scan.name).write_bytes(scan.read_bytes())
        autoseg._run_until(autoseg.jobs, 60)
        (job,) = autoseg.jobs()
        job = autoseg.wait(job, 60)
        assert job.state == states.DONE, job.error
        assert {output["kind"] for output in job.outputs} == set(result_formats.DEFAULT)
        meshes = read_meshes(autoseg.results(job)["gltf"])
        assert {"lung_left", "lung_right", "bones", "body"} <= {mesh[0] for mesh in meshes}
        manifest = json.loads(autoseg.results(job)["manifest.json"].read_text(encoding="utf-8"))
        assert manifest["sides"] == "ok"
        assert {row["name"]: row["sha256"] for row in manifest["outputs"]}.items() <= {
            row["name"]: row["sha256"] for row in job.outputs
        }.items()


def test_the_same_scan_with_the_same_options_is_computed_once_and_written_anew(tmp_path, scan) -> None:
    with AutoSeg(tmp_path / "home", **QUICK) as autoseg:
        options = {"formats": "labels", "detail": 0.5}
        first = autoseg.wait(autoseg.submit(scan, **options), 60)
        other_detail = autoseg.wait(autoseg.submit(scan, **{**options, "detail": 0.9}), 60)
        other_quality = autoseg.wait(autoseg.submit(scan, **options, quality="fastest"), 60)
        assert first.state == other_detail.state == other_quality.state == states.DONE
        assert first.cached_from is None
        assert other_detail.cached_from == first.id, "the label map does not depend on detail"
        assert other_quality.cached_from is None, "it does on quality"
        assert other_detail.name != first.name
        labels = [autoseg.results(job)["labels.nii.gz"].read_bytes() for job in (first, other_detail)]
        assert labels[0] == labels[1]
        assert autoseg.results(other_detail)["manifest.json"].exists()
        autoseg.purge(first)
        again = autoseg.wait(autoseg.submit(scan, **options), 60)
        assert again.cached_from is None, "a purge takes the kept label map along"


def test_a_damaged_cache_is_not_believed(tmp_path, scan) -> None:
    with AutoSeg(tmp_path / "home", **QUICK) as autoseg:
        first = autoseg.wait(autoseg.submit(scan, formats="labels"), 60)
        (kept,) = autoseg.home.cache.iterdir()
        kept.write_bytes(b"x" * kept.stat().st_size)
        second = autoseg.wait(autoseg.submit(scan, formats="labels"), 60)
        assert second.state == states.DONE
        labels = [autoseg.results(job)["labels.nii.gz"].read_bytes() for job in (first, second)]
        assert labels[0] == labels[1]


def test_one_call_segments_a_file_and_leaves_nothing_else_behind(tmp_path, scan) -> None:
    heard: list[tuple[str, float]] = []
    job = segment_file(
        scan,
        tmp_path / "out",
        formats="gltf",
        timeout=60,
        progress=lambda job: heard.append((job.state, job.progress)),
    )
    assert job.state == states.DONE
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "Torso one.gltf",
        "Torso one.manifest.json",
    ]
    assert [state for state, _ in heard][-1] == states.DONE
    fractions = [fraction for _, fraction in heard]
    assert fractions == sorted(fractions) and len(set(fractions)) > 4, "progress moves, and only forward"


def test_a_wrong_call_says_what_is_wrong_before_anything_starts(tmp_path, scan) -> None:
    with pytest.raises(PipelineError, match="did you mean 'quality'"):
        segment_file(scan, tmp_path / "out", qualty="fast")
    with pytest.raises(PipelineError) as caught:
        segment_file(tmp_path / "none.nii", tmp_path / "out")
    assert caught.value.code == "input.missing"


def test_a_home_has_settings_of_its_own_and_the_caller_has_the_last_word(tmp_path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "settings.json").write_text('{"quality": "fast", "workers": 2}')
    found = AutoSeg(home, workers=3).settings
    assert (found["quality"], found["workers"], found["watch"]) == ("fast", 3, False)
