"""What is offered to peers is what the child that makes objects can write."""

from __future__ import annotations

import importlib.util

import pytest
from AutoSegPipelineLib.core.pacs.object_order import COMPRESSIONS
from AutoSegPipelineLib.dicom.send import writable
from AutoSegPipelineLib.dicom.send.writable import label_map_compressions


def test_it_is_what_highdicom_says_of_itself() -> None:
    from highdicom.seg import SegmentationTypeValues

    assert bool(label_map_compressions()) == hasattr(SegmentationTypeValues, "LABELMAP")


@pytest.mark.parametrize(
    ("version", "jpeg_ls", "words"),
    [
        ("0.22.0", True, ()), ("0.23.1", True, ()), ("0.24.0", True, tuple(COMPRESSIONS)),
        ("0.28.2", False, ("rle", "")), ("1.0.0rc1", True, tuple(COMPRESSIONS)),
    ],
)  # fmt: skip
def test_versions(
    monkeypatch: pytest.MonkeyPatch, version: str, jpeg_ls: bool, words: tuple[str, ...]
) -> None:
    monkeypatch.setattr(writable, "version", lambda name: version)
    spec = importlib.util.find_spec("json")
    monkeypatch.setattr(writable, "find_spec", lambda name: spec if jpeg_ls else None)
    assert label_map_compressions() == words
