"""DICOM: grouping, refusals, and conversions that put every voxel where the headers say."""

from __future__ import annotations

import math

import numpy as np
import pydicom
import pytest
from AutoSegPipelineLib.intake.dicom import cases
from AutoSegPipelineLib.intake.examine import examine_one
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from support.intake import codes, field, field_slices, look, only_case, save, worst_error
from support.programs import package

AXIAL = (1, 0, 0, 0, 1, 0)
TURN = math.radians(20)
DIRECTIONS = {
    "axial": AXIAL,
    "coronal": (1, 0, 0, 0, 0, -1),
    "sagittal": (0, 1, 0, 0, 0, -1),
    "prone": (-1, 0, 0, 0, -1, 0),
    "oblique": (math.cos(TURN), math.sin(TURN), 0, -math.sin(TURN) * 0.8, math.cos(TURN) * 0.8, 0.6),
}


def places(orientation=AXIAL, count=20, step=3.0, start=(-40, -38, 10)):
    normal = np.cross(orientation[:3], orientation[3:])
    return [np.array(start) + n * step * normal for n in range(count)]


@pytest.fixture(params=["dcm2niix", "without dcm2niix"])
def converter(request, monkeypatch):
    """Both ways of conversion."""
    if request.param != "dcm2niix":
        monkeypatch.setattr(cases, "dcm2niix_path", lambda: None)
        return "gdcm"
    assert cases.dcm2niix_path() is not None
    return "dcm2niix"


def change(path, **tags):
    data = pydicom.dcmread(path)
    for key, value in tags.items():
        setattr(data, key, value)
    data.save_as(path)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_every_voxel_of_a_series_lies_where_its_headers_say(direction, converter, tmp_path):
    orientation = DIRECTIONS[direction]
    field_slices(tmp_path / "in", places(orientation), orientation)
    case = only_case(look(tmp_path / "in"))
    assert case["facts"]["converter"] == converter
    assert sorted(case["shape"]) == [20, 40, 40] and case["modality"] == "CT" and not case["warnings"]
    assert np.allclose(sorted(case["spacing"]), [2, 2, 3], atol=1e-4)
    assert worst_error(case) <= 0.51


def test_left_is_left(converter, tmp_path):
    """One bright block at the patient's left front: LPS x > 0, y < 0."""
    made = field_slices(tmp_path / "in", places(), AXIAL)
    for path in made:
        data = pydicom.dcmread(path)
        pixels = np.full((40, 40), 24, dtype="<u2")
        pixels[4:8, 30:36] = 3000
        data.PixelData = pixels.tobytes()
        data.save_as(path)
    import SimpleITK

    case = only_case(look(tmp_path / "in"))
    array = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(case["path"]))
    k, j, i = (float(index.mean()) for index in np.nonzero(array > 1000))
    where = np.array(case["affine"]) @ [i, j, k, 1]
    assert np.allclose(where[:2], (-40 + 2 * 32.5, -38 + 2 * 5.5), atol=0.01)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("tagged", [True, False])
def test_a_tilted_gantry_is_straightened(sign, tagged, converter, tmp_path):
    angle = math.radians(15) * sign
    tilted = (1, 0, 0, 0, math.cos(angle), math.sin(angle))
    tags = {"GantryDetectorTilt": str(-15 * sign), "Manufacturer": "SIEMENS"} if tagged else {}
    field_slices(tmp_path / "in", [np.array((-40, -38, 10 + 3.0 * n)) for n in range(20)], tilted, **tags)
    case = only_case(look(tmp_path / "in"))
    assert [warning["code"] for warning in case["warnings"]] == ["dicom.gantry_tilt"]
    assert case["facts"]["gantry_tilt_degrees"] == pytest.approx(15, abs=0.01)
    axes = np.array(case["affine"])[:3, :3]
    assert abs(axes[:, 1] @ axes[:, 2]) < 1e-6
    assert worst_error(case, 8) <= 1.5


def test_a_few_missing_slices_are_interpolated_and_said(tmp_path):
    made = field_slices(tmp_path / "in", places(count=30), AXIAL)
    made[10].unlink()
    case = only_case(look(tmp_path / "in"))
    assert [warning["code"] for warning in case["warnings"]] == ["dicom.missing_slices"]
    assert case["shape"] == [40, 40, 30] and case["facts"]["missing_slices"] == 1
    assert worst_error(case) <= 1.5


