"""Result formats: one row and one file make a format, and every place that shows formats follows."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import support.skeleton as skeleton
from AutoSegPipelineLib.core import result_formats
from AutoSegPipelineLib.processing.writers.load import Writer, load
from AutoSegPipelineLib.processing.writers.seg_nrrd import write_seg_nrrd
from support.processing import grid, two_layers


def with_a_row_more(folder: Path, *more: str) -> dict[str, Any]:
    scan = folder / "two.seg.nrrd"
    write_seg_nrrd(scan, two_layers(grid((20, 16, 12))))
    paths = [skeleton.MODULE, Path(__file__).parents[1]]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    done = subprocess.run(
        [sys.executable, "-m", "support.added_format", str(scan), str(folder / "case"), *more],
        capture_output=True, text=True, timeout=120, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_a_row_and_a_writer_are_a_format_everywhere(tmp_path: Path) -> None:
    found = with_a_row_more(tmp_path)
    assert (found["choices"][-1], found["default"][-1]) == ("names", "names")
    assert found["parsed"] == ["gltf", "manifest", "names"]
    assert "report,manifest,names" in "".join(found["help"].split())
    assert found["media_type"] == "text/plain; charset=utf-8" and ".names.txt" in found["endings"]
    assert "| `names` | `NAME.names.txt` | yes | one structure per line |" in found["docs"]
    assert "`manifest`, `names`" in found["options_docs"]
    shown = found["engines"]["formats"][-1]
    assert (shown["kind"], shown["title"], shown["always"]) == ("names", "List of names", False)
    assert found["engines"]["options"]["formats"]["items"]["enum"][-1] == "names"
    assert found["outputs"] == ["case.gltf", "case.names.txt", "case.manifest.json"]
    names = (tmp_path / "case" / "out" / "case.names.txt").read_text(encoding="utf-8").split()
    assert names == ["body", "lung_left", "bones"]


def test_the_verifier_of_an_added_format_is_asked(tmp_path: Path) -> None:
    found = with_a_row_more(tmp_path, "damage")
    assert found["outputs"] == []
    assert found["error"].startswith("export.verification: case.names.txt")


@pytest.mark.parametrize("row", result_formats.FORMATS, ids=lambda row: row.kind)
def test_the_writer_of_each_row_has_both_functions(row: result_formats.ResultFormat) -> None:
    module = load(row)
    for name in ("write", "verify"):
        wanted = list(inspect.signature(getattr(Writer, name)).parameters)[1:]
        assert list(inspect.signature(getattr(module, name)).parameters) == wanted, name


def test_no_two_formats_share_a_kind_or_an_ending() -> None:
    endings = [ending for row in result_formats.FORMATS for ending in row.endings]
    assert len(endings) == len(set(endings)) and len(result_formats.BY_KIND) == len(result_formats.FORMATS)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.gltf", "model/gltf+json"),
        ("A.STATISTICS.CSV", "text/csv; charset=utf-8"),
        ("a.labels.nii.gz", "application/gzip"),
        ("a.seg.nrrd", result_formats.BYTES),
        ("a.usdz", "model/vnd.usdz+zip"),
        ("a.exe", result_formats.BYTES),
    ],
)
def test_a_result_file_is_sent_as_what_it_is(name: str, kind: str) -> None:
    assert result_formats.media_type(name) == kind


def test_what_is_always_written_is_added_in_the_order_of_the_table() -> None:
    assert result_formats.complete(["obj", "labels"]) == ["gltf", "labels", "obj", "manifest"]
