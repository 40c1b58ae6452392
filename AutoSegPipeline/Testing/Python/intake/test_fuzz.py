"""Damaged inputs: each ends as a case or as a refusal in words, never as a crash, a hang or a traceback.

``AUTOSEG_FUZZ=20000`` tries that many, chosen at random, instead of the same few hundred each time.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.fuzz import SEGMENTATIONS, damaged, judge, sound_inputs

SOUND = sound_inputs()
ASKED = os.environ.get("AUTOSEG_FUZZ", "")
EXAMPLES = int(ASKED or 504) // len(SOUND)
LONGEST_SECONDS = 120.0  # for one input: a hang, not a slow machine


def expected(kind: str) -> str:
    return "segmentation" if kind in SEGMENTATIONS else "scan"


@pytest.mark.parametrize("kind", SOUND)
def test_a_sound_input_is_taken(kind: str) -> None:
    answer = judge(SOUND[kind], expected(kind))
    assert answer is not None and answer["refusals"] == [] and len(answer["cases"]) == 1


@pytest.mark.parametrize("kind", SOUND)
def test_a_damaged_input_is_read_or_refused_in_words(kind: str) -> None:
    tried = []

    @settings(
        max_examples=EXAMPLES, deadline=LONGEST_SECONDS * 1000, derandomize=not ASKED, database=None,
        suppress_health_check=list(HealthCheck), print_blob=True,
    )  # fmt: skip
    @given(damaged(SOUND[kind]), st.sampled_from(["scan", "segmentation"]))
    def attempt(files: dict[str, bytes], expect: str) -> None:
        tried.append(judge(files, expect))

    before = held()
    attempt()
    assert len(tried) >= EXAMPLES // 2
    assert held() <= before, "files stay open or temporary folders stay behind"


def held() -> tuple[int, int]:
    """Files that this process holds open below the temporary folder, and folders of this test there."""
    here = tempfile.gettempdir()
    opened = [one for one in psutil.Process().open_files() if one.path.startswith(here)]
    return len(opened), len(list(Path(here).glob(f"autoseg-fuzz-{os.getpid()}-*")))
