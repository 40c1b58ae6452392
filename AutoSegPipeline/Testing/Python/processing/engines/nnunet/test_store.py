"""Models are added completely or not at all, and nothing in them runs."""

from __future__ import annotations

import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.processing.engines.nnunet import store
from AutoSegPipelineLib.processing.engines.nnunet.record import Model
from support import tiny_models
from support.own_models import Models, ask_in_process
from support.tiny_totalsegmentator import PYTHON, needs_package

pytestmark = needs_package


def dataset(results: Path, name: str) -> Path:
    return results / tiny_models.BY_NAME[name].dataset


def network(results: Path, name: str) -> Path:
    return next(dataset(results, name).glob("nnUNetTrainer__*"))


def refused(ask_models: Models, place: Path, **fields: object) -> PipelineError:
    with pytest.raises(PipelineError) as caught:
        ask_models("add", place, **fields)
    left = [path.name for path in place.iterdir() if path.name != ".lock"] if place.exists() else []
    assert left == [], "something was added"
    return caught.value


def test_a_model_says_what_it_is(ask_models, results, tmp_path):
    (dataset(results, "cascade") / "LICENSE.txt").write_text("Only for research.\n", encoding="utf-8")
    ask_models("add", tmp_path / "models", source=dataset(results, "cascade"), by="ann")
    model = store.model(tmp_path / "models", "Cascade")
    assert (model.name, model.modality, model.channels) == ("cascade", "CT", ("CT",))
    assert [one.name for one in model.classes] == ["liver", "left kidney"]
    assert [(one.configuration, one.folds) for one in model.stages] == [
        ("3d_lowres", ("0", "1")), ("3d_cascade_fullres", ("0", "1")),
    ]  # fmt: skip
    assert model.licence == "Only for research."
    assert model.source == str(dataset(results, "cascade"))
    assert (model.added_by, model.trusted, len(model.weights_sha256)) == ("ann", False, 64)
    assert model.bytes > 10_000
    assert Model.from_dict(json.loads(json.dumps(model.to_dict())), tmp_path) == model


def test_a_zip_is_the_same_model_as_its_folder(ask_models, results, tmp_path):
    zipped = tiny_models.as_zip(dataset(results, "regions"), tmp_path / "regions.zip")
    ask_models("add", tmp_path / "a", source=zipped)
    ask_models("add", tmp_path / "b", source=network(results, "regions"), name="gliom")
    one, other = store.model(tmp_path / "a", "regions"), store.model(tmp_path / "b", "gliom")
    assert one.weights_sha256 == other.weights_sha256
    assert one.modality == "MR"
    assert [(c.name, c.value, c.labels) for c in one.classes] == [
        ("whole_tumor", 1, (1, 2, 3)), ("tumor_core", 2, (2, 3)), ("enhancing_tumor", 3, (3,)),
    ]  # fmt: skip


