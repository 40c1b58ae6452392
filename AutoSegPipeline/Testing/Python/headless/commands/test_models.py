"""`autoseg models`: your own models are added, shown, checked and removed; a running pipeline knows of it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from support import tiny_models
from support.headless import autoseg
from support.model_record import SHA, record
from support.tiny_totalsegmentator import PYTHON, QUIET, needs_package


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "models"


def models(place: Path, *arguments: object, code: int = 0) -> str:
    """What the command says on both streams."""
    done = autoseg(
        "--home", place.parent / "home", "models", *arguments, env={"AUTOSEG_MODELS_DIR": str(place)}
    )
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def test_the_list_and_one_model_say_what_is_known(place: Path) -> None:
    assert "No model was added yet" in models(place, "list")
    record(place, "teeth")
    listed = models(place, "list")
    assert "teeth" in listed and "Lower teeth" in listed and "2.5 MB" in listed and "yes" in listed
    shown = models(place, "show", "Teeth")
    for text in ("2d (folds 0, 2)", "1 tooth", "by anna", "may run code", SHA, "CC BY 4.0"):
        assert text in shown
    assert json.loads(models(place, "show", "teeth", "--json"))["weights_sha256"] == SHA
    assert "DICOM series" not in shown
    record(place, "glioma", channels=["T1", "FLAIR"], patterns=["T1*", "*FLAIR*"])
    assert "DICOM series: T1 is T1*, FLAIR is *FLAIR*" in models(place, "show", "glioma")
    assert "did you mean 'teeth'" in models(place, "show", "teth", code=1)
    (place / "teeth" / "model.json").write_text("{", encoding="utf-8")
    assert "cannot be read" in models(place, "list", code=1)


def test_a_model_is_removed_with_its_files_and_stands_in_the_audit_log(place: Path) -> None:
    folder = record(place, "teeth")
    (place.parent / "home" / "state").mkdir(parents=True)
    assert "Remove the model teeth" in models(place, "remove", "teeth", code=130) and folder.exists()
    assert "teeth: removed" in models(place, "remove", "teeth", "--yes")
    assert not folder.exists()
    assert "there is no model 'teeth'" in models(place, "remove", "teeth", "--yes", code=1)
    done = autoseg("--home", place.parent / "home", "audit", "--json")
    (line,) = json.loads(done.stdout)["lines"]
    assert (line["what"], line["detail"], line["via"]) == ("model.remove", "teeth", "command")


def test_a_source_that_is_not_there_adds_nothing_and_makes_no_home(place: Path) -> None:
    models(place, "add", place / "nothing.zip", "--trust", code=1)
    assert list(place.parent.iterdir()) == []


def test_trust_stands_in_the_audit_log_before_anything_is_loaded(place: Path) -> None:
    source = place.parent / "odd.zip"
    source.write_bytes(b"no archive")
    models(place, "add", source, "--name", "odd", "--trust", code=1)
    models(place, "add", source, "--trust", code=1)
    models(place, "add", source, code=1)
    done = autoseg("--home", place.parent / "home", "audit", "--json")
    details = [line["detail"] for line in json.loads(done.stdout)["lines"]]
    assert sorted(details) == ["odd, trusted", "odd.zip, trusted"]


@needs_package
def test_a_trained_model_is_added_checked_and_trusted_only_by_word(place: Path) -> None:
    results = place.parent / "results"
    subprocess.run(
        [PYTHON, tiny_models.__file__, str(results)], check=True, env={**os.environ, **QUIET}, timeout=120
    )
    python = ("--worker-python", PYTHON)
    table = place.parent / "names.csv"
    table.write_text("value,name\n1,lower tooth\n2,upper tooth\n", encoding="utf-8")
    source = results / "Dataset503_Fullres"
    said = models(place, "add", source, "--name", "teeth", "--labels", table, *python)
    assert "teeth: added" in said and "--engine nnunet:teeth" in said
    assert not (place.parent / "home").exists()
    assert "model.exists" in models(place, "add", source, "--name", "teeth", *python, code=1)
    found = json.loads(models(place, "show", "teeth", "--json"))
    assert [one["name"] for one in found["classes"]] == ["lower tooth", "upper tooth"]
    assert not found["trusted"]
    assert "teeth: ok, 2 structures" in models(place, "check", *python)
    (weights,) = (place / "teeth").glob("*/fold_0/*.pth")
    weights.write_bytes(weights.read_bytes() + b"x")
    assert "teeth: " in models(place, "check", "teeth", *python, code=1)
    models(place, "add", source, "--name", "other", "--trust", *python)
    done = autoseg("--home", place.parent / "home", "audit", "--json")
    assert [line["detail"] for line in json.loads(done.stdout)["lines"]] == ["other, trusted"]
    both = ("add", results / "Dataset506_Channels", "--name", "glioma", *python, "--channel", "T1*")
    assert "takes one image (CT)" in models(place, "add", source, "--channel", "T1*", *python, code=1)
    assert "1 pattern for 2 channels (T1, T2)" in models(place, *both, code=1)
    models(place, *both, "--channel", "*T2*")
    assert json.loads(models(place, "show", "glioma", "--json"))["patterns"] == ["T1*", "*T2*"]
