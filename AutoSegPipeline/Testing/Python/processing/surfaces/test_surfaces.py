"""Surfaces: closed, outward, as large as their voxels, where their voxels are."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from AutoSegPipelineLib.core.errors import Cancelled
from AutoSegPipelineLib.core.progress import SilentReport
from AutoSegPipelineLib.processing.surfaces import make, make_surfaces, net, shape
from AutoSegPipelineLib.processing.surfaces.surface import centroid
from support.surfaces import AFFINES, ball, blobs, edges_with_two_faces, segmentation, voxel_ml


@pytest.mark.parametrize("detail", [0.1, 1.0])
@pytest.mark.parametrize("name", AFFINES)
def test_a_ball_keeps_volume_and_place_with_every_affine(name, detail):
    affine = AFFINES[name]
    labels, centre = ball((40, 50, 46), affine, 14.0)
    (surface,) = make_surfaces(segmentation([labels], affine), detail)
    assert surface.volume_ml == pytest.approx(4 / 3 * np.pi * 14.0**3 / 1000, rel=0.01)
    half_voxel = min(np.linalg.norm(affine[:3, :3], axis=0)) / 2
    assert np.linalg.norm(centroid(surface.points, surface.triangles) - centre) < half_voxel
    radii = np.linalg.norm(surface.points - centre, axis=1)
    assert radii.min() > 14.0 - max(np.linalg.norm(affine[:3, :3], axis=0)) / 2
    assert radii.max() < 14.0 + max(np.linalg.norm(affine[:3, :3], axis=0)) / 2
    outward = (surface.points - centre) / radii[:, None]
    assert np.einsum("ij,ij->i", surface.normals, outward).min() > 0.8
    assert edges_with_two_faces(surface.triangles)


def test_every_structure_of_a_crowd_is_closed_and_outward(crowd_surfaces):
    for surface in crowd_surfaces:
        assert edges_with_two_faces(surface.triangles), surface.segment.name
        assert surface.is_closed
        # Also for readers that merge points of one place, as trimesh does here.
        mesh = trimesh.Trimesh(surface.points, surface.triangles, process=True)
        assert mesh.is_watertight and mesh.is_winding_consistent and mesh.volume > 0
        assert np.allclose(np.linalg.norm(surface.normals, axis=1), 1.0, atol=1e-5)


def test_structures_keep_the_volume_of_their_voxels(crowd, crowd_surfaces):
    wanted = voxel_ml(crowd)
    large = [s for s in crowd_surfaces if wanted[s.segment.name] > 1.0]
    assert len(large) >= 8
    for surface in large:
        assert surface.volume_ml == pytest.approx(wanted[surface.segment.name], rel=0.02)


def test_detail_is_the_part_of_triangles_that_is_kept(crowd, monkeypatch):
    monkeypatch.setattr(shape, "BUDGET", 0)
    whole, half, small = (sum(len(s.triangles) for s in make_surfaces(crowd, d)) for d in (1.0, 0.5, 0.1))
    assert small / whole == pytest.approx(0.1, abs=0.04)
    assert half / whole == pytest.approx(0.5, abs=0.04)


def test_a_small_scan_keeps_what_its_shapes_need(crowd, crowd_surfaces):
    whole = sum(len(s.triangles) for s in make_surfaces(crowd, detail=1.0))
    kept = sum(len(s.triangles) for s in crowd_surfaces)
    assert kept == pytest.approx(min(whole, shape.BUDGET), rel=0.2)


def test_neighbours_share_their_wall_point_by_point():
    labels = np.zeros((30, 40, 40), np.uint8)
    k, j, i = np.indices(labels.shape)
    body = (i - 20) ** 2 + (j - 20) ** 2 + 1.5 * (k - 15) ** 2 < 150
    labels[body & (i + j < 40)] = 1
    labels[body & (i + j >= 40)] = 2
    one, two = make_surfaces(segmentation([labels], np.eye(4)))
    shared = {tuple(p) for p in one.points.tolist()} & {tuple(p) for p in two.points.tolist()}
    inner = np.array(sorted(shared))

    # The wall lies in the plane i + j = 39.5 through the middle of the body; its rim is left out.
    def on_wall(p: np.ndarray) -> np.ndarray:
        deep = (p[:, 0] - 20) ** 2 + (p[:, 1] - 20) ** 2 + 1.5 * (p[:, 2] - 15) ** 2 < 100
        return deep & (abs(p[:, 0] + p[:, 1] - 39.5) < 1.0)

    near = [on_wall(s.points) for s in (one, two)]
    assert min(n.sum() for n in near) > 10
    assert len(inner) > 20
    assert all(tuple(p) in shared for s, n in zip((one, two), near) for p in s.points[n].tolist())


def test_smoothing_takes_the_steps_out_of_a_slanted_wall():
    labels = np.zeros((40, 60, 60), np.uint8)
    k, j, i = np.indices(labels.shape)
    labels[(k > 4) & (k < 14 + 0.3 * i) & (i > 4) & (i < 55) & (j > 4) & (j < 55)] = 1

    def roughness(smoothing: bool) -> float:
        (surface,) = make_surfaces(segmentation([labels], np.eye(4)), 1.0, smoothing)
        a, b, c = (surface.points[surface.triangles[:, n]] for n in range(3))
        middle = (a + b + c) / 3
        inside = (abs(middle[:, 0] - 30) < 12) & (abs(middle[:, 1] - 30) < 12) & (middle[:, 2] > 10)
        normals = np.cross(b - a, c - a)[inside]
        normals /= np.linalg.norm(normals, axis=1)[:, None]
        ideal = np.array([-0.3, 0, 1]) / np.hypot(0.3, 1)
        return float(np.degrees(np.arccos(np.clip(normals @ ideal, -1, 1))).mean())

    assert roughness(False) > 15.0
    assert roughness(True) < 4.0


def test_a_structure_cut_off_by_the_volume_is_closed_there():
    labels = np.zeros((20, 24, 28), np.uint16)
    labels[:, :12, :] = 7
    (surface,) = make_surfaces(segmentation([labels], np.eye(4)))
    assert edges_with_two_faces(surface.triangles)
    # Its sharp edges are rounded by smoothing, so its faces bulge by less than a voxel.
    assert surface.points.min(axis=0) == pytest.approx([-0.5] * 3, abs=0.75)
    assert surface.volume_ml == pytest.approx(20 * 12 * 28 / 1000, rel=0.005)


def test_one_voxel_gives_a_closed_surface():
    labels = np.zeros((9, 9, 9), np.uint8)
    labels[4, 4, 4] = 1
    (surface,) = make_surfaces(segmentation([labels], np.eye(4)))
    assert edges_with_two_faces(surface.triangles)
    assert centroid(surface.points, surface.triangles) == pytest.approx([4, 4, 4], abs=0.04)
    assert 0.4 < surface.volume_ml * 1000 < 1.1


def test_a_segment_without_voxels_gives_a_warning_and_no_surface():
    labels = np.zeros((9, 9, 9), np.uint8)
    labels[2:6, 2:6, 2:6] = 1
    made = segmentation([labels], np.eye(4), {1: "there", 2: "not_there"})
    assert [s.segment.name for s in make_surfaces(made)] == ["there"]
    assert [w["code"] for w in made.warnings] == ["surface.empty"]
    nothing = segmentation([np.zeros((4, 4, 4), np.uint8)], np.eye(4), {1: "nothing"})
    assert make_surfaces(nothing) == []


def test_values_that_no_segment_names_count_as_outside():
    labels = np.full((20, 20, 20), 9, np.uint8)
    labels[5:15, 5:15, 5:15] = 3
    (surface,) = make_surfaces(segmentation([labels], np.eye(4), {3: "inner"}))
    assert surface.volume_ml == pytest.approx(1.0, rel=0.01)


@pytest.mark.parametrize("value", [40000, 3_000_000_000])
def test_large_label_values_are_told_apart(value):
    labels = np.zeros((20, 20, 20), np.uint32)
    labels[2:10, 4:16, 4:16] = value
    labels[10:18, 4:16, 4:16] = value + 1
    surfaces = make_surfaces(segmentation([labels], np.eye(4)))
    assert [s.segment.value for s in surfaces] == [value, value + 1]
    assert all(s.volume_ml == pytest.approx(8 * 12 * 12 / 1000, rel=0.02) for s in surfaces)


def test_layers_may_overlap():
    inner, outer = np.zeros((24, 24, 24), np.uint8), np.zeros((24, 24, 24), np.uint8)
    inner[8:16, 8:16, 8:16], outer[4:20, 4:20, 4:20] = 1, 1
    volumes = [s.volume_ml for s in make_surfaces(segmentation([outer, inner], np.eye(4)))]
    assert volumes == pytest.approx([16**3 / 1000, 8**3 / 1000], rel=0.02)


def test_without_the_filter_of_vtk_the_surfaces_are_the_same(crowd, crowd_surfaces, monkeypatch):
    monkeypatch.setattr(net, "_vtk_net", lambda labels, count: None)
    plain = make_surfaces(crowd)
    for ours, theirs in zip(plain, crowd_surfaces):
        assert edges_with_two_faces(ours.triangles)
        assert ours.volume_ml == pytest.approx(theirs.volume_ml, rel=0.01)
    counts = [sum(len(s.triangles) for s in surfaces) for surfaces in (plain, crowd_surfaces)]
    assert counts[0] == pytest.approx(counts[1], rel=0.05)


def test_a_net_that_is_not_closed_is_not_trusted():
    labels = np.pad(blobs((20, 24, 28), 3), 1)
    sound = net.numpy_net(labels)
    assert net.is_sound(sound, 3)
    assert not net.is_sound(net.Net(sound.points, sound.quads[1:], sound.sides[1:]), 3)
    assert not net.is_sound(net.Net(sound.points, sound.quads[:, ::-1], sound.sides), 3)


def test_what_shaping_would_lose_comes_as_its_voxels_are(crowd, monkeypatch):
    monkeypatch.setattr(make, "split", lambda mesh, count: iter(()))
    wanted = voxel_ml(crowd)
    surfaces = make_surfaces(crowd)
    assert [s.segment.name for s in surfaces] == list(wanted)
    for surface in surfaces:
        assert edges_with_two_faces(surface.triangles)
        assert surface.volume_ml == pytest.approx(wanted[surface.segment.name], rel=0.01)


def test_the_same_labels_give_the_same_surface_bit_for_bit(crowd, crowd_surfaces):
    for first, second in zip(crowd_surfaces, make_surfaces(crowd)):
        assert np.array_equal(first.points, second.points)
        assert np.array_equal(first.triangles, second.triangles)


def test_the_label_layers_are_left_as_they_were(crowd):
    before = crowd.layers[0].copy()
    make_surfaces(crowd)
    assert np.array_equal(crowd.layers[0], before)


def test_a_cancelled_case_stops_between_two_steps(crowd):
    class Impatient(SilentReport):
        def check(self) -> None:
            raise Cancelled

    with pytest.raises(Cancelled):
        make_surfaces(crowd, report=Impatient())
