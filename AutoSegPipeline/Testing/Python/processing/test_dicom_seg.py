"""DICOM segmentations as label layers: every voxel where the frames say, with names, codes and colours."""

from __future__ import annotations

import sys

import numpy as np
import pydicom
import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.segmentation import Code, Segmentation
from AutoSegPipelineLib.processing.read_segmentation import read_segmentation
from AutoSegPipelineLib.processing.writers.seg_nrrd import write_seg_nrrd
from support.dicom_seg import KIDNEY, LEFT, code, dicom_seg, segment, sequence
from support.processing import DIRECTIONS, grid, rotation
from support.programs import package

package("highdicom")

RIGHT_HANDED = [name for name, axes in DIRECTIONS.items() if np.linalg.det(axes) > 0]
ON = grid((11, 9, 12), DIRECTIONS["oblique"], (1.5, 2.0, 2.5))


def shapes(on=ON) -> dict[int, np.ndarray]:
    """Three blocks, off centre; the third overlaps the second, and slices 5 and 6 show nothing."""
    masks = {number: np.zeros(on.array_shape, np.uint8) for number in (1, 2, 3)}
    masks[1][1:5, 1:4, 2:9] = 1
    masks[2][7:11, 3:8, 1:5] = 1
    masks[3][8:10, 4:7, 3:10] = 1
    return masks


SEGMENTS = [
    segment(1, "Liver"),
    segment(2, "Left kidney", KIDNEY, modifier=LEFT),
    segment(3, "Lesion", ("52988006", "SCT", "Lesion")),
]


def points(on, mask) -> set[tuple[float, ...]]:
    """LPS millimetres of the voxels of a mask, to a hundredth."""
    k, j, i = np.nonzero(mask)
    where = np.array(on.affine) @ np.stack([i, j, k, np.ones(len(i))])
    return {tuple(np.round(point, 2) + 0.0) for point in where[:3].T}


def mask_of(read: Segmentation, name: str) -> np.ndarray:
    (found,) = [s for s in read.segments if s.name == name]
    return read.layers[found.layer] == found.value


def assert_same_places(read: Segmentation, masks, on=ON) -> None:
    for number, one in zip(sorted(masks), read.segments):
        assert points(read.grid, mask_of(read, one.name)) == points(on, masks[number]), one.name


@pytest.mark.parametrize("direction", RIGHT_HANDED)
def test_every_voxel_lies_where_its_frame_says(direction, tmp_path):
    on = grid((11, 9, 12), DIRECTIONS[direction], (1.5, 2.0, 2.5))
    read = read_segmentation(dicom_seg(tmp_path / "s.dcm", on, shapes(on), SEGMENTS))
    assert_same_places(read, shapes(on), on)
    assert read.grid.spacing == pytest.approx((1.5, 2.0, 2.5))
    assert [(s.name, s.title, s.group) for s in read.segments][:2] == [
        ("liver", "Liver", "organs"), ("left_kidney", "Left kidney", "organs"),
    ]  # fmt: skip


def test_overlapping_segments_become_layers_and_the_others_share_one(tmp_path):
    read = read_segmentation(dicom_seg(tmp_path / "s.dcm", ON, shapes(), SEGMENTS))
    assert [(s.layer, s.value) for s in read.segments] == [(0, 1), (0, 2), (1, 3)] and len(read.layers) == 2
    path = tmp_path / "out.seg.nrrd"
    write_seg_nrrd(path, read)
    assert_same_places(read_segmentation(path), shapes())


VARIANTS = {
    "the order of frames": {"shuffled": True},
    "no stated distance of slices": {"between": 0},
    "a negative distance": {"between": -2.5},
    "positions to a tenth": {"digits": 1},
    "RLE": {"kind": "FRACTIONAL", "full": 200, "syntax": pydicom.uid.RLELossless},
    "a deflated data set": {"syntax": pydicom.uid.DeflatedExplicitVRLittleEndian},
    "implicit elements": {"SegmentAlgorithmName": "x", "syntax": pydicom.uid.ExplicitVRLittleEndian},
}


