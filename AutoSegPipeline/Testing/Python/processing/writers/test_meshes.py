"""STL and OBJ archives: one closed mesh per structure, in a frame that the file states."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
import trimesh
from AutoSegPipelineLib.processing.surfaces import make_surfaces
from AutoSegPipelineLib.processing.writers.obj import write_obj_zip
from AutoSegPipelineLib.processing.writers.stl import write_stl_zip
from AutoSegPipelineLib.processing.writers.zips import file_names
from support.surfaces import AFFINES, ball, blobs, segmentation

NAMES = {1: "liver", 2: "see_through", 3: "aorta"}


@pytest.fixture(scope="module")
def surfaces():
    return make_surfaces(segmentation([blobs((40, 50, 60), 3, seed=5)], AFFINES["oblique"], NAMES))


def test_stl_holds_a_closed_mesh_per_structure_in_lps_mm(surfaces, tmp_path):
    write_stl_zip(tmp_path / "a.stl.zip", surfaces)
    with zipfile.ZipFile(tmp_path / "a.stl.zip") as archive:
        assert archive.namelist() == ["liver.stl", "see_through.stl", "aorta.stl"]
        for surface in surfaces:
            data = archive.read(f"{surface.segment.name}.stl")
            assert b"SPACE=LPS" in data[:80] and not data.startswith(b"solid")
            mesh = trimesh.load(io.BytesIO(data), file_type="stl")
            assert mesh.is_watertight
            assert mesh.volume / 1000 == pytest.approx(surface.volume_ml, rel=1e-4)
            assert mesh.bounds == pytest.approx(
                np.array([surface.points.min(0), surface.points.max(0)]), abs=1e-3
            )
            assert np.einsum("ij,ij->i", mesh.face_normals, _stored_normals(data)).min() > 0.99


def _stored_normals(data: bytes) -> np.ndarray:
    kind = np.dtype([("normal", "<f4", 3), ("rest", "V38")])
    normals = np.frombuffer(data, kind, offset=84)["normal"].astype(float)
    # trimesh drops facets without area; there are none here.
    assert np.allclose(np.linalg.norm(normals, axis=1), 1.0, atol=1e-4)
    return normals


def test_obj_holds_names_colours_and_its_frame(surfaces, tmp_path):
    write_obj_zip(tmp_path / "a.obj.zip", surfaces)
    with zipfile.ZipFile(tmp_path / "a.obj.zip") as archive:
        archive.extractall(tmp_path)
    colours = (tmp_path / "materials.mtl").read_text()
    assert colours.count("newmtl ") == 3 and "d 0.4000" in colours
    for surface in surfaces:
        path = tmp_path / f"{surface.segment.name}.obj"
        assert "# SPACE=LPS" in path.read_text().splitlines()[:3]
        mesh = trimesh.load(path, process=False, maintain_order=True)
        assert mesh.volume / 1000 == pytest.approx(surface.volume_ml, rel=1e-3)
        merged = trimesh.Trimesh(mesh.vertices, mesh.faces, process=True)
        assert merged.is_watertight
        assert np.allclose(mesh.vertices, surface.points, atol=1e-4)


def test_a_left_handed_ball_is_not_inside_out(tmp_path):
    affine = AFFINES["left_handed"]
    labels, centre = ball((30, 30, 30), affine, 14.0)
    write_stl_zip(tmp_path / "b.zip", make_surfaces(segmentation([labels], affine, {1: "ball"})))
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        mesh = trimesh.load(io.BytesIO(archive.read("ball.stl")), file_type="stl")
    assert mesh.volume == pytest.approx(4 / 3 * np.pi * 14.0**3, rel=0.01)
    assert np.linalg.norm(mesh.center_mass - centre) < 0.75


@pytest.mark.parametrize("write", [write_stl_zip, write_obj_zip])
def test_the_same_surfaces_give_the_same_archive(write, surfaces, tmp_path):
    write(tmp_path / "one.zip", surfaces)
    write(tmp_path / "two.zip", surfaces)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_names_become_file_names_that_every_system_takes():
    assert file_names(["liver", "Liver", "a/b\\c", "..", "con", "Größe 1"]) == [
        "liver", "Liver-2", "a_b_c", "structure", "_con", "Größe_1",
    ]  # fmt: skip