@pytest.mark.parametrize("gone", [range(10, 14), range(5, 25, 3)])
def test_many_missing_slices_are_refused(gone, tmp_path):
    made = field_slices(tmp_path / "in", places(count=30), AXIAL)
    for n in gone:
        made[n].unlink()
    assert codes(look(tmp_path / "in")) == ["dicom.missing_slices"]


def test_uneven_slices_are_brought_to_the_finest_step(tmp_path):
    heights = [3.0 * n for n in range(15)] + [42 + 4.0 * n for n in range(1, 12)]
    field_slices(tmp_path / "in", [np.array((-40, -38, z)) for z in heights], AXIAL)
    case = only_case(look(tmp_path / "in"))
    assert [warning["code"] for warning in case["warnings"]] == ["dicom.uneven_slices"]
    assert case["spacing"][2] == pytest.approx(3.0) and worst_error(case) <= 1.5


@pytest.mark.parametrize("syntax", ["JPEG2000Lossless", "JPEGLSLossless", "JPEGLossless", "RLELossless"])
def test_compressed_slices_give_the_same_voxels(syntax, converter, tmp_path):
    gdcm = package("gdcm", before=(3, 15))
    wanted = {
        "JPEG2000Lossless": gdcm.TransferSyntax.JPEG2000Lossless,
        "JPEGLSLossless": gdcm.TransferSyntax.JPEGLSLossless,
        "JPEGLossless": gdcm.TransferSyntax.JPEGLosslessProcess14_1,
        "RLELossless": gdcm.TransferSyntax.RLELossless,
    }[syntax]
    for path in field_slices(tmp_path / "in", places(count=10), AXIAL):
        reader, changer, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
        reader.SetFileName(str(path))
        assert reader.Read()
        changer.SetTransferSyntax(gdcm.TransferSyntax(wanted))
        changer.SetInput(reader.GetImage())
        assert changer.Change()
        writer.SetFileName(str(path))
        writer.SetFile(reader.GetFile())
        writer.SetImage(changer.GetOutput())
        assert writer.Write()
    assert pydicom.dcmread(path).file_meta.TransferSyntaxUID.is_compressed
    whole = path.read_bytes()
    assert examine_one(str(path)).state == "complete"
    (tmp_path / "cut").write_bytes(whole[: len(whole) - 12])
    assert examine_one(str(tmp_path / "cut")).state == "incomplete"
    case = only_case(look(tmp_path / "in"))
    assert worst_error(case) <= 0.51 and case["facts"]["transfer_syntax"] != "1.2.840.10008.1.2.1"


def enhanced(path, order, orientation=AXIAL, moments=1):
    """An Enhanced CT of :func:`field`, its frames in any order."""
    (path.parent).mkdir(exist_ok=True)
    (single,) = field_slices(path.parent / "one", places(orientation, 1), orientation)
    data = pydicom.dcmread(single)
    single.unlink()
    single.parent.rmdir()
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2.1"
    del data.ImagePositionPatient, data.ImageOrientationPatient, data.PixelSpacing, data.SliceThickness
    del data.RescaleSlope, data.RescaleIntercept
    shared, measures, plane, scale = Dataset(), Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [2, 2], 3
    plane.ImageOrientationPatient = [round(v, 8) for v in orientation]
    scale.RescaleSlope, scale.RescaleIntercept, scale.RescaleType = 1, -1024, "HU"
    shared.PixelMeasuresSequence = Sequence([measures])
    shared.PlaneOrientationSequence = Sequence([plane])
    shared.PixelValueTransformationSequence = Sequence([scale])
    data.SharedFunctionalGroupsSequence = Sequence([shared])
    frames, pixels, where = [], [], places(orientation)
    for moment in range(moments):
        for n in order:
            frame, position, content = Dataset(), Dataset(), Dataset()
            position.ImagePositionPatient = [round(float(v), 6) for v in where[n]]
            content.StackID, content.InStackPositionNumber = "1", n + 1
            content.TemporalPositionIndex = moment + 1
            content.DimensionIndexValues = [1, n + 1]
            frame.PlanePositionSequence, frame.FrameContentSequence = (
                Sequence([position]),
                Sequence([content]),
            )
            frames.append(frame)
            j, i = np.meshgrid(np.arange(40), np.arange(40), indexing="ij")
            point = [where[n][r] + 2 * (i * orientation[r] + j * orientation[3 + r]) for r in range(3)]
            pixels.append(np.rint(field(*point) + 1024).astype("<u2"))
    data.PerFrameFunctionalGroupsSequence = Sequence(frames)
    data.NumberOfFrames = len(frames)
    data.PixelData = np.stack(pixels).tobytes()
    save(data, path)


