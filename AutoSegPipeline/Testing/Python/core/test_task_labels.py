"""What ``--labels`` may be: a table, or a task of TotalSegmentator that is known without the package."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.task_labels import (
    is_task,
    labels_of,
    resolve_labels,
    structures_of,
    task_named,
)
from support import task_labels


def test_tasks_are_known_by_name_in_any_case():
    assert labels_of("total")[1] == "spleen" and labels_of("TOTAL_MR")[5] == "liver"
    assert len(labels_of("total")) == 117 and task_named(" Lung_Vessels ") == "lung_vessels"
    assert "liver" in structures_of("total") and "vertebrae_l5" in structures_of("total")
    assert task_named("nothing") == task_named("") == ""


def test_a_file_comes_before_a_task_of_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert resolve_labels("total") == "total" and is_task("total")
    (tmp_path / "total").write_text("1,x")
    assert resolve_labels("total") == str(tmp_path / "total") and not is_task(resolve_labels("total"))
    assert os.path.isabs(resolve_labels(tmp_path / "total")) and not is_task("")


@pytest.mark.parametrize(
    ("given", "nearest"), [("totl", "total"), ("names.csv", ""), ("lung_vesels", "lung_vessels")]
)
def test_what_is_neither_is_an_error_with_the_nearest_task(given, nearest):
    with pytest.raises(PipelineError) as caught:
        resolve_labels(given)
    assert caught.value.code == "export.no_table" and given in caught.value.message
    assert nearest in caught.value.message
    with pytest.raises(PipelineError):
        labels_of(given)


def test_the_table_is_what_the_package_says():
    python = os.environ.get("AUTOSEG_TEST_TOTALSEGMENTATOR")
    if not python:
        pytest.skip("needs TotalSegmentator (14 GB): AUTOSEG_TEST_TOTALSEGMENTATOR=yes runs it")
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); import task_labels; print(task_labels.table_text())"
    )
    command = [python, "-c", script, str(Path(task_labels.__file__).parent)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == task_labels.TABLE.read_text(encoding="utf-8").strip()
