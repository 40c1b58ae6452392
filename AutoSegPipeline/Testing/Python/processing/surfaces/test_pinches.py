"""What touches itself is separated: edges with four faces, points with two fans, faces back to back."""

from __future__ import annotations

import numpy as np
import pytest
from AutoSegPipelineLib.processing.surfaces import make_surfaces, split
from AutoSegPipelineLib.processing.surfaces.order import order_of
from AutoSegPipelineLib.processing.surfaces.surface import is_closed, signed_volume
from AutoSegPipelineLib.processing.surfaces.unpinch import unpinch
from support.surfaces import edges_with_two_faces, segmentation

CORNERS = np.array([[x, y, z] for x in (0, 1, 2) for y in (0, 1, 2) for z in (0, 1, 2)], float)


def cube(x: int, y: int, z: int) -> list[list[int]]:
    v = [9 * (x + a) + 3 * (y + b) + z + c for c in (0, 1) for b in (0, 1) for a in (0, 1)]
    quads = [[0, 2, 3, 1], [4, 5, 7, 6], [0, 1, 5, 4], [2, 6, 7, 3], [0, 4, 6, 2], [1, 3, 7, 5]]
    return [[v[q[0]], v[q[a]], v[q[a + 1]]] for q in quads for a in (1, 2)]


def most_fans(triangles: np.ndarray) -> int:
    """The most fans of faces round one point; 1 in a manifold."""
    most = 0
    for point in np.unique(triangles).tolist():
        around = {}
        for a, b, c in triangles[(triangles == point).any(axis=1)].tolist():
            turned = (a, b, c) if a == point else (b, c, a) if b == point else (c, a, b)
            around[turned[1]] = turned[2]
        fans = 0
        while around:
            fans += 1
            place = next(iter(around))
            while place in around:
                place = around.pop(place)
        most = max(most, fans)
    return most


@pytest.mark.parametrize("other, shared", [((1, 1, 0), "an edge"), ((1, 1, 1), "a corner")])
def test_two_cubes_that_touch_are_taken_apart(other: tuple[int, int, int], shared: str) -> None:
    triangles = np.array(cube(0, 0, 0) + cube(*other), np.int32)
    assert is_closed(triangles) is (shared == "a corner")
    assert most_fans(triangles) > 1 or shared == "an edge"
    points, apart = unpinch(CORNERS, triangles)
    assert edges_with_two_faces(apart)
    assert most_fans(apart) == 1
    assert len(points) == len(np.unique(apart)) == 16
    assert signed_volume(points, apart) == pytest.approx(2.0, rel=0.05)


def test_two_faces_back_to_back_vanish() -> None:
    alone, triangles = cube(0, 0, 0), [*cube(0, 0, 0), [26, 25, 24], [24, 25, 26]]
    points, left = unpinch(CORNERS, np.array(triangles, np.int32))
    assert len(points) == 8
    assert len(left) == len(alone)
    assert signed_volume(points, left) == pytest.approx(1.0)


def test_a_surface_without_pinches_stays_as_it_is() -> None:
    used = np.unique(cube(0, 0, 0))
    triangles = np.searchsorted(used, cube(0, 0, 0)).astype(np.int32)
    points, same = unpinch(CORNERS[used], triangles)
    assert np.array_equal(points, CORNERS[used])
    assert np.array_equal(same, triangles)


@pytest.mark.parametrize("seed", range(4))
def test_random_voxels_with_every_kind_of_pinch_are_closed_manifolds(seed: int) -> None:
    labels = np.random.default_rng(seed).integers(0, 4, (12, 12, 12)).astype(np.uint8)
    for surface in make_surfaces(segmentation([labels], np.eye(4))):
        assert edges_with_two_faces(surface.triangles), surface.segment.name
        assert most_fans(surface.triangles) == 1, surface.segment.name


def test_labels_are_separated_alike_however_many_are_taken_together(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.random.default_rng(5).integers(0, 9, (10, 10, 10)).astype(np.uint8)
    labels[labels == 3] = 0  # one that has no voxels
    made = []
    for batch in (10**9, 1):
        monkeypatch.setattr(split, "BATCH", batch)
        made.append(make_surfaces(segmentation([labels], np.eye(4))))
    assert [s.segment.name for s in made[0]] == [s.segment.name for s in made[1]]
    for together, alone in zip(*made):
        assert np.array_equal(together.points, alone.points)
        assert np.array_equal(together.triangles, alone.triangles)


@pytest.mark.parametrize("largest", [1, 40, 2**31, 2**62])
def test_the_order_of_equal_keys_is_kept(largest: int) -> None:
    keys = np.random.default_rng(0).integers(0, largest, 1000)
    keys[::3] = keys[0]
    assert np.array_equal(order_of(keys), np.argsort(keys, kind="stable"))


def test_nothing_has_an_order() -> None:
    assert len(order_of(np.zeros(0, np.int64))) == 0
