"""What the engines take of pydicom, nnU-Net and TotalSegmentator beyond what those document."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import support.inner_parts as support
from support import tiny_totalsegmentator as totalsegmentator

OLDER = os.environ.get("AUTOSEG_TEST_TOTALSEGMENTATOR_26", "")


def complaints_of(python: str, wanted: list[support.Part], home: Path) -> list[str]:
    """Those of another environment, which has no pytest."""
    text = Path(support.__file__).read_text(encoding="utf-8")
    env = {**os.environ, **totalsegmentator.QUIET, "TOTALSEG_HOME_DIR": str(home)}
    command = [python, "-c", text, json.dumps(wanted)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return list(json.loads(done.stdout.splitlines()[-1]))


@totalsegmentator.needs_package
def test_each_part_of_totalsegmentator_and_nnunet_is_there(tmp_path: Path) -> None:
    made_up = support.Part("processing/room.py", "totalsegmentator.nnunet", "made_up")
    wrong = complaints_of(totalsegmentator.PYTHON, [*support.TOTALSEGMENTATOR, made_up], tmp_path)
    assert wrong[:-1] == []
    assert "processing/room.py relies on it" in wrong[-1]


@pytest.mark.skipif(
    not OLDER,
    reason="needs TotalSegmentator 2.6: AUTOSEG_TEST_TOTALSEGMENTATOR=yes runs it with Python 3.9",
)
def test_each_part_is_there_in_the_older_version_apart_from_a_search_that_has_a_substitute(
    tmp_path: Path,
) -> None:
    later = ("recursive_find_trainer_class_by_name",)  # health.py has its own way where it is missing
    wanted = [part for part in support.TOTALSEGMENTATOR if part.name not in later]
    assert complaints_of(OLDER, wanted, tmp_path) == []
