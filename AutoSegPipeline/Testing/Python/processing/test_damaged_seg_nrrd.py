"""Segmentations of 3D Slicer whose header was damaged."""

from __future__ import annotations

from pathlib import Path

import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.processing.read_seg_nrrd import read_seg_nrrd
from support.fuzz import sound_inputs


@pytest.mark.parametrize(
    ("line", "damaged"),
    [
        ("Segment0_LabelValue:=1", "Segment0_LabelValue:=x"),
        ("Segment1_Layer:=0", "Segment1_Layer:=two"),
        ("Segment0_Color:=0.5 0.2 0.1", "Segment0_Color:=red"),
        ("Segment0_Color:=0.5 0.2 0.1", "Segment0_Color:=0.5 0.2"),
    ],
)
@pytest.mark.parametrize("coloured", [True, False])
def test_a_damaged_segment_is_refused_by_its_number(
    line: str, damaged: str, coloured: bool, tmp_path: Path
) -> None:
    data = sound_inputs()["seg.nrrd"]["a.seg.nrrd"]
    assert line.encode() in data
    if not coloured:
        data = data.replace(b"Segment0_Color:=0.5 0.2 0.1\n", b"").replace(
            b"Segment1_Color:=0.5 0.2 0.1\n", b""
        )
    (tmp_path / "a.seg.nrrd").write_bytes(data.replace(line.encode(), damaged.encode()))
    if "Color" in line and not coloured:
        assert read_seg_nrrd(tmp_path / "a.seg.nrrd").segments[0].name == "s0"
        return
    with pytest.raises(PipelineError, match=r"a\.seg\.nrrd: segment [01] is damaged"):
        read_seg_nrrd(tmp_path / "a.seg.nrrd")
