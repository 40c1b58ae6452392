"""What model.json may say and who may have written it; no network is read."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.processing import phantom
from AutoSegPipelineLib.processing.engines import ownership
from AutoSegPipelineLib.processing.engines.nnunet import adding, store
from AutoSegPipelineLib.processing.engines.nnunet.loading import check_files
from AutoSegPipelineLib.processing.engines.nnunet.prediction import costs
from AutoSegPipelineLib.processing.engines.nnunet.record import ModelClass
from AutoSegPipelineLib.processing.engines.nnunet.request import Run
from support.model_record import record

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no owners and modes of POSIX")


def changed(place: Path, stage: dict[str, object]) -> None:
    path = place / "model.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    document["stages"][0].update(stage)
    path.write_text(json.dumps(document), encoding="utf-8")


@pytest.mark.parametrize(
    "stage",
    [
        {"folds": ["../../../etc"]}, {"folds": []}, {"folds": ["0", ""]}, {"folds": ["all/.."]},
        {"checkpoint": "../../evil.pth"}, {"checkpoint": "evil.pth"}, {"checkpoint": "checkpoint_a.pth\n"},
        {"folder": "../other"},
    ],
)  # fmt: skip
def test_a_record_leads_to_no_file_elsewhere(tmp_path, stage):
    changed(record(tmp_path, "teeth"), stage)
    assert store.models(tmp_path) == []
    with pytest.raises(PipelineError) as caught:
        store.model(tmp_path, "teeth")
    assert caught.value.code == "model.invalid"


def test_every_file_that_is_read_must_have_been_added(tmp_path):
    record(tmp_path, "teeth", files={})
    model = store.model(tmp_path, "teeth")
    with pytest.raises(PipelineError, match=r"stage_1/plans\.json was not added with it"):
        check_files(tmp_path / "teeth", model, model.stages)


@posix
@pytest.mark.parametrize("which", ["model.json", "."])
@pytest.mark.parametrize("mode", [0o020, 0o002])
def test_a_record_that_others_may_write_is_not_used(tmp_path, which, mode, monkeypatch):
    monkeypatch.setattr(ownership, "_private", lambda _: False)
    path = record(tmp_path, "teeth") / which
    path.chmod(path.stat().st_mode & ~0o022)
    assert store.model(tmp_path, "teeth").trusted
    path.chmod(path.stat().st_mode | mode)
    with pytest.raises(PipelineError, match="can be written by") as caught:
        store.model(tmp_path, "teeth")
    assert caught.value.code == "model.invalid" and caught.value.hint
    assert len(store.broken(tmp_path)) == 1


@posix
def test_a_record_of_another_user_is_not_used(tmp_path, monkeypatch):
    folder = record(tmp_path, "teeth")
    if os.geteuid() == 0:
        os.chown(folder / "model.json", 4711, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 4711)
    with pytest.raises(PipelineError, match="belongs to another user"):
        store.model(tmp_path, "teeth")


def test_other_names_codes_or_colours_change_the_hash():
    def of(one: ModelClass) -> str:
        return adding._hash({"stage_1/plans.json": "a"}, [], (one,), ())

    first = of(ModelClass(1, "liver", (1,)))
    assert first == of(ModelClass(1, "liver", (1,)))
    assert (
        len({first, of(ModelClass(1, "Hepar", (1,))), of(ModelClass(1, "liver", (1,), (1.0, 0.0, 0.0)))}) == 3
    )


def test_a_replacement_that_a_crash_cut_off_leaves_the_old_model(tmp_path):
    record(tmp_path, "teeth", title="Old")
    os.rename(tmp_path / "teeth", tmp_path / ".old-teeth")  # then the power failed
    (tmp_path / ".part-1234").mkdir()
    assert [one.title for one in store.models(tmp_path)] == ["Old"]
    os.rename(record(tmp_path / "more", "jaw"), tmp_path / ".old-teeth")  # and now just after the second
    store.remove(tmp_path, "teeth")
    assert not (tmp_path / "teeth").exists() and not (tmp_path / ".old-teeth").exists()


def test_nothing_is_removed_while_a_model_is_added(tmp_path):
    record(tmp_path, "teeth")
    with adding.hold(tmp_path / ".lock"), pytest.raises(PipelineError) as caught:
        store.remove(tmp_path, "teeth")
    assert caught.value.code == "environment.locked" and store.model(tmp_path, "teeth")
    store.remove(tmp_path, "teeth")
    assert store.models(tmp_path) == []


def test_a_stage_costs_the_voxels_at_its_own_spacing(tmp_path):
    folder = record(tmp_path, "teeth")
    document = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    low, full = document["stages"][0], dict(document["stages"][0])
    low.update(configuration="3d_lowres")
    full.update(configuration="3d_cascade_fullres", folder="stage_2")
    document["stages"] = [low, full]
    (folder / "model.json").write_text(json.dumps(document), encoding="utf-8")
    fine = {"spacing": [1, 1, 1], "patch_size": [16, 16, 16]}
    plans = {
        "configurations": {
            "3d_fullres": fine,
            "3d_lowres": {"inherits_from": "3d_fullres", "spacing": [2, 2, 2]},
            "3d_cascade_fullres": {"inherits_from": "3d_fullres", "previous_stage": "3d_lowres"},
        }
    }
    for name in ("stage_1", "stage_2"):
        (folder / name).mkdir()
        (folder / name / "plans.json").write_text(json.dumps(plans), encoding="utf-8")
    grid = phantom.torso(shape=(60, 50, 30), spacing=(2.0, 2.0, 2.0)).volume.grid
    model = store.model(tmp_path, "teeth")
    assert costs(folder, Run(model, "fast"), grid) == pytest.approx([90_000.0, 720_000.0])
    assert costs(folder, Run(model, "normal"), grid) == pytest.approx([180_000.0, 1_440_000.0])
    (folder / "stage_2" / "plans.json").unlink()
    assert costs(folder, Run(model, "fast"), grid)[1] == 1.0
