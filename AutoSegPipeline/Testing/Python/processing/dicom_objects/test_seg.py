"""DICOM SEG of a result: on the slices of its source, read with the same voxels by everybody."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pydicom
import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.pacs.uids import derived_uid
from AutoSegPipelineLib.core.segmentation import Segmentation
from AutoSegPipelineLib.processing.dicom_objects.seg import layers_of
from AutoSegPipelineLib.processing.dicom_objects.source import Source
from AutoSegPipelineLib.processing.read_segmentation import read_segmentation
from support import dicom_objects as made
from support.dicom_objects import Result, errors_of, only, points_of, result_of, shapes_at
from support.enhanced import ENHANCED, enhanced_file, frame
from support.intake import field_slices
from support.processing import rotation
from support.programs import package, program

package("highdicom")

BINARY, LABELMAP = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"
TURNED = rotation(25, 0) @ rotation(-40, 2)


def enhanced(folder: Path) -> Path:
    """One object of all slices, shuffled."""
    folder.mkdir()
    frames = [frame((-40, -38, 10 + 3.0 * (7 * n % 20))) for n in range(20)]
    enhanced_file(folder / "all", frames, FrameOfReferenceUID="1.2.3.99")
    return folder


def rounded(folder: Path) -> Path:
    """Slices 1.25 mm apart, whose headers round their positions to tenths."""
    places = [np.array((-40.0, -38.0, round(10 + 1.25 * n, 1))) for n in range(48)]
    field_slices(folder, places, made.AXIAL, SliceThickness=1.25, FrameOfReferenceUID="1.2.3.99")
    return folder


SERIES: dict[str, Callable[[Path], Path]] = {
    "axial": lambda folder: made.even(folder, FrameOfReferenceUID="1.2.3.99"),
    "from above": lambda folder: made.even(folder, (1, 0, 0, 0, -1, 0), FrameOfReferenceUID="1.2.3.99"),
    "sagittal": lambda folder: made.even(folder, (0, 1, 0, 0, 0, -1), FrameOfReferenceUID="1.2.3.99"),
    "oblique": lambda folder: made.even(
        folder, (*TURNED[:, 0], *TURNED[:, 1]), FrameOfReferenceUID="1.2.3.99"
    ),
    "tilted": lambda folder: made.tilted(folder, FrameOfReferenceUID="1.2.3.99"),
    "uneven": lambda folder: made.uneven(folder, FrameOfReferenceUID="1.2.3.99"),
    "rounded": rounded,
    "enhanced": enhanced,
}
STRAIGHT = [name for name in SERIES if name not in ("tilted", "uneven", "rounded")]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Result]:
    """A result of each kind of series, made when it is first needed."""
    found: dict[str, Result] = {}

    def result(name: str) -> Result:
        if name not in found:
            found[name] = result_of(SERIES[name](tmp_path_factory.mktemp("made") / "series"))
        return found[name]

    return result


def slices_of(source: Path) -> list[tuple[str, int, np.ndarray]]:
    """SOP instance, frame and points (row, column, 3) in LPS mm of each slice, by the headers alone."""
    found = []
    for path in sorted(source.iterdir()):
        data = pydicom.dcmread(path)
        groups = data.get("PerFrameFunctionalGroupsSequence")
        for number in range(len(groups) if groups else 1):
            if groups:
                shared = data.SharedFunctionalGroupsSequence[0]
                where = groups[number].PlanePositionSequence[0].ImagePositionPatient
                turned = shared.PlaneOrientationSequence[0].ImageOrientationPatient
                apart = shared.PixelMeasuresSequence[0].PixelSpacing
            else:
                where, turned, apart = (
                    data.ImagePositionPatient,
                    data.ImageOrientationPatient,
                    data.PixelSpacing,
                )
            row, down = np.array(turned[:3], float), np.array(turned[3:], float)
            r, c = np.meshgrid(np.arange(data.Rows), np.arange(data.Columns), indexing="ij")
            points = np.array(where, float) + c[..., None] * row * apart[1] + r[..., None] * down * apart[0]
            found.append((str(data.SOPInstanceUID), number + 1 if groups else 0, points))
    return found


def frames_of(data: pydicom.Dataset) -> list[tuple[str, int, list[float], np.ndarray]]:
    """The source's instance and frame, position and pixels of each frame of a SEG."""
    pixels = data.pixel_array.reshape(-1, data.Rows, data.Columns)
    found = []
    for groups, plane in zip(data.PerFrameFunctionalGroupsSequence, pixels):
        source = groups.DerivationImageSequence[0].SourceImageSequence[0]
        where = [float(v) for v in groups.PlanePositionSequence[0].ImagePositionPatient]
        number = int(source.get("ReferencedFrameNumber", 0))
        found.append((str(source.ReferencedSOPInstanceUID), number, where, plane))
    return found


