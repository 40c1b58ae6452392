"""Structures of every kind in DICOM's words: uncoded, with long names, regions and sides, in hundreds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from AutoSegPipelineLib.core.segmentation import Code, Segment, Segmentation
from AutoSegPipelineLib.processing.dicom_objects.structures import Structure
from AutoSegPipelineLib.processing.read_segmentation import read_segmentation
from AutoSegPipelineLib.processing.writers.seg_nrrd import write_seg_nrrd
from support import dicom_objects as made
from support.dicom_objects import Result, errors_of, result_of
from support.programs import package, program

package("highdicom")
RIB, UPPER = Code("SCT", "113197003", "Rib"), Code("SCT", "261183002", "Upper")
REGION = Code("SCT", "51185008", "Thorax")


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return result_of(made.even(tmp_path_factory.mktemp("made") / "in", FrameOfReferenceUID="1.2.3.99"))


def with_segments(result: Result, change: list[Segment]) -> None:
    """Put other segments into the result's segmentation file."""
    old = result.segmentation
    write_seg_nrrd(result.folder / "a.seg.nrrd", Segmentation(old.grid, old.layers, tuple(change)))


def test_uncoded_ones_get_a_code_of_ours_and_regions_are_kept(result) -> None:
    program("dciodvfy")
    first, second, _ = result.segmentation.segments
    name = "a_structure_of_a_network_that_nobody_else_has_heard_of"
    with_segments(result, [
        replace(first, name=name, title="Δ " + "long " * 20, code=None, category=None),
        replace(second, code=RIB, modifier=UPPER, region=REGION, region_modifier=made.LEFT),
    ])  # fmt: skip
    (file,) = result.build("seg", encoding="binary").files
    assert errors_of(file) == []
    items = pydicom.dcmread(file.path).SegmentSequence
    own = items[0].SegmentedPropertyTypeCodeSequence[0]
    assert (own.LongCodeValue, own.CodingSchemeDesignator) == (name, "99ASP")
    assert items[0].SegmentLabel == ("Δ " + "long " * 20)[:63]
    read = read_segmentation(Path(file.path)).segments[1]
    assert (read.code, read.modifier, read.region, read.region_modifier) == (RIB, UPPER, REGION, made.LEFT)


def test_sites_in_reports_tell_sides_from_other_modifiers() -> None:
    def site(**codes: Code | None) -> list[tuple[str, str]]:
        segment = Segment(0, 1, "rib", "Rib", (0.5, 0.5, 0.5), code=RIB, **codes)
        found = Structure.of(segment, 0, 1, "2.25.1").site
        if found is None:
            return []
        inner = found.ContentSequence[0] if "ContentSequence" in found else None
        modifier = [] if inner is None else [(inner.name.meaning, inner.value.meaning)]
        return [("site", found.value.meaning), *modifier]

    assert site() == []
    assert site(modifier=made.LEFT) == [("site", "Rib"), ("Laterality", "Left")]
    assert site(modifier=UPPER) == [("site", "Rib"), ("Topographical modifier", "Upper")]
    assert site(modifier=made.LEFT, region=REGION) == [("site", "Thorax")]


@pytest.mark.parametrize("encoding", ["binary", "labelmap"])
def test_more_structures_than_a_byte_counts(encoding, result) -> None:
    grid = result.segmentation.grid
    labels = np.zeros(grid.array_shape, np.uint16)
    labels.reshape(-1)[1000:1300] = np.arange(1, 301)
    segments = tuple(Segment(0, n, f"s{n}", f"S {n}", (0.5, 0.5, 0.5)) for n in range(1, 301))
    write_seg_nrrd(result.folder / "a.seg.nrrd", Segmentation(grid, [labels], segments))
    (file,) = result.build("seg", encoding=encoding).files
    read = read_segmentation(Path(file.path))
    assert [one.title for one in read.segments] == [f"S {n}" for n in range(1, 301)]
    assert np.unique(read.layers[0]).tolist() == list(range(301))
    assert int((read.layers[0] > 0).sum()) == 300
