"""Voxel for voxel what nnU-Net predicts, for a model of every kind, by a real worker."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Iterator

import numpy as np
import pytest
from AutoSegPipelineLib.processing.engines.nnunet import store
from scipy import ndimage
from support import own_model_cases as cases
from support import tiny_models
from support.own_models import Models
from support.tiny_totalsegmentator import PYTHON, QUIET, logs, needs_package, result_of
from support.worker_process import Worker

pytestmark = needs_package
QUICK = ("ensemble:fast", "fullres:fastest")


@pytest.fixture(scope="module")
def folders(results, tmp_path_factory) -> tuple[Path, Path, Path]:
    """Models that were added, inputs, and what nnU-Net made of them."""
    folder = tmp_path_factory.mktemp("parity")
    for kind in tiny_models.KINDS:
        cases.write_inputs(folder / "in" / kind.name, kind)
    words = [kind.name for kind in tiny_models.KINDS]
    cases.reference(results, folder / "in", folder / "out", *words, *QUICK)
    ask = Models()
    for kind in tiny_models.KINDS:
        ask("add", folder / "models", source=results / kind.dataset)
    ask.close()
    return folder / "models", folder / "in", folder / "out"


@pytest.fixture(scope="module")
def worker(folders) -> Iterator[Worker]:
    """One worker for all tests."""
    there = cases.model_worker(folders[0])
    yield there
    there.send(type="quit")
    assert there.process.wait(30) == 0
    there.close()


def inputs_of(folders: tuple[Path, Path, Path], name: str) -> list[Path]:
    return sorted((folders[1] / name).iterdir())


def theirs(folders: tuple[Path, Path, Path], name: str, quick: str = "") -> np.ndarray:
    kind = tiny_models.BY_NAME[name]
    place = folders[2] / (name + ("-" + quick if quick else "")) / kind.configurations[-1]
    return cases.label_map(place / f"case{kind.ending}")


@pytest.mark.parametrize("name", [kind.name for kind in tiny_models.KINDS])
def test_labels_are_those_of_nnunet(worker, folders, tmp_path, name):
    result = result_of(cases.ask_case(worker, name, inputs_of(folders, name), tmp_path))
    assert result["engine"] == "nnunet"
    wanted, found = theirs(folders, name), cases.flat(tmp_path)
    assert np.array_equal(found, wanted), f"{np.mean(found != wanted):.2%} of the voxels differ"
    (model,) = [one for one in store.models(folders[0]) if one.name == name]
    counts = [np.count_nonzero(wanted == one.value) for one in model.classes]
    assert min(counts) > 200, f"there is too little in it to compare: {counts}"


@pytest.mark.parametrize("word", QUICK)
def test_a_lower_quality_is_as_it_says(worker, folders, tmp_path, word):
    name, _, quick = word.partition(":")
    result_of(cases.ask_case(worker, word, inputs_of(folders, name), tmp_path))
    assert np.array_equal(cases.flat(tmp_path), theirs(folders, name, quick))
    assert not np.array_equal(theirs(folders, name, quick), theirs(folders, name))


def test_postprocessing_keeps_the_largest_part_of_a_structure(results, folders, tmp_path):
    kind = tiny_models.BY_NAME["ensemble"]
    shutil.copytree(results / kind.dataset, tmp_path / kind.dataset)
    (network,) = (tmp_path / kind.dataset).iterdir()
    rules = {
        "postprocessing_fns": ["remove_all_but_largest_component_from_segmentation"],
        "postprocessing_kwargs": [{"labels_or_regions": 1}],
    }
    (network / "crossval_results_folds_0_1_2").mkdir()
    file = network / "crossval_results_folds_0_1_2" / "postprocessing.json"
    file.write_text(json.dumps(rules), encoding="ascii")
    ask = Models()
    ask("add", tmp_path / "models", source=tmp_path / kind.dataset)
    ask.close()
    there = cases.model_worker(tmp_path / "models")
    result_of(cases.ask_case(there, "ensemble", inputs_of(folders, "ensemble"), tmp_path / "case"))
    there.close()
    wanted = theirs(folders, "ensemble")
    parts, count = ndimage.label(wanted == 1, np.ones((3, 3, 3)))
    largest = np.bincount(parts.reshape(-1))[1:].argmax() + 1
    wanted[(wanted == 1) & (parts != largest)] = 0
    assert count > 1 and np.array_equal(cases.flat(tmp_path / "case"), wanted)


def test_the_command_of_nnunet_says_the_same(results, folders, tmp_path):
    kind = tiny_models.BY_NAME["fullres"]
    program = "from nnunetv2.inference.predict_from_raw_data import predict_entry_point as p; p()"
    variables = {
        "nnUNet_results": str(results), "nnUNet_raw": str(tmp_path), "nnUNet_preprocessed": str(tmp_path),
    }  # fmt: skip
    subprocess.run(
        [PYTHON, "-c", program, "-d", str(kind.number), "-c", "3d_fullres", "-f", "0", "-device", "cpu",
         "-npp", "1", "-nps", "1", "-i", str(folders[1] / "fullres"), "-o", str(tmp_path / "out")],
        check=True, capture_output=True, timeout=240, env={**os.environ, **QUIET, **variables},
    )  # fmt: skip
    assert np.array_equal(cases.label_map(tmp_path / "out" / "case.nii.gz"), theirs(folders, "fullres"))


def test_a_channel_that_is_missing_is_named(worker, folders, tmp_path):
    seen = cases.ask_case(worker, "channels", inputs_of(folders, "channels")[:1], tmp_path)
    assert seen[-1]["error"]["code"] == "engine.channel_missing"
    assert "T2 is missing" in seen[-1]["error"]["message"]
    first, _ = inputs_of(folders, "channels")
    other, _ = inputs_of(folders, "regions")
    seen = cases.ask_case(worker, "channels", [first, other], tmp_path)
    assert seen[-1]["error"]["code"] == "engine.channels_differ"


def test_a_model_stays_loaded(worker, folders, tmp_path):
    seen = []
    for number in range(3):
        paths = cases.write_inputs(tmp_path / f"in{number}", tiny_models.BY_NAME["lowres"], seed=number + 7)
        found = cases.ask_case(worker, "lowres", paths, tmp_path / str(number))
        result_of(found)
        seen.append(logs(found).count("loaded lowres"))
    assert seen[1:] == [0, 0]
