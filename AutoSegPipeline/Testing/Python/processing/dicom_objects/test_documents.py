"""Surfaces as encapsulated STL and the picture as a secondary capture."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK
import trimesh
from AutoSegPipelineLib.processing.dicom_objects.capture import capture_object
from AutoSegPipelineLib.processing.dicom_objects.source import Source
from AutoSegPipelineLib.processing.surfaces import make_surfaces
from AutoSegPipelineLib.processing.writers.stl import write_stl_zip
from support import dicom_objects as made
from support.dicom_objects import Result, errors_of, result_of
from support.programs import package, program

package("highdicom")


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    found = result_of(made.even(tmp_path_factory.mktemp("made") / "in", FrameOfReferenceUID="1.2.3.99"))
    write_stl_zip(found.folder / "a.stl.zip", make_surfaces(found.segmentation))
    picture = np.random.default_rng(1).integers(0, 255, (31, 41, 3), np.uint8)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(picture, isVector=True), str(found.folder / "a.png"))
    return found


def test_each_surface_is_an_object_with_its_name_and_code(result) -> None:
    program("dciodvfy")
    files = result.build("stl").files
    objects = [pydicom.dcmread(one.path) for one in files]
    assert [one.DocumentTitle for one in objects] == ["Liver", "Left kidney"]
    assert [one.ConceptNameCodeSequence[0].CodeValue for one in objects] == [
        made.LIVER.value,
        made.KIDNEY.value,
    ]
    assert [one.InstanceNumber for one in objects] == [1, 2]
    assert len({one.SeriesInstanceUID for one in objects}) == len({one.ModelGroupUID for one in objects}) == 1
    with zipfile.ZipFile(result.folder / "a.stl.zip") as archive:
        for one, member in zip(objects, archive.namelist()):
            document = one.EncapsulatedDocument[: one.EncapsulatedDocumentLength]
            assert document == archive.read(member)
            assert trimesh.load(io.BytesIO(document), file_type="stl").is_watertight
            assert one.FrameOfReferenceUID == "1.2.3.99"
            assert one.MeasurementUnitsCodeSequence[0].CodeValue == "mm"
            assert len(one.ReferencedSeriesSequence[0].ReferencedInstanceSequence) == 20
    for file in files:
        # It takes "other studies" for required even where there are none.
        assert [line for line in errors_of(file) if "StudiesContainingOther" not in line] == []


def test_the_picture_keeps_its_colours(result) -> None:
    program("dciodvfy")
    (file,) = result.build("capture").files
    data = pydicom.dcmread(file.path)
    picture = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(result.folder / "a.png")))
    assert np.array_equal(data.pixel_array, picture)
    assert (data.Modality, data.BurnedInAnnotation) == ("OT", "NO")
    assert [line for line in errors_of(file) if "StudiesContainingOther" not in line] == []


@pytest.mark.parametrize(
    "stated, modality, said",
    [("YES", "CT", "YES"), ("NO", "US", "NO"), ("", "MR", "NO"), ("", "US", None)],
)
def test_text_in_the_pixels_of_the_scan_is_text_in_the_picture(result, stated, modality, said) -> None:
    source = Source.read(Path(result.order("capture").headers))
    source.header.BurnedInAnnotation = stated
    source.series = replace(source.series, modality=modality)
    data = capture_object(result.folder / "a.png", source, "1.2.3.4")
    assert data.get("BurnedInAnnotation") == said


def test_what_was_not_ordered_is_not_written(result) -> None:
    order = result.order("capture")
    from AutoSegPipelineLib.processing.dicom_objects.build import Builder

    Builder(order).build()
    assert [path.name for path in Path(order.out).iterdir()] == ["capture-1.dcm"]
