"""USDZ files: valid for USD's own validators, true to the patient, named and grouped."""

from __future__ import annotations

import importlib.util
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from AutoSegPipelineLib.core import result_formats, specs
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.processing.case import Case
from AutoSegPipelineLib.processing.process import process_case
from AutoSegPipelineLib.processing.surfaces import make_surfaces
from AutoSegPipelineLib.processing.surfaces.surface import centroid, signed_volume
from AutoSegPipelineLib.processing.writers.gltf_document import linear
from AutoSegPipelineLib.processing.writers.seg_nrrd import write_seg_nrrd
from AutoSegPipelineLib.processing.writers.usdz import complaints, pack, read_meshes, verify_usdz
from AutoSegPipelineLib.processing.writers.usdz_stage import FACTS, write_stage
from support.processing import Recorder, case_message, grid, two_layers
from support.programs import package
from support.surfaces import AFFINES, ball, blobs, segmentation

Usd = package("pxr.Usd", "python3 autoseg.py install usdz", before=(3, 15))
UsdGeom, UsdShade = package("pxr.UsdGeom"), package("pxr.UsdShade")

NAMES = {1: "liver", 2: "see_through", 3: "Leber groß", 4: "Leber gro_", 5: "materials"}


def write(folder: Path, surfaces, extras=None) -> Path:
    stage, path = folder / "anatomy.usdc", folder / "Fall Müller.usdz"
    write_stage(stage, surfaces, extras or {}, {"engine": "tissue"})
    pack(stage, path)
    return path


@pytest.fixture(scope="module")
def surfaces():
    made = segmentation([blobs((50, 60, 70), 5, seed=9)], np.diag([1.0, 1.0, 1.0, 1.0]), NAMES)
    found = make_surfaces(made)
    return [
        replace(one, segment=replace(one.segment, opacity=0.4)) if one.segment.name == "see_through" else one
        for one in found
    ]


@pytest.fixture
def stage(surfaces, tmp_path):
    path = write(tmp_path, surfaces, {"liver": {"volume_ml": 12.5}, "materials": {"hidden_at_first": True}})
    verify_usdz(path, surfaces)
    return Usd.Stage.Open(str(path))


def meshes(stage) -> dict[str, object]:
    """The prims of the structures, by the name that each has in its facts."""
    prims = [prim for prim in stage.Traverse() if prim.IsA(UsdGeom.Mesh)]
    return {prim.GetCustomDataByKey(FACTS)["name"]: prim for prim in prims}


def test_the_validators_have_nothing_to_say_and_would_say_something(stage) -> None:
    assert complaints(stage) == []
    bare = Usd.Stage.CreateInMemory()
    assert any("metersPerUnit" in problem for problem in complaints(bare))


@pytest.mark.parametrize("name", AFFINES)
def test_a_ball_is_in_place_in_metres_with_y_up(name: str, tmp_path: Path) -> None:
    affine = AFFINES[name]
    labels, centre = ball((40, 50, 46), affine, 14.0)
    made = make_surfaces(segmentation([labels], affine, {1: "ball"}))
    found = Usd.Stage.Open(str(write(tmp_path, made)))
    assert UsdGeom.GetStageUpAxis(found) == "Y" and UsdGeom.GetStageMetersPerUnit(found) == 1.0
    points, triangles = read_meshes(found)["ball"]
    left, posterior, superior = centre / 1000.0
    half_voxel = min(np.linalg.norm(affine[:3, :3], axis=0)) / 2 / 1000.0
    assert np.linalg.norm(centroid(points, triangles) - (left, superior, -posterior)) < half_voxel
    # Positive: the triangles look outward, so no mirror crept in.
    assert signed_volume(points, triangles) == pytest.approx(4 / 3 * np.pi * 0.014**3, rel=0.01)


def test_structures_are_named_grouped_and_say_what_they_are(stage, surfaces) -> None:
    found = meshes(stage)
    assert set(found) == set(NAMES.values())
    assert stage.GetDefaultPrim().GetCustomDataByKey(FACTS)["engine"] == "tissue"
    # Two names that are one in ASCII, and one that is the scope's: each has a path of its own.
    paths = {name: prim.GetName() for name, prim in found.items()}
    assert paths == {"liver": "liver", "see_through": "see_through", "Leber groß": "Leber_gro_",
                     "Leber gro_": "Leber_gro__2", "materials": "materials_2"}  # fmt: skip
    for one in surfaces:
        prim = found[one.segment.name]
        facts = prim.GetCustomDataByKey(FACTS)
        assert prim.GetDisplayName() == facts["title"] == one.segment.title
        assert prim.GetParent().GetCustomDataByKey(FACTS)["name"] == f"{one.segment.group or 'other'}_group"
        assert (facts["layer"], facts["value"]) == (one.segment.layer, one.segment.value)
    assert found["liver"].GetCustomDataByKey(FACTS)["volume_ml"] == 12.5
    shown = {name: UsdGeom.Imageable(prim).ComputeVisibility() for name, prim in found.items()}
    assert shown.pop("materials") == "invisible" and set(shown.values()) == {"inherited"}