def test_a_deflated_data_set_is_read_with_the_pydicom_of_slicer(tmp_path, monkeypatch):
    path = dicom_seg(
        tmp_path / "s.dcm", ON, shapes(), SEGMENTS, syntax=pydicom.uid.DeflatedExplicitVRLittleEndian
    )
    real = pydicom.dcmwrite

    def as_in_2_4(filename, dataset, write_like_original=True):
        real(filename, dataset, enforce_file_format=not write_like_original)

    monkeypatch.setattr(pydicom, "__version__", "2.4.4")
    monkeypatch.setattr(pydicom, "dcmwrite", as_in_2_4)
    assert_same_places(read_segmentation(path), shapes())


@pytest.mark.parametrize("variant", VARIANTS)
def test_it_does_not_matter_how_the_object_was_written(variant, tmp_path):
    options = dict(VARIANTS[variant])
    masks = shapes()
    if options.pop("shuffled", False):
        order = [(number, k) for number, mask in masks.items() for k in range(12) if mask[k].any()]
        options["order"] = [order[n] for n in np.random.default_rng(4).permutation(len(order))]
    full = options.pop("full", 1)
    stored = {number: mask * full for number, mask in masks.items()}
    read = read_segmentation(dicom_seg(tmp_path / "s.dcm", ON, stored, SEGMENTS, **options))
    if "digits" not in options:
        assert_same_places(read, masks)
    for number, one in enumerate(read.segments, 1):
        assert mask_of(read, one.name).sum() == masks[number].sum()
    assert np.allclose(np.array(read.grid.affine)[:3, :3], np.array(ON.affine)[:3, :3], atol=0.02)


def test_a_fractional_segment_begins_at_half_of_the_maximum(tmp_path):
    masks = shapes()
    masks[1] *= 100
    masks[1][2] = masks[1][2] // 100 * 99
    masks[2] *= 200
    masks[3] *= 150
    read = read_segmentation(dicom_seg(tmp_path / "s.dcm", ON, masks, SEGMENTS, "FRACTIONAL"))
    expected = shapes()
    expected[1][2] = 0
    assert_same_places(read, expected)


def test_a_label_map_is_one_layer_without_its_background(tmp_path):
    masks = shapes()
    labels = masks[1] + 7 * masks[2] * (1 - masks[3]) + 3 * masks[3] + 200 * (masks[1] == 5)
    labels[0, 0, 0] = 99  # described by no segment
    items = [segment(0, "Background"), segment(1, "Liver"), segment(3, "Lesion"), segment(7, "Left kidney")]
    order = [(0, k) for k in (11, *range(11))]
    read = read_segmentation(dicom_seg(tmp_path / "s.dcm", ON, {0: labels}, items, "LABELMAP", order))
    assert [(s.name, s.layer, s.value) for s in read.segments] == [
        ("liver", 0, 1), ("lesion", 0, 3), ("left_kidney", 0, 7),
    ]  # fmt: skip
    assert_same_places(read, {1: masks[1], 3: masks[3], 7: masks[2] * (1 - masks[3])})


def test_a_label_map_takes_its_colours_from_its_palette(tmp_path):
    red, green, blue = (bytes((0, a, b)) + b"\0" for a, b in ((255, 0), (128, 10), (0, 250)))
    tags = {f"{name}PaletteColorLookupTableDescriptor": [4, 0, 8] for name in ("Red", "Green", "Blue")}
    tags.update(RedPaletteColorLookupTableData=red, GreenPaletteColorLookupTableData=green,
                BluePaletteColorLookupTableData=blue, PhotometricInterpretation="PALETTE COLOR")  # fmt: skip
    masks = shapes()
    labels, order = masks[1] + 2 * masks[2], [(0, k) for k in range(12)]
    items = [segment(1, "Liver"), segment(2, "Left kidney")]
    read = read_segmentation(dicom_seg(tmp_path / "s.dcm", ON, {0: labels}, items, "LABELMAP", order, **tags))
    assert [s.colour for s in read.segments] == [
        pytest.approx((1, 128 / 255, 0)), pytest.approx((0, 10 / 255, 250 / 255)),
    ]  # fmt: skip


# sRGB and its CIELab (L, a, b; D65), as tables of colours give them.
COLOURS = {
    (255, 255, 255): (100.0, 0.0, 0.0),
    (255, 0, 0): (53.24, 80.09, 67.20),
    (0, 255, 0): (87.73, -86.18, 83.18),
    (0, 0, 255): (32.30, 79.19, -107.86),
    (128, 128, 128): (53.59, 0.0, 0.0),
}


