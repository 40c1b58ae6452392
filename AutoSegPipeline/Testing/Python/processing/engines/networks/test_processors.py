"""A container's share of the processors."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest
from AutoSegPipelineLib.processing.engines.networks import processors
from AutoSegPipelineLib.processing.engines.networks.processors import cpu_quota, cpu_threads


def group(tmp_path: Path, line: str, **files: str) -> float:
    (tmp_path / "own").write_text(line, encoding="utf-8")
    for name, content in files.items():
        path = tmp_path / "groups" / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="ascii")
    return cpu_quota(tmp_path / "groups", tmp_path / "own")


def test_the_smallest_limit_of_all_groups_counts(tmp_path: Path) -> None:
    found = group(
        tmp_path, "0::/a/b\n", a__b__cpu_dot_max="400000 100000\n", a__cpu_dot_max="150000 100000\n",
        cpu_dot_max="max 100000\n",
    )  # fmt: skip
    assert found == 1.5


def test_version_1_has_two_files(tmp_path: Path) -> None:
    files = {"cpu__d__cpu_dot_cfs_quota_us": "250000\n", "cpu__d__cpu_dot_cfs_period_us": "100000\n"}
    assert group(tmp_path, "5:cpuacct,cpu:/d\n4:memory:/d\n", **files) == 2.5
    files["cpu__d__cpu_dot_cfs_quota_us"] = "-1\n"
    assert group(tmp_path, "5:cpuacct,cpu:/d\n", **files) == math.inf


@pytest.mark.parametrize("line", ["", "nonsense", "0::/../x\n"])
def test_without_a_limit_there_is_none(tmp_path: Path, line: str) -> None:
    assert group(tmp_path, line) == math.inf
    assert cpu_quota(tmp_path / "nowhere", tmp_path / "none") == math.inf


def test_threads_are_no_more_than_the_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    for quota, threads in ((math.inf, 16), (2.5, 3), (0.1, 1), (64.0, 16)):
        monkeypatch.setattr(processors, "cpu_quota", lambda quota=quota: quota)
        assert cpu_threads() == threads