@pytest.mark.parametrize("direction", ["axial", "oblique"])
def test_enhanced_multi_frame_lies_where_its_frames_say(direction, converter, tmp_path):
    enhanced(tmp_path / "in" / "E1", range(20), DIRECTIONS[direction])
    case = only_case(look(tmp_path / "in"))
    assert sorted(case["shape"]) == [20, 40, 40] and case["facts"]["multiframe"]
    assert worst_error(case) <= 0.51


def test_frames_in_any_order_are_sorted_by_place(converter, tmp_path):
    enhanced(tmp_path / "in" / "E1", [*range(10, 20), *range(10)])
    assert worst_error(only_case(look(tmp_path / "in"))) <= 0.51


def test_an_enhanced_time_series_is_four_dimensional(tmp_path):
    enhanced(tmp_path / "in" / "E1", range(20), moments=2)
    assert codes(look(tmp_path / "in")) == ["input.four_dimensional"]


def test_files_in_any_order_and_with_identical_copies_are_one_case(tmp_path):
    made = field_slices(tmp_path / "in", places(), AXIAL)
    first = only_case(look(tmp_path / "in"))
    (tmp_path / "in" / "copy").write_bytes(made[3].read_bytes())
    made[0].rename(tmp_path / "in" / "zzz")
    again = only_case(look(tmp_path / "in"))
    assert first["sha256"] == again["sha256"] and first["stem"] == again["stem"]
    assert [warning["code"] for warning in again["warnings"]] == ["dicom.duplicates"]
    assert len(again["files"]) == 21 and again["series_key"] == "1.2.3.1"
    made[5].write_bytes(made[5].read_bytes()[:-2] + b"\1\1")
    assert only_case(look(tmp_path / "in"))["sha256"] != first["sha256"]


def test_nothing_of_the_patient_stands_in_the_stem_or_label(tmp_path):
    field_slices(tmp_path / "in", places(), AXIAL)
    case = only_case(look(tmp_path / "in", key="00ff"))
    assert case["stem"].startswith("CT_1_") and case["label"] == "CT series 1 Thorax"
    assert "Doe" not in str(case) and "P1" not in str(case)
    assert only_case(look(tmp_path / "in", key="01ff"))["stem"] != case["stem"]


