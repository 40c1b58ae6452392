"""The DICOM series of one study are one case for a model whose patterns find its channels among them."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK
from AutoSegPipelineLib.core.pacs.source_series import FILE, SERIES
from support.intake import field_slices
from support.intake import look as look_at_folder

AXIAL = (1, 0, 0, 0, 1, 0)
WANTED = {"engine": "nnunet:glioma", "min_slices": 8}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A model that takes two series, and one without patterns."""
    for name, patterns in (("glioma", ["T1*", "*flair*"]), ("old", [])):
        (tmp_path / "models" / name).mkdir(parents=True)
        record = {"name": name, "channels": ["T1", "FLAIR"], "patterns": patterns}
        (tmp_path / "models" / name / "model.json").write_text(json.dumps(record), encoding="utf-8")
    return tmp_path / "models"


def series(folder: Path, number: int, description: str, shift: float = 0.0, **tags: Any) -> None:
    places = [np.array((-40 + shift, -38, 10 + 3 * k)) for k in range(12)]
    field_slices(
        folder / f"s{number}", places, AXIAL, SeriesNumber=number, SeriesDescription=description,
        FrameOfReferenceUID="1.2.3.99", **tags,
    )  # fmt: skip


def look(folder: Path, models: Path, **options: object) -> dict[str, Any]:
    wanted = {**WANTED, **options}
    return look_at_folder(
        folder, folder.parent / f"{folder.name}.work", options=wanted, models=str(models), caller=wanted
    )


def refusal(answer: dict[str, Any]) -> dict[str, Any]:
    assert answer["cases"] == []
    (found,) = answer["refusals"]
    assert found["error"]["hint"]
    return dict(found)


def test_series_whose_descriptions_match_are_one_case_and_others_are_passed_by(tmp_path, models):
    folder = tmp_path / "in"
    series(folder, 1, "Localizer")
    series(folder, 2, "ax FLAIR", RescaleSlope=2)
    series(folder, 3, "T1 mprage")
    alone = look(folder, models, engine="tissue")
    assert len(alone["cases"]) == 3
    answer = look(folder, models)
    assert answer["refusals"] == []
    (case,) = answer["cases"]
    assert "T1 mprage" in case["label"] and case["stem"] == alone["cases"][2]["stem"]
    assert len(case["files"]) == 36
    (channel,) = case["channels"]
    first = SimpleITK.ReadImage(case["path"])
    second = SimpleITK.ReadImage(str(Path(case["path"]).parent / channel))
    values = SimpleITK.GetArrayFromImage(first).astype(int), SimpleITK.GetArrayFromImage(second).astype(int)
    assert np.array_equal(2 * (values[0] + 1024) - 1024, values[1])  # the series 2 is the second channel
    (warning,) = [one for one in case["warnings"] if one["code"] == "input.passed_by"]
    assert "Localizer" in warning["message"] and "FLAIR" not in warning["message"]


def test_the_kept_headers_are_of_the_joined_case_and_its_first_series(tmp_path, models):
    series(tmp_path / "in", 1, "T1")
    series(tmp_path / "in", 2, "FLAIR")
    (case,) = look(tmp_path / "in", models)["cases"]
    with zipfile.ZipFile(Path(case["path"]).parent / FILE) as archive:
        kept = json.loads(archive.read(SERIES))
    assert (kept["content"], kept["series_uid"]) == (case["sha256"], "1.2.3.1")


def test_each_study_of_an_archive_is_a_case_of_its_own(tmp_path, models):
    for study, first in (("1.2.3", 1), ("1.2.4", 3)):
        series(tmp_path / "made", first, "T1", StudyInstanceUID=study)
        series(tmp_path / "made", first + 1, "FLAIR", StudyInstanceUID=study)
    (tmp_path / "in").mkdir()
    with zipfile.ZipFile(tmp_path / "in" / "both.zip", "w") as archive:
        for path in sorted((tmp_path / "made").rglob("S*")):
            archive.write(path, path.relative_to(tmp_path / "made"))
    answer = look(tmp_path / "in", models)
    assert answer["refusals"] == [] and [len(case["channels"]) for case in answer["cases"]] == [1, 1]
    assert len({case["sha256"] for case in answer["cases"]}) == 2


def test_channels_of_two_patients_or_studies_are_never_joined(tmp_path, models):
    for name, tags in (("patient", {"PatientID": "P2"}), ("study", {"StudyInstanceUID": "1.2.4"})):
        series(tmp_path / name, 1, "T1")
        series(tmp_path / name, 2, "FLAIR", **tags)
        answer = look(tmp_path / name, models)
        assert answer["cases"] == []
        assert {row["error"]["code"] for row in answer["refusals"]} == {"input.channel_missing"}


def test_a_missing_channel_is_named_with_its_pattern_and_what_is_there(tmp_path, models):
    series(tmp_path / "in", 1, "T1")
    series(tmp_path / "in", 2, "T2 tse")
    found = refusal(look(tmp_path / "in", models))
    assert found["error"]["code"] == "input.channel_missing" and len(found["files"]) == 24
    assert "0001 (FLAIR: *flair*) is missing" in found["error"]["message"]
    assert "T2 tse" in found["error"]["message"] and "0000" not in found["error"]["message"]


@pytest.mark.parametrize(
    ("descriptions", "named"),
    [(("T1", "T1 post", "FLAIR"), "0000 (T1: T1*)"), (("T1 FLAIR", "T1"), "0001 (FLAIR: *flair*)")],
)
def test_what_cannot_be_decided_is_refused_and_named(tmp_path, models, descriptions, named):
    for number, description in enumerate(descriptions, 1):
        series(tmp_path / "in", number, description)
    error = refusal(look(tmp_path / "in", models))["error"]
    assert error["code"] == "input.channel_ambiguous" and named in error["message"]
    assert descriptions[0] in error["message"]


def test_series_of_different_grids_are_refused_with_both_grids(tmp_path, models):
    series(tmp_path / "in", 1, "T1")
    series(tmp_path / "in", 2, "FLAIR", shift=0.5)
    error = refusal(look(tmp_path / "in", models))["error"]
    assert error["code"] == "input.channels_differ" and "register" in error["hint"]
    assert error["message"].count("40 x 40 x 12 voxels of 2 x 2 x 3 mm from") == 2


def test_a_model_without_patterns_leaves_series_alone(tmp_path, models):
    series(tmp_path / "in", 1, "T1")
    series(tmp_path / "in", 2, "FLAIR")
    answer = look(tmp_path / "in", models, engine="nnunet:old")
    assert [case["channels"] for case in answer["cases"]] == [[], []]