def test_a_table_names_the_structures(ask_models, results, tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("value,name,color\n1,Hepar,#ff0000\n", encoding="utf-8")
    ask_models("add", tmp_path / "models", source=dataset(results, "fullres"), labels=table)
    classes = store.model(tmp_path / "models", "fullres").classes
    assert [(one.name, one.colour) for one in classes] == [("Hepar", (1.0, 0.0, 0.0)), ("left kidney", None)]
    table.write_text("value,name\n7,Nobody\n", encoding="utf-8")
    wrong = refused(ask_models, tmp_path / "none", source=dataset(results, "fullres"), labels=table)
    assert wrong.code == "export.bad_table" and "7" in wrong.message


def test_folds_and_checkpoint_are_chosen_as_in_nnunet(ask_models, results, tmp_path):
    place = tmp_path / "models"
    ask_models("add", place, source=dataset(results, "ensemble"), folds=["2", "0"])
    assert store.model(place, "ensemble").stages[0].folds == ("2", "0")
    ask_models("add", place, source=dataset(results, "turned"))
    stage = store.model(place, "turned").stages[0]
    assert (stage.folds, stage.checkpoint) == (("all",), "checkpoint_best.pth")
    with pytest.raises(PipelineError, match="has no fold 4"):
        ask_models("add", place, source=dataset(results, "ensemble"), name="more", folds=["4"])
    with pytest.raises(PipelineError, match="has no checkpoint_final"):
        ask_models(
            "add", place, source=dataset(results, "turned"), name="t", checkpoint="checkpoint_final.pth"
        )


def test_two_networks_of_one_configuration_are_not_mixed_up(ask_models, results, tmp_path):
    source = tmp_path / "Dataset503_Fullres"
    shutil.copytree(dataset(results, "fullres"), source)
    shutil.copytree(network(results, "fullres"), source / "nnUNetTrainerNoMirroring__nnUNetPlans__3d_fullres")
    error = refused(ask_models, tmp_path / "models", source=source)
    assert error.code == "model.invalid" and "nnUNetTrainerNoMirroring" in error.message


def test_the_command_of_the_workers_python_answers_in_one_line(results, tmp_path):
    model = ask_in_process("add", tmp_path / "models", source=dataset(results, "fullres"))["model"]
    assert model["name"] == "fullres"
    with pytest.raises(PipelineError) as caught:
        ask_in_process("show", tmp_path / "models", name="fulres")
    assert caught.value.code == "model.unknown" and "did you mean 'fullres'" in caught.value.message


def test_a_name_is_taken_once(ask_models, results, tmp_path):
    place = tmp_path / "models"
    ask_models("add", place, source=dataset(results, "fullres"))
    first = store.model(place, "fullres")
    with pytest.raises(PipelineError) as caught:
        ask_models("add", place, source=dataset(results, "lowres"), name="fullres")
    assert caught.value.code == "model.exists" and store.model(place, "fullres") == first
    ask_models("add", place, source=dataset(results, "lowres"), name="fullres", replace=True)
    assert store.model(place, "fullres").configuration == "3d_lowres"
    assert sorted(path.name for path in place.iterdir()) == [".lock", "fullres"]
    ask_models("remove", place, name="fullres")
    assert ask_models("list", place)["models"] == [] and not (place / "fullres").exists()
    with pytest.raises(PipelineError) as caught:
        ask_models("show", place, name="fullres")
    assert caught.value.code == "model.unknown"


def evil(folder: Path, mark: Path) -> None:
    """Put a call into the checkpoint, as anybody could who hands out weights."""
    script = (
        "import os, sys, torch\n"
        "class Call:\n"
        "    def __reduce__(self):\n"
        "        return (os.system, (sys.argv[2],))\n"
        "found = torch.load(sys.argv[1], weights_only=False)\n"
        "found['logging']['more'] = Call()\n"
        "torch.save(found, sys.argv[1])\n"
    )
    path = next(folder.rglob("checkpoint_*.pth"))
    subprocess.run([PYTHON, "-c", script, str(path), f'echo > "{mark}"'], check=True, timeout=60)


def test_a_checkpoint_that_would_run_a_program_does_not(ask_models, results, tmp_path):
    mark = tmp_path / "it-ran"
    shutil.copytree(network(results, "fullres"), tmp_path / "nnUNetTrainer__nnUNetPlans__3d_fullres")
    source = tmp_path / "nnUNetTrainer__nnUNetPlans__3d_fullres"
    evil(source, mark)
    error = refused(ask_models, tmp_path / "models", source=source, name="evil")
    assert error.code == "engine.checkpoint_unsafe" and "system" in error.message
    assert not mark.exists()
    # The administrator may trust it, and then it does run: that it can is what the refusal is about.
    ask_models("add", tmp_path / "models", source=source, name="evil", trust=True)
    assert mark.exists() and store.model(tmp_path / "models", "evil").trusted


def test_trust_is_for_the_files_that_were_added(ask_models, results, tmp_path):
    place = tmp_path / "models"
    ask_models("add", place, source=dataset(results, "fullres"), trust=True)
    assert ask_models("check", place, name="fullres")["model"]["trusted"]
    mark = tmp_path / "it-ran"
    evil(place / "fullres", mark)
    with pytest.raises(PipelineError, match="is not the file that was added"):
        ask_models("check", place, name="fullres")
    assert not mark.exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("nonlin", "torch.nn.modules.module.os.system"),
        ("nonlin", "os.system"),
        ("norm_op", "torch.nn.modules.module.functools.partial"),
    ],
)
def test_plans_name_layers_only(ask_models, results, tmp_path, key, value):
    source = tmp_path / "nnUNetTrainer__nnUNetPlans__3d_fullres"
    shutil.copytree(network(results, "fullres"), source)
    plans = json.loads((source / "plans.json").read_text(encoding="utf-8"))
    kwargs = plans["configurations"]["3d_fullres"]["architecture"]["arch_kwargs"]
    kwargs[key], kwargs[key + "_kwargs"] = value, {"command": f"echo > {tmp_path / 'ran'}"}
    (source / "plans.json").write_text(json.dumps(plans), encoding="utf-8")
    error = refused(ask_models, tmp_path / "models", source=source)
    assert error.code == "model.unsupported" and value in error.message
    assert not (tmp_path / "ran").exists()