@pytest.mark.parametrize("rgb", COLOURS)
def test_a_colour_comes_back_as_it_was(rgb, tmp_path):
    lightness, a, b = COLOURS[rgb]
    lab = [round(lightness * 655.35), round((a + 128) * 257), round((b + 128) * 257)]
    items = [segment(1, "Liver", RecommendedDisplayCIELabValue=lab), *SEGMENTS[1:]]
    read = read_segmentation(dicom_seg(tmp_path / "s.dcm", ON, shapes(), items))
    assert np.abs(np.array(read.segments[0].colour) * 255 - rgb).max() <= 1.5
    assert read.segments[1].colour != read.segments[0].colour  # without one: as in an atlas


def test_codes_with_sides_and_regions_come_through(tmp_path):
    region = code("64033007", "SCT", "Kidney")
    region[0].AnatomicRegionModifierSequence = code("24028007", "SCT", "Right")
    items = [
        segment(1, "Segment_1", KIDNEY, modifier=LEFT),
        segment(2, "Cyst", AnatomicRegionSequence=region),
    ]
    masks = {number: mask for number, mask in shapes().items() if number < 3}
    first = read_segmentation(dicom_seg(tmp_path / "s.dcm", ON, masks, items))
    path = tmp_path / "out.seg.nrrd"
    write_seg_nrrd(path, first)
    for read in (first, read_segmentation(path)):
        kidney, cyst = read.segments
        assert (kidney.title, kidney.name) == ("Left kidney", "left_kidney")  # what the codes call it
        assert kidney.category == Code("SCT", "123037004", "Anatomical Structure")
        assert (kidney.code, kidney.modifier) == (Code("SCT", *KIDNEY[::2]), Code("SCT", *LEFT[::2]))
        assert (cyst.region, cyst.region_modifier) == (
            Code("SCT", "64033007", "Kidney"), Code("SCT", "24028007", "Right"),
        )  # fmt: skip


def test_a_segment_on_one_slice_has_the_depth_of_that_slice(tmp_path):
    masks = {1: shapes()[1]}
    masks[1][2:] = 0
    read = read_segmentation(dicom_seg(tmp_path / "s.dcm", ON, masks, SEGMENTS[:1]))
    assert read.grid.shape == (11, 9, 2) and read.grid.spacing[2] == pytest.approx(2.5)
    assert_same_places(read, masks)


def test_slices_with_nothing_on_them_do_not_close_the_gap(tmp_path):
    masks = {1: np.zeros(ON.array_shape, np.uint8)}
    masks[1][[1, 3, 7], 2:5, 2:6] = 1
    read = read_segmentation(dicom_seg(tmp_path / "s.dcm", ON, masks, SEGMENTS[:1]))
    assert read.grid.shape[2] == 7
    assert_same_places(read, masks)


def test_slices_at_uneven_distances_are_filled_up_to_the_middle(tmp_path):
    masks = {1: np.zeros(ON.array_shape, np.uint8)}
    masks[1][:, 2:5, 2:6] = 1
    path = dicom_seg(tmp_path / "s.dcm", ON, masks, SEGMENTS[:1], between=0)
    data = pydicom.dcmread(path)
    normal = np.array(ON.affine)[:3, 2] / 2.5
    along = np.cumsum([0, 2, 2, 2, 2, 2, 3.1, 3.1, 3.1, 3.1, 3.1, 3.1])
    for frame, z in zip(data.PerFrameFunctionalGroupsSequence, along):
        frame.PlanePositionSequence[0].ImagePositionPatient = list(np.round(z * normal, 5))
    data.save_as(path)
    read = read_segmentation(path)
    assert (read.layers[0].sum(axis=(1, 2)) == 12).all()  # no stripes
    assert read.grid.spacing[2] * (read.grid.shape[2] - 1) == pytest.approx(along[-1], abs=1.1)


