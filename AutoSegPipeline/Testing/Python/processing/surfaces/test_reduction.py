"""Fewer triangles: with the simplifier, without it, and where a filter would do damage."""

from __future__ import annotations

import builtins

import numpy as np
import pytest
from AutoSegPipelineLib.core.segmentation import Segmentation
from AutoSegPipelineLib.processing.surfaces import make, make_surfaces, reduce_alone, shape
from AutoSegPipelineLib.processing.surfaces.surface import centroid, is_closed, signed_volume
from AutoSegPipelineLib.processing.surfaces.unpinch import unpinch
from support.surfaces import ball, edges_with_two_faces, segmentation, voxel_ml

pytestmark = pytest.mark.slow


def without_fast_simplification(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name, *rest):
        if name == "fast_simplification":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)


def fresh(crowd: Segmentation) -> Segmentation:
    """The crowd with a list of warnings of its own."""
    return Segmentation(crowd.grid, crowd.layers, crowd.segments)


def test_without_the_simplifier_vtk_reduces_each_structure(crowd, monkeypatch):
    monkeypatch.setattr(shape, "BUDGET", 0)
    shared = make_surfaces(crowd)
    whole = {s.segment.name: s for s in make_surfaces(crowd, 1.0)}
    without_fast_simplification(monkeypatch)
    made = fresh(crowd)
    surfaces = make_surfaces(made)
    assert made.warnings == []
    assert [s.segment.name for s in surfaces] == list(whole)
    assert sum(len(s.triangles) for s in surfaces) == pytest.approx(
        sum(len(s.triangles) for s in shared), rel=0.2
    )
    wanted = voxel_ml(crowd)
    for surface in surfaces:
        name = surface.segment.name
        assert edges_with_two_faces(surface.triangles)
        if wanted[name] > 1.0:
            assert surface.volume_ml == pytest.approx(wanted[name], rel=0.02)
        middle, expected = (centroid(s.points, s.triangles) for s in (surface, whole[name]))
        assert np.linalg.norm(middle - expected) < 0.5


def test_a_simplifier_that_cannot_keep_borders_is_not_used(crowd, monkeypatch):
    import fast_simplification

    def as_in_0_1_13(points, triangles, target_count=None, agg=7.0, return_collapses=False):
        raise AssertionError("it was used although it lacks preserve_border")

    def as_in_0_2_0(*arguments, preserve_border=False, **others):
        return arguments

    monkeypatch.setattr(fast_simplification, "simplify", as_in_0_2_0)
    assert make.simplifier_is_there()
    monkeypatch.setattr(fast_simplification, "simplify", as_in_0_1_13)
    assert not make.simplifier_is_there()
    monkeypatch.setattr(shape, "BUDGET", 0)
    made = fresh(crowd)
    kept, whole = (sum(len(s.triangles) for s in make_surfaces(made, detail)) for detail in (0.1, 1.0))
    assert kept / whole == pytest.approx(0.1, abs=0.04)
    assert made.warnings == []


def test_where_the_better_filter_tears_the_surface_the_careful_one_is_taken(crowd, monkeypatch):
    run = reduce_alone._run
    monkeypatch.setattr(shape, "BUDGET", 0)

    def tearing(method, points, triangles):
        made = run(method, points, triangles)
        if made is not None and "Quadric" in method.GetClassName():
            return made[0], made[1][1:]
        return made

    without_fast_simplification(monkeypatch)
    whole = sum(len(s.triangles) for s in make_surfaces(crowd, 1.0))
    monkeypatch.setattr(reduce_alone, "_run", tearing)
    made = fresh(crowd)
    surfaces = make_surfaces(made)
    assert all(edges_with_two_faces(s.triangles) for s in surfaces)
    assert sum(len(s.triangles) for s in surfaces) < 0.4 * whole
    assert made.warnings == []


def test_gaps_that_a_filter_tore_are_closed(crowd_surfaces):
    surface = max(crowd_surfaces, key=lambda s: len(s.triangles))
    torn = surface.triangles.copy()
    round_a_point = (torn == torn[200, 0]).any(axis=1)
    lost = round_a_point | np.isin(np.arange(len(torn)), [10, 500, 501, 900])
    assert not is_closed(torn[~lost])
    points, mended = unpinch(surface.points, reduce_alone.close_gaps(torn[~lost]))
    assert edges_with_two_faces(mended)
    assert signed_volume(points, mended) == pytest.approx(surface.volume_ml * 1000, rel=0.01)
    assert reduce_alone.close_gaps(torn) is torn


@pytest.mark.parametrize("damage", ["torn", "shrunk", "no filter"])
def test_what_cannot_be_reduced_without_damage_keeps_its_triangles_and_a_warning_says_so(damage, monkeypatch):
    run, filters = reduce_alone._run, reduce_alone._filters

    def damaging(method, points, triangles):
        points, triangles = run(method, points, triangles)
        return (points, triangles[1:]) if damage == "torn" else (points * 0.1, triangles)

    labels, _ = ball((24, 24, 24), np.eye(4), 8.0)
    whole = make_surfaces(segmentation([labels], np.eye(4)), 1.0)[0]
    without_fast_simplification(monkeypatch)
    monkeypatch.setattr(shape, "BUDGET", 0)
    monkeypatch.setattr(shape, "COARSEN_BELOW", 0.0)
    monkeypatch.setattr(reduce_alone, "_run", damaging)
    monkeypatch.setattr(
        reduce_alone, "_filters", lambda part: iter(()) if damage == "no filter" else filters(part)
    )
    made = segmentation([labels], np.eye(4))
    (surface,) = make_surfaces(made)
    assert edges_with_two_faces(surface.triangles)
    assert len(surface.triangles) == len(whole.triangles)
    assert [w["code"] for w in made.warnings] == ["surface.not_reduced"]