def test_what_cannot_run_is_refused_by_name(ask_models, results, tmp_path):
    old = tmp_path / "nnUNetTrainerV2__nnUNetPlansv2.1" / "fold_0"
    old.mkdir(parents=True)
    (old / "model_final_checkpoint.model").write_bytes(b"x")
    error = refused(ask_models, tmp_path / "models", source=old.parent)
    assert error.code == "model.unsupported" and "version 1" in error.message and error.hint

    source = tmp_path / "mine"
    shutil.copytree(network(results, "fullres"), source)
    script = (
        "import sys, torch\n"
        "found = torch.load(sys.argv[1], weights_only=False)\n"
        "found['trainer_name'] = 'nnUNetTrainerOfMine'\n"
        "torch.save(found, sys.argv[1])\n"
    )
    path = source / "fold_0" / "checkpoint_final.pth"
    subprocess.run([PYTHON, "-c", script, str(path)], check=True, timeout=60)
    error = refused(ask_models, tmp_path / "models", source=source, name="mine")
    assert error.code == "model.unsupported" and "nnUNetTrainerOfMine" in error.message, error
    assert "--trainer nnUNetTrainer" in str(error.hint)
    ask_models("add", tmp_path / "ok", source=source, name="mine", trainer="nnUNetTrainer")
    assert store.model(tmp_path / "ok", "mine").stages[0].trainer == "nnUNetTrainer"


def test_a_cascade_needs_the_stage_before(ask_models, results, tmp_path):
    last = next(dataset(results, "cascade").glob("*__3d_cascade_fullres"))
    error = refused(ask_models, tmp_path / "models", source=last)
    assert error.code == "model.invalid" and "needs 3d_lowres" in error.message
    ask_models("add", tmp_path / "low", source=dataset(results, "cascade"), configuration="3d_lowres")
    assert len(store.model(tmp_path / "low", "cascade").stages) == 1


def test_what_is_damaged_is_not_added(ask_models, results, tmp_path):
    source = tmp_path / "nnUNetTrainer__nnUNetPlans__3d_fullres"
    shutil.copytree(network(results, "fullres"), source)
    path = source / "fold_0" / "checkpoint_final.pth"
    path.write_bytes(path.read_bytes()[:-1000])
    error = refused(ask_models, tmp_path / "models", source=source)
    assert error.code == "model.invalid" and "fold_0/checkpoint_final.pth" in error.message
    with zipfile.ZipFile(tmp_path / "out.zip", "w") as archive:
        archive.writestr("../fold_0/checkpoint_final.pth", b"x")
    error = refused(ask_models, tmp_path / "models", source=tmp_path / "out.zip")
    assert error.code == "model.invalid" and "is not safe" in error.message


def test_postprocessing_is_read_without_running_it(ask_models, results, tmp_path):
    source = tmp_path / "nnUNetTrainer__nnUNetPlans__3d_fullres"
    shutil.copytree(network(results, "ensemble"), source)
    folder = source / "crossval_results_folds_0_1_2"
    folder.mkdir()
    script = (
        "import sys, pickle, numpy as np\n"
        "from nnunetv2.postprocessing.remove_connected_components import "
        "remove_all_but_largest_component_from_segmentation as keep\n"
        "rules = ([keep, keep], [{'labels_or_regions': [np.int64(1), np.int64(2)]}, "
        "{'labels_or_regions': (1, 2)}])\n"
        "pickle.dump(rules, open(sys.argv[1], 'wb'))\n"
    )
    subprocess.run([PYTHON, "-c", script, str(folder / "postprocessing.pkl")], check=True, timeout=60)
    ask_models("add", tmp_path / "models", source=source)
    assert store.model(tmp_path / "models", "ensemble").keep_largest == (((1, 2), 0), ((1, 2), 0))
    # Other folds than those that it was found for have none.
    ask_models("add", tmp_path / "models", source=source, name="one", folds=["0"])
    assert store.model(tmp_path / "models", "one").keep_largest == ()
    bad = b"cposix\nsystem\n(S'echo > " + str(tmp_path / "ran").encode() + b"'\ntR."
    (folder / "postprocessing.pkl").write_bytes(bad)
    error = refused(ask_models, tmp_path / "none", source=source)
    assert error.code == "model.invalid" and "posix.system" in error.message
    assert not (tmp_path / "ran").exists()
