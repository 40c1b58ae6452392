"""The tool that tries a folder of foreign files accounts for each and says what crashed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import support.skeleton as skeleton
from support.intake import nifti_bytes

TOOL = skeleton.MODULE / "Testing" / "benchmarks" / "corpus.py"


def corpus(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(TOOL), str(folder), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)


def foreign(folder: Path) -> Path:
    for name, data in {
        "scans/ct.nii": nifti_bytes(),
        "scans/half.nii": nifti_bytes()[:900],
        "other/letter.pdf": b"%PDF-1.7" + bytes(700),
        "other/empty.dcm": b"",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def test_every_file_is_accounted_for(tmp_path: Path) -> None:
    done = corpus(foreign(tmp_path / "all"), "--by", "file", "--json", tmp_path / "out.json")
    assert done.returncode == 0, done.stderr
    assert "4 inputs, 4 files" in done.stdout
    assert "files in cases 1, refused 3, passed by 0, without answer 0" in done.stdout
    found = {one["name"]: one["answers"][0][0] for one in json.loads((tmp_path / "out.json").read_text())}
    assert found == {
        "scans/ct.nii": "case", "scans/half.nii": "input.truncated",
        "other/letter.pdf": "input.unknown_format", "other/empty.dcm": "input.empty",
    }  # fmt: skip


def test_the_files_of_a_folder_are_one_input(tmp_path: Path) -> None:
    done = corpus(foreign(tmp_path / "all"))
    assert done.returncode == 0 and "2 inputs, 4 files" in done.stdout


def test_an_input_that_takes_too_long_is_an_outcome_and_the_next_is_tried(tmp_path: Path) -> None:
    done = corpus(foreign(tmp_path / "all"), "--seconds", 0.0)
    assert done.returncode == 1
    assert "| `hang` | 2 | 2 |" in done.stdout and "without answer 4" in done.stdout