REFUSED = {
    "two patients": ("dicom.two_patients", {"PatientID": lambda n: f"P{n % 2}"}),
    "a localizer": ("dicom.scout", {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}),
    "a localizer by its name": ("dicom.scout", {"SeriesDescription": "Topogram 0.6", "few": 3}),
    "too short": ("input.too_thin", {"few": 5}),
    "PET": ("dicom.unsupported_modality", {"Modality": "PT"}),
    "a segmentation object": ("dicom.not_an_image", {"Modality": "SEG"}),
    "a time series": ("input.four_dimensional", {"TemporalPositionIdentifier": lambda n: n, "same": True}),
    "no position": ("input.orientation_unstated", {"ImagePositionPatient": None}),
    "axes that are none": ("input.bad_affine", {"ImageOrientationPatient": [1, 0, 0, 0.5, 0.5, 0]}),
    "colours": ("input.colour", {"SamplesPerPixel": 3, "BitsAllocated": 8, "pixels": bytes(4800)}),
    "constant": ("input.constant", {"pixels": bytes(3200)}),
    "fewer pixels than claimed": ("input.claims_too_much", {"Rows": 400}),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_it_is_refused_with_its_own_code(kind, tmp_path):
    code, tags = REFUSED[kind]
    tags = dict(tags)
    count, same, pixels = tags.pop("few", 20), tags.pop("same", False), tags.pop("pixels", None)
    where = places(count=count)
    made = field_slices(tmp_path / "in", where[:10] * 2 if same else where, AXIAL)
    for number, path in enumerate(made):
        change(path, **{key: value(number) if callable(value) else value for key, value in tags.items()})
        if pixels:
            change(path, PixelData=pixels)
    answer = look(tmp_path / "in")
    assert answer["cases"] == [] and set(codes(answer)) == {code}
    assert sum(len(row["files"]) for row in answer["refusals"]) == count


def test_two_different_files_of_one_instance_are_refused(tmp_path):
    made = field_slices(tmp_path / "in", places(), AXIAL)
    change(made[4], SOPInstanceUID=pydicom.dcmread(made[3]).SOPInstanceUID)
    assert codes(look(tmp_path / "in")) == ["dicom.conflicting_instances"]


def test_a_report_beside_a_series_is_refused_and_the_series_is_taken(tmp_path):
    made = field_slices(tmp_path / "in", places(), AXIAL)
    report = pydicom.dcmread(made[0])
    for key in ("PixelData", "Rows", "Columns", "ImagePositionPatient", "ImageOrientationPatient"):
        delattr(report, key)
    report.Modality, report.SeriesInstanceUID, report.SOPInstanceUID = "SR", "1.2.9", "1.2.9.1"
    report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
    save(report, tmp_path / "in" / "SR1")
    answer = look(tmp_path / "in")
    assert len(answer["cases"]) == 1 and codes(answer) == ["dicom.not_an_image"]
    assert answer["refusals"][0]["files"] == ["SR1"]


def test_a_localizer_of_three_planes_is_one_refusal(tmp_path):
    for n, direction in enumerate(("axial", "coronal", "sagittal")):
        orientation = DIRECTIONS[direction]
        field_slices(tmp_path / "in", places(orientation, 3), orientation, offset=10 * n,
                     SeriesDescription="localizer", Modality="MR")  # fmt: skip
    answer = look(tmp_path / "in")
    assert answer["cases"] == [] and codes(answer) == ["dicom.scout"]
    (refusal,) = answer["refusals"]
    assert refusal["error"]["message"].startswith("9 files share one reason.") and refusal["count"] == 9


def test_two_orientations_and_two_echoes_in_one_series_become_cases_of_their_own(tmp_path):
    for n, (direction, echo) in enumerate((("axial", "10"), ("coronal", "10"), ("axial", "30"))):
        orientation = DIRECTIONS[direction]
        field_slices(
            tmp_path / "in", places(orientation), orientation, offset=30 * n, EchoTime=echo, Modality="MR"
        )
    answer = look(tmp_path / "in")
    assert answer["refusals"] == [] and len(answer["cases"]) == 3
    assert len({case["stem"] for case in answer["cases"]}) == 3
    assert len({case["sha256"] for case in answer["cases"]}) == 3
    for case in answer["cases"]:
        assert [warning["code"] for warning in case["warnings"]] == ["dicom.several_stacks"]
        assert len(case["files"]) == 20 and worst_error(case) <= 0.51


def test_several_series_in_one_folder_are_several_cases(tmp_path):
    for number in (1, 2):
        field_slices(tmp_path / "in" / "DICOM", places(), AXIAL, SeriesNumber=number)
    answer = look(tmp_path / "in")
    assert answer["refusals"] == [] and len(answer["cases"]) == 2
    assert [case["stem"][:5] for case in answer["cases"]] == ["CT_1_", "CT_2_"]


def test_a_broken_slice_is_refused_alone(tmp_path):
    made = field_slices(tmp_path / "in", places(count=24), AXIAL)
    made[-1].write_bytes(made[-1].read_bytes()[:-100])
    answer = look(tmp_path / "in")
    assert codes(answer) == ["input.truncated"] and answer["cases"][0]["shape"] == [40, 40, 23]


def test_a_cut_in_the_headers_never_gives_more_than_an_error_with_a_code(tmp_path):
    (path,) = field_slices(tmp_path / "in", places(count=1), AXIAL)
    data = path.read_bytes()
    dice = np.random.default_rng(3)
    for _ in range(200):
        broken = bytearray(data)
        for at in dice.integers(0, len(data) - 3200, 4):
            broken[at] = dice.integers(0, 256)
        path.write_bytes(
            bytes(broken)[: int(dice.integers(140, len(data)))] if dice.random() < 0.5 else bytes(broken)
        )
        row = examine_one(str(path))
        assert row.error is None or row.error["code"].startswith("input.")
