"""NAME_0000 and NAME_0001 are one case for a model that takes two images, and two cases for any other."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from AutoSegPipelineLib.core.own_models import channel_of
from AutoSegPipelineLib.intake.received.client_input import CaseRequest
from AutoSegPipelineLib.intake.received.grouping import ReceivedFile, group
from support.intake import ct_array, nifti_bytes
from support.intake import look as look_at_folder


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Two models: one takes two channels, one takes a single image."""
    for name, channels in (("tumour", ["T1", "FLAIR"]), ("teeth", ["CT"])):
        (tmp_path / "models" / name).mkdir(parents=True)
        record = {"name": name, "channels": channels}
        (tmp_path / "models" / name / "model.json").write_text(json.dumps(record), encoding="utf-8")
    return tmp_path / "models"


def scan(number: int) -> bytes:
    return nifti_bytes(ct_array() + np.int16(number))


def look(folder: Path, models: Path, names: list[str], **options: object) -> dict[str, Any]:
    folder.mkdir()
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(scan(number))
    wanted = {"engine": "nnunet:tumour", **options}
    return look_at_folder(folder, folder.parent / "work", options=wanted, models=str(models), caller=wanted)


def test_channels_of_one_scan_are_one_case(tmp_path, models):
    answer = look(
        tmp_path / "input", models, ["p/a_0001.nii", "p/a_0000.nii", "p/b_0000.nii", "p/b_0001.nii"]
    )
    assert answer["refusals"] == []
    assert [(case["label"], case["stem"]) for case in answer["cases"]] == [
        ("p/a.nii", "p_a"),
        ("p/b.nii", "p_b"),
    ]
    case = answer["cases"][0]
    assert sorted(case["files"]) == ["p/a_0000.nii", "p/a_0001.nii"]
    assert Path(case["path"]).read_bytes() == scan(1)  # the channel 0000, whatever came first
    (channel,) = case["channels"]
    assert (Path(case["path"]).parent / channel).read_bytes() == scan(0)
    assert case["sha256"] != answer["cases"][1]["sha256"]


@pytest.mark.parametrize("options", [{"engine": "nnunet:teeth"}, {"engine": "tissue"}, {"engine": "auto"}])
def test_for_another_engine_numbered_files_are_scans_of_their_own(tmp_path, models, options):
    answer = look(tmp_path / "input", models, ["a_0000.nii", "a_0001.nii"], **options)
    assert [case["label"] for case in answer["cases"]] == ["a_0000.nii", "a_0001.nii"]
    assert all(case["channels"] == [] for case in answer["cases"])


def test_a_task_beside_the_scan_decides_too(tmp_path, models):
    folder = tmp_path / "input"
    folder.mkdir()
    (folder / "options.json").write_text('{"engine": "nnunet", "task": "tumour:fast"}', encoding="utf-8")
    for number in range(2):
        (folder / f"a_000{number}.nii").write_bytes(scan(number))
    answer = look_at_folder(
        folder, tmp_path / "work", options={"engine": "auto"}, models=str(models), caller={}
    )
    assert [case["label"] for case in answer["cases"]] == ["a.nii"]


def test_a_missing_channel_is_named(tmp_path, models):
    answer = look(tmp_path / "input", models, ["a_0001.nii", "b_0000.nii", "b_0001.nii"])
    assert [case["label"] for case in answer["cases"]] == ["b.nii"]
    (refusal,) = answer["refusals"]
    assert refusal["error"]["code"] == "input.channel_missing"
    assert "0000 (T1) is missing" in refusal["error"]["message"] and refusal["files"] == ["a_0001.nii"]


def test_channels_in_an_archive_are_one_case(tmp_path, models):
    (tmp_path / "input").mkdir()
    with zipfile.ZipFile(tmp_path / "input" / "both.zip", "w") as archive:
        for number in range(2):
            archive.writestr(f"a_000{number}.nii", scan(number))
    options = {"engine": "nnunet", "task": "tumour"}
    answer = look_at_folder(tmp_path / "input", tmp_path / "work", options=options, models=str(models))
    assert [(case["label"], len(case["channels"])) for case in answer["cases"]] == [("both.zip/a.nii", 1)]


def test_uploaded_channels_are_one_input(tmp_path):
    names = ["a_0000.nii.gz", "other.nii", "a_0001.nii.gz", "c_0000.nii.gz"]
    for name in names:
        (tmp_path / name).write_bytes(b"\x1f\x8b" + bytes(400))
    groups = group(tmp_path, [ReceivedFile(name, name, 402) for name in names], "scan")
    assert [[one.name for one, _ in found.files] for found in groups] == [
        ["a_0000.nii.gz", "a_0001.nii.gz"], ["other.nii"], ["c_0000.nii.gz"],
    ]  # fmt: skip
    intent = groups[0].intent("web", "ann", CaseRequest())
    assert intent.container and [item.original for item in intent.files] == ["a_0000.nii.gz", "a_0001.nii.gz"]


def test_only_four_digits_before_the_ending_are_a_channel():
    assert channel_of("p/a_0001.nii.gz") == ("p/a", 1, ".nii.gz")
    assert channel_of("a_0003.mha") == ("a", 3, ".mha")
    for name in ("a_001.nii", "a_00001.nii", "_0001.nii", "a_0001", "a_0131.nii.gz", "p/_0001.nii"):
        assert channel_of(name) is None, name