def test_materials_have_colour_and_opacity_and_no_texture(stage, surfaces) -> None:
    found = meshes(stage)
    for one in surfaces:
        material, _ = UsdShade.MaterialBindingAPI(found[one.segment.name]).ComputeBoundMaterial()
        shader, *_ = material.ComputeSurfaceSource()
        assert shader.GetIdAttr().Get() == "UsdPreviewSurface"
        colour = [linear(channel) for channel in one.segment.colour]
        assert list(shader.GetInput("diffuseColor").Get()) == pytest.approx(colour, abs=1e-6)
        assert shader.GetInput("opacity").Get() == pytest.approx(one.segment.opacity)
    assert not UsdGeom.Mesh(found["see_through"]).GetDoubleSidedAttr().Get()


def test_the_case_is_written_checked_and_its_name_is_not_in_the_file(tmp_path: Path) -> None:
    scan = tmp_path / "two.seg.nrrd"
    write_seg_nrrd(scan, two_layers(grid((20, 16, 12))))
    message = case_message(
        scan, tmp_path / "case", kind="segmentation", options={"formats": ["usdz"]}, label="Müller, Anna"
    )
    case = Case.from_dict(message)
    outputs = {one.kind: one for one in process_case(case, Recorder()).outputs}
    path = case.file(".usdz")
    assert outputs["usdz"].name == path.name
    with zipfile.ZipFile(path) as archive:
        (inside,) = archive.infolist()
        assert (inside.filename, inside.compress_type) == ("anatomy.usdc", zipfile.ZIP_STORED)
    assert b"Anna" not in path.read_bytes() and case.stem.encode() not in path.read_bytes()
    stage = Usd.Stage.Open(str(path))
    facts = {name: prim.GetCustomDataByKey(FACTS) for name, prim in meshes(stage).items()}
    extras = {
        node["name"]: node["extras"]
        for node in json.loads(case.file(".gltf").read_text(encoding="utf-8"))["nodes"] if "mesh" in node
    }  # fmt: skip
    assert {name: {**one, "name": name} for name, one in extras.items()} == facts
    assert list(case.work.glob("tmp*")) == []


def test_what_is_missing_or_misplaced_is_found(surfaces, tmp_path: Path) -> None:
    moved = replace(surfaces[0], points=surfaces[0].points + np.float32(1.0))
    for wrong, said in (
        (surfaces[1:], "structures missing"),
        ([moved, *surfaces[1:]], "another place"),
        ([replace(surfaces[0], triangles=surfaces[0].triangles[:-1]), *surfaces[1:]], "incomplete"),
    ):
        with pytest.raises(PipelineError, match=said):
            verify_usdz(write(tmp_path, wrong), surfaces)
    path = write(tmp_path, surfaces)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(PipelineError) as caught:
        verify_usdz(path, surfaces)
    assert caught.value.code == "export.verification"


def test_without_its_package_the_format_is_refused_and_a_case_is_complete_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec

    def without(name: str, *more: str | None) -> object:
        return None if name == "pxr" else real(name, *more)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    lacks = result_formats.BY_KIND["usdz"].lacks
    assert "usd-core" in lacks and "autoseg.py install usdz" in lacks
    assert result_formats.BY_KIND["obj"].lacks == ""
    with pytest.raises(PipelineError) as caught:
        specs.parse_options({"formats": ["usdz"]}, "here")
    assert caught.value.code == "options.format_lacks" and "install usdz" in caught.value.message
    scan = tmp_path / "two.seg.nrrd"
    write_seg_nrrd(scan, two_layers(grid((20, 16, 12))))
    message = case_message(scan, tmp_path / "case", kind="segmentation", options={"formats": ["usdz"]})
    result = process_case(Case.from_dict(message), Recorder())
    assert {one.kind for one in result.outputs} == {"gltf", "manifest"}
    (warning,) = [one for one in result.warnings if one["code"] == "export.package_missing"]
    assert "install usdz" in warning["message"]