@pytest.mark.parametrize("encoding", ["binary", "labelmap"])
@pytest.mark.parametrize("name", SERIES)
def test_each_frame_lies_on_a_slice_of_its_source_and_shows_what_is_there(name, encoding, results) -> None:
    result = results(name)
    data = only(result.build("seg", encoding=encoding), "seg")
    assert data.SOPClassUID == (BINARY if encoding == "binary" else LABELMAP)
    truth = {(uid, number): points for uid, number, points in slices_of(result.series)}
    middle = points_of(result.segmentation.grid).reshape(-1, 3).mean(axis=0)
    wrong = right = 0
    frames = frames_of(data)
    for number, (uid, frame_number, where, plane) in enumerate(frames):
        points = truth[uid, frame_number]
        assert where == pytest.approx(list(points[0, 0]), abs=1e-6)
        at = shapes_at(points, middle)
        labels = {1: at["liver"], 2: at["kidney_left"]}
        if encoding == "binary":
            labels = {1: labels[segment_of(data, number)]}
        for value, mask in labels.items():
            wrong += int(((plane == value) != mask).sum())
            right += int(mask.sum())
    assert right > 900
    # On the source's own grid nothing may differ; elsewhere a voxel on the surface may.
    assert wrong <= (0 if name in STRAIGHT else 0.12 * right)
    assert {(uid, number) for uid, number, *_ in frames} < set(truth), (
        "slices without a structure have no frame"
    )


def segment_of(data: pydicom.Dataset, frame_number: int) -> int:
    groups = data.PerFrameFunctionalGroupsSequence[frame_number]
    return int(groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber)


def points_by_name(read: Segmentation) -> dict[str, set[tuple[float, ...]]]:
    places = points_of(read.grid)
    return {
        one.title: {tuple(np.round(p, 1) + 0.0) for p in places[read.layers[one.layer] == one.value]}
        for one in read.segments
    }


@pytest.mark.parametrize("how", ["binary", "labelmap rle", "labelmap"])
@pytest.mark.parametrize("name", STRAIGHT)
def test_export_reads_the_voxels_that_the_result_has(name, how, results) -> None:
    result = results(name)
    encoding, _, compression = how.partition(" ")
    built = result.build("seg", encoding=encoding, compression=compression)
    read = read_segmentation(Path(built.files[0].path))
    wanted = points_by_name(result.segmentation)
    del wanted["Nothing"]
    assert points_by_name(read) == wanted
    kidney = next(one for one in read.segments if one.title == "Left kidney")
    assert (kidney.code, kidney.modifier) == (made.KIDNEY, made.LEFT)
    assert kidney.colour == pytest.approx((0.7, 0.3, 0.2), abs=0.01)


def test_jpeg_ls_holds_the_same_pixels(results) -> None:
    package("jpeg_ls", before=(3, 14))
    result = results("axial")
    plain = only(result.build("seg", encoding="labelmap", compression=""), "seg")
    packed = only(result.build("seg", encoding="labelmap", compression="jpegls"), "seg")
    assert packed.file_meta.TransferSyntaxUID == pydicom.uid.JPEGLSLossless
    assert np.array_equal(plain.pixel_array, packed.pixel_array)


