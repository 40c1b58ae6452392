"""Surfaces that follow a scan: where the interpolated intensity crosses a threshold, between voxels."""

from __future__ import annotations

import numpy as np
import pytest
from AutoSegPipelineLib.processing.surfaces import Budget, Scan, Surface, make_surfaces
from AutoSegPipelineLib.processing.surfaces.surface import centroid
from support.surfaces import AFFINES, blobs, edges_with_two_faces, segmentation

SHAPE = (30, 36, 34)
RADIUS = 12.5  # mm
BONE, TISSUE = 700.0, 40.0
EDGE = (BONE + TISSUE) / 2


def scanned_ball(affine: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A CT of a ball, blurred as a scanner does (float32, k j i), its labels and its centre in LPS mm."""
    middle = (np.array(SHAPE[::-1]) - 1) / 2.0 + (0.3, -0.2, 0.4)
    centre = affine[:3, :3] @ middle + affine[:3, 3]
    k, j, i = np.indices(SHAPE)
    points = np.stack([i, j, k], axis=-1) @ affine[:3, :3].T + affine[:3, 3]
    depth = RADIUS - np.linalg.norm(points - centre, axis=-1)
    blur = max(np.linalg.norm(affine[:3, :3], axis=0))
    hu = TISSUE + (BONE - TISSUE) / (1.0 + np.exp(-3.0 * depth / blur))
    return hu.astype(np.float32), (hu > EDGE).astype(np.uint8), centre


def spread(surface: Surface, centre: np.ndarray) -> float:
    """Standard deviation in mm of the points' distances from the centre."""
    return float(np.linalg.norm(surface.points - centre, axis=1).std())


@pytest.mark.parametrize("name", AFFINES)
def test_a_ball_becomes_rounder_and_keeps_volume_and_place_with_every_affine(name):
    affine = AFFINES[name]
    hu, labels, centre = scanned_ball(affine)
    (plain,) = make_surfaces(segmentation([labels], affine, {1: "ball"}))
    (surface,) = make_surfaces(
        segmentation([labels], affine, {1: "ball"}), scan=Scan(hu, {"ball": (EDGE, None)})
    )
    assert spread(surface, centre) < 0.5 * spread(plain, centre)
    assert surface.volume_ml == pytest.approx(4 / 3 * np.pi * RADIUS**3 / 1000, rel=0.01)
    half_voxel = min(np.linalg.norm(affine[:3, :3], axis=0)) / 2
    assert np.linalg.norm(centroid(surface.points, surface.triangles) - centre) < half_voxel
    assert edges_with_two_faces(surface.triangles)


def test_what_is_darker_than_its_neighbours_is_followed_as_well():
    affine = AFFINES["anisotropic"]
    hu, labels, _ = scanned_ball(affine)
    made = segmentation([labels], affine, {1: "hollow"})
    (bright,) = make_surfaces(made, scan=Scan(hu, {"hollow": (EDGE, None)}))
    (dark,) = make_surfaces(made, scan=Scan(-hu, {"hollow": (None, -EDGE)}))
    assert np.abs(bright.points - dark.points).max() < 1e-3


def test_a_scan_that_contradicts_the_labels_moves_nothing():
    affine = AFFINES["straight"]
    hu, labels, _ = scanned_ball(affine)
    made = segmentation([labels], affine, {1: "ball"})
    (plain,) = make_surfaces(made)
    for scan in (-hu, np.full_like(hu, BONE)):
        (surface,) = make_surfaces(made, scan=Scan(scan, {"ball": (EDGE, None)}))
        assert np.array_equal(surface.points, plain.points)
    budget = Budget()
    (surface,) = make_surfaces(made, budget=budget, scan=Scan(hu, {"other": (EDGE, None)}))
    assert np.array_equal(surface.points, plain.points)
    plain, steps = Budget(), Budget()
    make_surfaces(made, smoothing=False, budget=steps, scan=Scan(hu, {"ball": (EDGE, None)}))
    make_surfaces(made, budget=plain)
    assert [one.to_dict()["follows_scan"] for one in (budget, steps, plain)] == [[], [], []]


def test_points_stay_within_a_voxel_of_their_faces_however_noisy_the_scan_is():
    labels = np.pad(blobs((40, 50, 60), 6, seed=3), 2)
    noise = np.random.default_rng(0).normal(0.0, 200.0, labels.shape).astype(np.float32)
    made = segmentation([labels], np.eye(4))
    names = {segment.name: (100.0, None) for segment in made.segments}
    budget = Budget()
    surfaces = make_surfaces(made, 1.0, budget=budget, scan=Scan(100.0 * (labels > 0) + noise, names))
    assert budget.follows == list(names)
    assert "part_0_1" in budget.summary()
    for surface, plain in zip(surfaces, make_surfaces(made, 1.0)):
        assert edges_with_two_faces(surface.triangles)
        assert surface.volume_ml == pytest.approx(plain.volume_ml, rel=0.02)
        assert np.abs(surface.points - plain.points).max() < 3.0  # two points that may each go 1.5 voxels


def test_of_two_neighbours_the_first_range_counts_and_their_wall_stays_one():
    i = np.indices((24, 30, 40))[2]
    hu = (1000.0 / (1.0 + np.exp(-(i - 20.3)))).astype(np.float32)
    labels = np.where(hu > 300.0, 2, 1).astype(np.uint8)
    labels[[0, -1]] = labels[:, [0, -1]] = labels[:, :, [0, -1]] = 0
    made = segmentation([labels], np.eye(4), {1: "soft", 2: "hard"})
    ranges = {"hard": (300.0, None), "soft": (None, 900.0)}
    one, two = make_surfaces(made, scan=Scan(hu, ranges))
    shared = np.array(
        sorted({tuple(p) for p in one.points.tolist()} & {tuple(p) for p in two.points.tolist()})
    )
    middle = shared[(abs(shared[:, 1] - 14.5) < 8) & (abs(shared[:, 2] - 11.5) < 6)]
    place = 20.3 + np.log(300.0 / 700.0)  # where the scan reaches 300
    assert len(middle) > 3
    assert np.abs(middle[:, 0] - place).max() < 0.1


def test_the_scan_is_let_go():
    hu, labels, _ = scanned_ball(AFFINES["straight"])
    scan = Scan(hu, {"ball": (EDGE, None)})
    make_surfaces(segmentation([labels], AFFINES["straight"], {1: "ball"}), scan=scan)
    assert scan.array is None