def test_frames_of_a_tilted_stack_lie_at_the_nearest_voxel(tmp_path):
    masks = {1: np.ones(ON.array_shape, np.uint8)}
    path = dicom_seg(tmp_path / "s.dcm", ON, masks, SEGMENTS[:1])
    data, down = pydicom.dcmread(path), np.array(ON.affine)[:3, 1] / 2.0
    for k, frame in enumerate(data.PerFrameFunctionalGroupsSequence):
        place = np.array(frame.PlanePositionSequence[0].ImagePositionPatient, float) - 0.9 * k * down
        frame.PlanePositionSequence[0].ImagePositionPatient = list(np.round(place, 6))
    data.save_as(path)
    read = read_segmentation(path)
    assert read.layers[0].sum() == masks[1].sum() and read.grid.shape[1] == 9 + 5
    first_rows = [int(np.nonzero(slice_.any(axis=1))[0][0]) for slice_ in read.layers[0]]
    assert first_rows == [round(0.45 * (11 - k)) for k in range(12)]


def test_an_object_that_highdicom_wrote(tmp_path):
    import highdicom
    from highdicom.sr.coding import CodedConcept
    from support.intake import field_slices

    turned = [*rotation(20)[:, 0], *rotation(20)[:, 1]]
    places = [(0.0, 0.0, 3.0 * n) for n in range(12)]
    slices = field_slices(tmp_path / "ct", places, turned, PatientBirthDate="",
                          PatientSex="", StudyDate="20200101", StudyTime="120000", AccessionNumber="",
                          FrameOfReferenceUID="1.2.3.9", StudyID="1", ReferringPhysicianName="")  # fmt: skip
    sources = [pydicom.dcmread(path) for path in slices]
    mask = np.zeros((12, 40, 40), np.uint8)
    mask[3:6, 10:20, 5:30] = 1
    how = highdicom.AlgorithmIdentificationSequence(
        "made", CodedConcept("123109", "DCM", "Manual Processing"), "1"
    )
    described = highdicom.seg.SegmentDescription(
        1, "Liver", CodedConcept("123037004", "SCT", "Anatomical Structure"),
        CodedConcept("10200004", "SCT", "Liver"), "AUTOMATIC", how,
        display_color=highdicom.color.CIELabColor.from_rgb(200, 100, 50),
    )  # fmt: skip
    for kind in ("BINARY", "FRACTIONAL", "LABELMAP"):
        made = highdicom.seg.Segmentation(
            sources, mask if kind != "FRACTIONAL" else mask.astype(float), kind, [described],
            "1.2.8", 7, "1.2.8.1", 1, "maker", "model", "1", "serial",
        )  # fmt: skip
        made.save_as(tmp_path / f"{kind}.dcm")
        read = read_segmentation(tmp_path / f"{kind}.dcm")
        on = grid((40, 40, 12), rotation(20), (2.0, 2.0, 3.0), (0.0, 0.0, 0.0))
        assert_same_places(read, {1: mask}, on)
        assert read.segments[0].code == Code("SCT", "10200004", "Liver")


REFUSED = {
    "input.orientation_unstated": {"SharedFunctionalGroupsSequence": sequence()},
    "export.no_names": {"SegmentSequence": None},
    "input.corrupt": {"NumberOfFrames": 3},
    "export.empty": {"PerFrameFunctionalGroupsSequence": None},
}


@pytest.mark.parametrize("expected", REFUSED)
def test_an_object_that_cannot_be_read_says_why(expected, tmp_path):
    path = dicom_seg(tmp_path / "s.dcm", ON, shapes(), SEGMENTS, **REFUSED[expected])
    with pytest.raises(PipelineError) as caught:
        read_segmentation(path, name="the object")
    assert caught.value.code == expected and "the object" in caught.value.message


def test_frames_that_lie_kilometres_apart_are_no_grid(tmp_path):
    path = dicom_seg(tmp_path / "s.dcm", ON, shapes(), SEGMENTS, between=0)
    data = pydicom.dcmread(path)
    last = data.PerFrameFunctionalGroupsSequence[-1].PlanePositionSequence[0]
    last.ImagePositionPatient = [0, 0, 4e9]
    data.save_as(path)
    with pytest.raises(PipelineError) as caught:
        read_segmentation(path)
    assert caught.value.code == "input.bad_affine"


def test_without_highdicom_the_refusal_names_formats_that_are_read(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "highdicom.io", None)
    with pytest.raises(PipelineError) as caught:
        read_segmentation(dicom_seg(tmp_path / "s.dcm", ON, shapes(), SEGMENTS))
    assert caught.value.code == "dicom.no_segmentation_reader"
    assert "NRRD" in caught.value.hint and "NIfTI" in caught.value.hint