@pytest.mark.parametrize("encoding", ["binary", "labelmap"])
def test_highdicom_reads_both_kinds_with_the_same_voxels(encoding, results) -> None:
    import highdicom

    result = results("oblique")
    seg = highdicom.seg.segread(result.build("seg", encoding=encoding).files[0].path)
    volume = seg.get_volume(combine_segments=True)
    places = volume.affine @ np.array([0, 0, 0, 1.0])
    (first, *_) = [where for *_, where, _ in frames_of(seg)]
    assert list(places[:3]) == pytest.approx(first, abs=1e-4)
    organs = result.segmentation.layers[0]
    assert [int((volume.array == number).sum()) for number in (1, 2)] == [
        int((organs == value).sum()) for value in (5, 2)
    ]


def coded_lab(*srgb: float) -> list[float]:
    """CIELab as PS3.3 C.10.7.1.1 encodes it, of the white point D65 as highdicom, dcmqi and dcmjs take it."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in srgb]
    to_xyz = [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
    x, y, z = np.cbrt(np.array(to_xyz) @ linear / (0.95047, 1.0, 1.08883))
    return [(116 * y - 16) * 655.35, (500 * (x - y) + 128) * 257, (200 * (y - z) + 128) * 257]


@pytest.mark.parametrize("encoding", ["binary", "labelmap"])
def test_the_fields_that_viewers_need(encoding, results) -> None:
    result = results("axial")
    data = only(result.build("seg", encoding=encoding), "seg")
    source = result.slices[0]
    assert data.FrameOfReferenceUID == source.FrameOfReferenceUID
    assert data.StudyInstanceUID == source.StudyInstanceUID
    assert data.SeriesInstanceUID != source.SeriesInstanceUID and data.SeriesNumber == 191
    (series,) = data.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == source.SeriesInstanceUID
    named = {item.ReferencedSOPInstanceUID for item in series.ReferencedInstanceSequence}
    assert named == {one.SOPInstanceUID for one in result.slices}
    segments = [one for one in data.SegmentSequence if one.SegmentNumber]
    assert [one.SegmentNumber for one in segments] == [1, 2], "in order, none empty, none left out"
    assert [one.SegmentLabel for one in segments] == ["Liver", "Left kidney"]
    assert list(segments[0].RecommendedDisplayCIELabValue) == pytest.approx(
        coded_lab(0.8, 0.4, 0.3), rel=0.005
    )
    algorithm = segments[1].SegmentationAlgorithmIdentificationSequence[0]
    assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("totalsegmentator", "2.12.0")
    parameters = algorithm.AlgorithmParameters
    text = parameters if isinstance(parameters, str) else ",".join(parameters)
    assert text == "task=total:fast;body:fast,device=cpu,weights=total 1a2b3c"
    assert data.SoftwareVersions[1:] == ["totalsegmentator 2.12.0", "tissue 0.1.0"]
    assert segments[1].TrackingID == "kidney_left"
    modifier = segments[1].SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence[0]
    assert modifier.CodeValue == made.LEFT.value


def test_structures_that_overlap_get_an_object_each(tmp_path: Path) -> None:
    result = result_of(made.even(tmp_path / "in"), ("liver", "kidney_left", "körper"))
    built = result.build("seg", "report", encoding="labelmap")
    files = [one for one in built.files if one.kind == "seg"]
    assert len(files) == 2 and len({one.series for one in files}) == 1
    assert built.left_out == ["nothing"]
    read = [read_segmentation(Path(one.path)) for one in files]
    assert [one.title for some in read for one in some.segments] == ["Liver", "Left kidney", "Körper"]
    for some, layer in zip(read, result.segmentation.layers):
        assert int((some.layers[0] > 0).sum()) == int((layer > 0).sum())
    (body,) = [one for one in pydicom.dcmread(files[1].path).SegmentSequence if one.SegmentNumber]
    assert body.SegmentAlgorithmName == "tissue", "each names the engine that found it"
    liver = pydicom.dcmread(files[0].path).SegmentSequence[1]
    families = [
        one.SegmentationAlgorithmIdentificationSequence[0].AlgorithmFamilyCodeSequence[0].CodeMeaning
        for one in (liver, body)
    ]
    assert families == ["Artificial Intelligence", "Morphological Operations"]
    report = only(built, "report")
    named = {
        (
            item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID,
            item.ReferencedSOPSequence[0].ReferencedSegmentNumber,
        )
        for item in walk(report)
        if item.get("ValueType") == "IMAGE"
    }
    assert named == {(files[0].sop_instance, 1), (files[0].sop_instance, 2), (files[1].sop_instance, 1)}


def walk(item: pydicom.Dataset) -> list[pydicom.Dataset]:
    """A content item and everything below it."""
    return [item, *(one for child in item.get("ContentSequence", []) for one in walk(child))]


@pytest.mark.parametrize("name", SERIES)
def test_dciodvfy_finds_no_error_in_binary_segmentation_and_report(name, results) -> None:
    program("dciodvfy")
    for one in results(name).build("seg", "report", encoding="binary").files:
        assert errors_of(one) == [], one.kind


def test_an_object_that_is_made_twice_is_the_same(results) -> None:
    result = results("axial")
    one, other = (result.build("seg", "report", encoding="labelmap") for _ in range(2))
    assert [file.kind for file in one.files] == ["seg", "report"]
    for a, b in zip(one.files, other.files):
        assert Path(a.path).read_bytes() == Path(b.path).read_bytes(), a.kind
    assert one.files[0].sop_instance == derived_uid(result.order("seg").uids["seg"], "instance", 0)


def test_a_segmentation_that_lies_elsewhere_is_an_error(results) -> None:
    result = results("axial")
    source = Source.read(Path(result.order("seg").headers))
    grid = result.segmentation.grid
    away = tuple((*row[:3], row[3] + 500) for row in grid.affine[:3])
    moved = Segmentation(
        replace(grid, affine=(*away, grid.affine[3])),
        result.segmentation.layers,
        result.segmentation.segments,
    )
    with pytest.raises(PipelineError, match="elsewhere") as caught:
        layers_of(moved, source, "2.25.1")
    assert caught.value.code == "pacs.objects_failed"


def test_a_source_of_several_slices_in_one_object_is_named_with_its_class(results) -> None:
    data = only(results("enhanced").build("seg", encoding="labelmap"), "seg")
    (series,) = data.ReferencedSeriesSequence
    assert [item.ReferencedSOPClassUID for item in series.ReferencedInstanceSequence] == [ENHANCED["CT"]]
    numbers = [number for _, number, *_ in frames_of(data)]
    assert len(set(numbers)) == len(numbers) and max(numbers) <= 20


@pytest.mark.parametrize("encoding", ["binary", "labelmap"])
def test_slicer_reads_both_kinds_with_the_same_voxels(encoding, results, tmp_path: Path) -> None:
    """As Slicer 5.12 does: dcmqi's converter, whose images it loads as segmentations."""
    from support.slicer_core import READ_LABELS, run_slicer

    converter = program("segimage2itkimage", "pip install dcmqi")
    result = results("oblique")
    file = result.build("seg", encoding=encoding).files[0].path
    subprocess.run(
        [converter, "--inputDICOM", file, "--outputDirectory", str(tmp_path), "--prefix", "x",
         "--mergeSegments"],
        check=True, capture_output=True,
    )  # fmt: skip
    described = json.loads((tmp_path / "x-meta.json").read_text(encoding="utf-8"))
    (attributes,) = described["segmentAttributes"]
    labels = [one["SegmentLabel"] for one in attributes]
    assert labels == ["Liver", "Left kidney"]
    assert attributes[0]["recommendedDisplayRGBValue"] == pytest.approx([204, 102, 77], abs=1)
    places, organs = points_of(result.segmentation.grid), result.segmentation.layers[0]
    rows: list[dict[str, Any]] = run_slicer(READ_LABELS, str(tmp_path / "x-1.nrrd"))["segments"]
    assert len(rows) == 2
    for row, value in zip(rows, (5, 2)):
        inside = places[organs == value]
        ml = result.segmentation.grid.voxel_ml * len(inside)
        assert row["ml"] == pytest.approx(ml, rel=1e-6)
        assert row["ras"] == pytest.approx(list(inside.mean(axis=0) * (-1, -1, 1)), abs=1e-3)
