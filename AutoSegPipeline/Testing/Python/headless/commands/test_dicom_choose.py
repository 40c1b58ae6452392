"""The command line says why series were left out, and takes identities out of files and back in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pydicom
import pytest
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.pacs.config import Entry
from AutoSegPipelineLib.core.pacs.store import PacsStore
from AutoSegPipelineLib.dicom.choose.decide import decide
from AutoSegPipelineLib.processing.phantom import spheres, write_dicom_series
from support.headless import autoseg

RULES = [
    {"name": "thin", "when": {"description": "THORAX*", "thickness": {"at_most": 2}}, "best": 1},
]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    volume = spheres(shape=(12, 12, 9), spacing=(8.0, 8.0, 2.0)).volume
    who = {"PatientName": "Mustermann^Erika", "PatientID": "KIS-4711"}
    write_dicom_series(volume, folder / "2", SeriesNumber=2, SeriesDescription="THORAX 5.0",
                       SliceThickness="5", **who)  # fmt: skip
    write_dicom_series(volume, folder / "3", SeriesNumber=3, SeriesDescription="THORAX 2.0",
                       SliceThickness="2", **who)  # fmt: skip
    write_dicom_series(volume, folder / "1", SeriesNumber=1, SeriesDescription="Topogram",
                       ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], **who)  # fmt: skip
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    root = tmp_path / "home"
    Home.at(root).create()
    entry = {"title": "THIN", "unit": "study", "choose": RULES}
    (root / "dicom.json").write_text(json.dumps({"entries": [entry]}))
    return root


def document(*arguments: Any) -> Any:
    done = autoseg("dicom", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_folder_is_judged_by_the_rules_of_an_entry(home: Path, study: Path) -> None:
    found = document("explain", study, "--entry", "THIN", "--home", home)["series"]
    assert [(one["series"]["number"], one["taken"]) for one in found] == [(1, False), (2, False), (3, True)]
    assert "localizer" in found[0]["reason"]
    assert "thickness 5 mm is above 2 mm" in found[1]["reason"]
    shown = autoseg("dicom", "explain", study, "--entry", "THIN", "--home", home, env={"COLUMNS": "200"})
    assert "1 of 3 series are taken" in shown.stdout
    assert "thickness 5 mm is above 2 mm" in shown.stdout
    assert "Mustermann" not in shown.stdout


def test_an_entry_that_is_not_there_is_named_with_those_that_are(home: Path, study: Path) -> None:
    done = autoseg("dicom", "explain", study, "--entry", "THICK", "--home", home)
    assert done.returncode != 0
    assert "known: THIN" in done.stderr


def test_what_was_decided_is_shown_by_study_and_again_by_the_rules_of_now(home: Path, study: Path) -> None:
    store = PacsStore.of(Home.at(home))
    verdicts = decide(store, Entry("THIN", unit="study", choose=list(RULES)), map(str, study.rglob("*.dcm")))
    store.close()
    uid = verdicts[0].series.study
    assert [one["taken"] for one in document("explain", uid[:20], "--home", home)["series"]] == [
        False, False, True,
    ]  # fmt: skip
    (home / "dicom.json").write_text(json.dumps({"entries": [{"title": "THIN"}]}))
    again = document("explain", uid, "--now", "--home", home)["series"]
    assert [one["taken"] for one in again] == [False, True, True]
    left = document("explain", "--home", home)["left_out"]
    assert sorted(one["series"]["number"] for one in left) == [1, 2]
    listed = autoseg("list", "--home", home)
    assert "2 series were left out; `autoseg dicom explain` says why." in listed.stdout + listed.stderr


def test_nothing_is_known_of_a_study_that_never_came(home: Path) -> None:
    done = autoseg("dicom", "explain", "1.2.3", "--home", home)
    assert done.returncode != 0
    assert "1.2.3" in done.stderr
    assert "No series has been left out" in autoseg("dicom", "explain", "--home", home).stdout


def test_a_study_goes_out_without_its_patient_and_comes_back_with_him(
    home: Path, study: Path, tmp_path: Path
) -> None:
    out = document("deidentify", study, "-o", tmp_path / "out", "--home", home)
    assert (len(out["written"]), out["left"]) == (27, [])
    assert all(b"Mustermann" not in path.read_bytes() for path in (tmp_path / "out").rglob("*.dcm"))
    back = document("reidentify", tmp_path / "out", "-o", tmp_path / "back", "--home", home)
    assert len(back["written"]) == 27
    (line,) = json.loads(autoseg("audit", "--what", "dicom.", "--json", "--home", home).stdout)["lines"]
    assert (line["what"], line["detail"]) == ("dicom.reidentify", out["written"][0]["pseudonym"])
    original = {one.SOPInstanceUID: one for one in map(pydicom.dcmread, study.rglob("*.dcm"))}
    for path in (tmp_path / "back").rglob("*.dcm"):
        data = pydicom.dcmread(path)
        assert data.PatientName == "Mustermann^Erika"
        assert data.SeriesInstanceUID == original[data.SOPInstanceUID].SeriesInstanceUID
    other = autoseg("dicom", "reidentify", tmp_path / "out", "-o", tmp_path / "x", "--home", tmp_path / "h2")
    assert other.returncode == 1
    assert "no patient is known" in other.stdout
