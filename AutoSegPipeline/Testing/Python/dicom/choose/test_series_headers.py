"""The facts that rules ask for are read from real files: of slices, of enhanced objects, of damaged ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from AutoSegPipelineLib.dicom.choose.series_headers import plane_of, read_study
from AutoSegPipelineLib.processing.phantom import spheres
from AutoSegPipelineLib.processing.phantom import write_dicom_series as write_dicom
from support import dicom
from support.enhanced import enhanced_file, frame


@pytest.fixture(scope="module")
def volume() -> Any:
    return spheres(shape=(24, 20, 12), spacing=(8.0, 8.0, 2.5)).volume


def facts(folder: Path) -> Any:
    (found,) = read_study(str(path) for path in sorted(folder.rglob("*.dcm")))
    return found


def test_a_series_of_slices(volume: Any, tmp_path: Path) -> None:
    write_dicom(
        volume, tmp_path, SeriesNumber=7, SeriesDescription="THORAX 2.5", ConvolutionKernel="B30f",
        ProtocolName="Chest", SliceThickness="3", ContrastBolusAgent="Iomeprol", BodyPartExamined="CHEST",
        BurnedInAnnotation="NO", ImageType=["ORIGINAL", "PRIMARY", "AXIAL"],
    )  # fmt: skip
    found = facts(tmp_path)
    assert (found.modality, found.number, found.description) == ("CT", 7, "THORAX 2.5")
    assert (found.kernel, found.protocol, found.body_part) == ("B30f", "Chest", "CHEST")
    assert found.image_type == ("ORIGINAL", "PRIMARY", "AXIAL")
    assert (found.orientation, found.slices, found.thickness, found.spacing) == ("axial", 12, 3.0, 2.5)
    assert (found.contrast, found.burned_in, found.no_scan) == ("yes", "no", "")


def test_the_protocol_does_not_name_the_patient(volume: Any, tmp_path: Path) -> None:
    write_dicom(volume, tmp_path, ProtocolName="Chest of Mustermann", PatientName="MUSTERMANN^ERIKA")
    assert facts(tmp_path).protocol == "Chest of ***"


def test_an_enhanced_object_counts_its_frames(tmp_path: Path) -> None:
    enhanced_file(tmp_path / "one.dcm", [frame((0, 0, 3 * k)) for k in range(9)])
    (found,) = read_study([str(tmp_path / "one.dcm")])
    assert (found.slices, found.spacing, found.orientation, found.no_scan) == (9, 3.0, "axial", "")


@pytest.mark.parametrize(
    "tags, contrast",
    [
        ({}, "no"),
        ({"ContrastBolusAgent": ""}, "no"),
        ({"ContrastBolusAgent": "NONE"}, "no"),
        ({"ContrastBolusAgent": "Ultravist 370"}, "yes"),
        ({"ContrastBolusAgent": "", "ContrastBolusVolume": "80"}, "yes"),
    ],
)
def test_contrast_is_what_the_header_names(
    volume: Any, tmp_path: Path, tags: dict[str, str], contrast: str
) -> None:
    write_dicom(volume, tmp_path, **tags)
    assert facts(tmp_path).contrast == contrast


def test_a_localizer_among_the_slices_changes_nothing(volume: Any, tmp_path: Path) -> None:
    paths = write_dicom(volume, tmp_path, ImageType=["ORIGINAL", "PRIMARY", "AXIAL"])
    dicom.edit(paths[0], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
               ImageOrientationPatient=[1, 0, 0, 0, 0, -1])  # fmt: skip
    found = facts(tmp_path)
    assert (found.image_type[2], found.orientation, found.slices) == ("AXIAL", "axial", 11)


@pytest.mark.parametrize(
    "tags, says",
    [
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "is a localizer"),
        ({"Modality": "US", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.6.1"}, "has the modality US"),
        ({"ImagePositionPatient": None}, "does not say where its slices lie"),
    ],
)
def test_what_can_be_no_volume_says_why(volume: Any, tmp_path: Path, tags: dict[str, Any], says: str) -> None:
    paths = write_dicom(volume, tmp_path)
    dicom.edit_all(paths, **{key: ... if value is None else value for key, value in tags.items()})
    assert says in facts(tmp_path).no_scan


def test_a_damaged_file_is_left_out_and_the_rest_counts(volume: Any, tmp_path: Path) -> None:
    paths = write_dicom(volume, tmp_path)
    paths[3].write_bytes(paths[3].read_bytes()[:600])
    (tmp_path / "notes.dcm").write_bytes(b"no DICOM at all" * 40)
    assert facts(tmp_path).slices == 11


def test_the_series_of_a_study_are_told_apart(volume: Any, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        write_dicom(volume, tmp_path / str(number), SeriesNumber=number)
    found = read_study(str(path) for path in tmp_path.rglob("*.dcm"))
    assert sorted(one.number or 0 for one in found) == [1, 2, 3]
    assert len({one.uid for one in found}) == 3
    assert len({one.study for one in found}) == 1


def turned(degrees: float, axis: int) -> Any:
    """The axial plane, turned about an axis of the patient."""
    angle = np.radians(degrees)
    i, j = [k for k in range(3) if k != axis]
    turn = np.eye(3)
    turn[i, i] = turn[j, j] = np.cos(angle)
    turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
    return (*turn[:, 0], *turn[:, 1])


@pytest.mark.parametrize(
    "orientation, plane",
    [
        ((1, 0, 0, 0, 1, 0), "axial"),
        ((-1, 0, 0, 0, -1, 0), "axial"),
        ((1, 0, 0, 0, 0, -1), "coronal"),
        ((0, 1, 0, 0, 0, -1), "sagittal"),
        (turned(24, 0), "axial"),
        (turned(30, 0), "oblique"),
        (turned(70, 0), "coronal"),
        (turned(-24, 1), "axial"),
    ],
)
def test_planes_are_named_up_to_25_degrees(orientation: Any, plane: str) -> None:
    assert plane_of(orientation) == plane
