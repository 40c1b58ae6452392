"""What `doctor` says of the cluster."""

from __future__ import annotations

from pathlib import Path

import pytest
from AutoSegPipelineLib.core.settings import Settings
from AutoSegPipelineLib.headless.doctor_cluster import cluster
from AutoSegPipelineLib.headless.findings import FAIL, OK, WARN, Finding


class Session:
    """As far as the findings ask it; ``note`` is what the running pipeline wrote."""

    def __init__(self, note: dict | None = None) -> None:
        self._note = note

    def child_note(self, name: str) -> dict | None:
        return self._note


def findings(note: dict | None = None, **settings: object) -> list[Finding]:
    return list(cluster(Session(note), Settings.defaults(**settings)))


def test_nothing_is_said_without_a_cluster() -> None:
    assert findings() == []


def test_a_share_that_is_missing_and_programs_that_are_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = findings(cluster="slurm", cluster_share=str(tmp_path / "away"), cluster_gpus="two")
    texts = {one.text: one.status for one in found if "not installed" not in one.text}
    assert list(texts.values()) == [FAIL, FAIL, FAIL]
    assert any("away" in text for text in texts) and any("cluster_gpus" in text for text in texts)
    assert "sbatch, squeue, scancel: not on the PATH" in texts


@pytest.mark.parametrize("share", ["", "share"])
def test_a_share_that_is_no_absolute_path_is_shown_as_it_was_set(share: str) -> None:
    found = {one.text: one.status for one in findings(cluster="dask", cluster_share=share)}
    assert found[f"cluster_share {share!r} is no absolute path"] == FAIL


def test_the_command_that_starts_a_worker_is_shown(tmp_path: Path) -> None:
    error = {"code": "environment.disk_full", "message": "1 MB are free", "hint": "Free space."}
    note = {"error": error, "workers": 0, "command": "python -m distributed.cli.dask_worker"}
    found = findings(note, cluster="dask", cluster_share=str(tmp_path))
    said = {one.text: one.status for one in found}
    assert said["1 MB are free (environment.disk_full)"] == WARN
    assert said["0 workers are there; on each further machine: python -m distributed.cli.dask_worker"] == WARN
    assert any(one.text.startswith("dask: 120 min, 16 GB for a job") and one.status == OK for one in found)
