"""Which jobs an account sees: its own, those that name it, and with a link the linked ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from AutoSegPipelineLib.core import file_systems
from AutoSegPipelineLib.core.job import Job
from AutoSegPipelineLib.core.store import Store
from AutoSegPipelineLib.core.store.scope import EVERYTHING, Scope

JOBS = [
    Job(label="anna's", door="web", submitted_by="anna"),
    Job(label="for anna", door="dicom", submitted_by="CT1", visible_to=["anna", "bob"]),
    Job(label="for annabel", door="dicom", submitted_by="CT1", visible_to=["annabel"]),
    Job(label="for nobody", door="dicom", submitted_by="anna"),
]


@pytest.mark.parametrize(
    "scope, seen",
    [
        (Scope(owner="anna"), {"anna's", "for anna"}),
        (Scope(owner="bob"), {"for anna"}),
        (Scope(owner="annabel"), {"for annabel"}),
        (Scope(owner="ann"), set()),
        (Scope(owner="CT1"), set()),
        (Scope(jobs=()), set()),
        (EVERYTHING, {job.label for job in JOBS}),
    ],
)
def test_lists_and_single_jobs_agree(tmp_path: Path, scope: Scope, seen: set[str]) -> None:
    store = Store(tmp_path / "store.sqlite")
    for job in JOBS:
        store.jobs.add(job)
    assert {job.label for job in store.jobs.list(scope=scope)} == seen
    held = {job.label for job in JOBS if scope.holds(job.id, job.door, job.submitted_by, job.visible_to)}
    assert held == seen
    store.close()


@pytest.mark.skipif(not Path("/proc/self/mounts").exists(), reason="the table of mounts is Linux's")
@pytest.mark.parametrize("kind, alone", [("ext4", True), ("xfs", True), ("overlay", False), ("nfs4", False)])
def test_only_journals_of_one_order_sync_names_with_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, alone: bool
) -> None:
    monkeypatch.setattr(file_systems, "_mounts", lambda: [("/", "ext4"), (str(tmp_path.resolve()), kind)])
    assert file_systems.syncs_names(tmp_path / "new") is alone
