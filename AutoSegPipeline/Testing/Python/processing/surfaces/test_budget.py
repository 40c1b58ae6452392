"""The limits of surfaces: triangles for the case and for each structure, specks, the error allowed."""

from __future__ import annotations

import numpy as np
import pytest
from AutoSegPipelineLib.core.segmentation import Segmentation
from AutoSegPipelineLib.processing.anatomy import hidden_at_first
from AutoSegPipelineLib.processing.engines.structures import structure_segment
from AutoSegPipelineLib.processing.phantom import torso
from AutoSegPipelineLib.processing.surfaces import Budget, make, make_surfaces, shape, specks
from AutoSegPipelineLib.processing.surfaces.budget import shares
from AutoSegPipelineLib.processing.surfaces.surface import centroid
from scipy import ndimage
from support.surfaces import ball, blobs, edges_with_two_faces, segmentation, voxel_ml


@pytest.mark.parametrize("most", [60_000, 20_000])
def test_the_limit_holds_for_the_case_and_for_each_structure(most, crowd):
    budget = Budget(most=most)
    made = Segmentation(crowd.grid, crowd.layers, crowd.segments)
    surfaces = make_surfaces(made, 0.5, budget=budget)
    assert [s.segment.name for s in surfaces] == [s.name for s in crowd.segments]
    assert 0.6 * most < sum(len(s.triangles) for s in surfaces) <= most
    assert budget.triangles == sum(len(s.triangles) for s in surfaces)
    wanted = voxel_ml(crowd)
    for surface in surfaces:
        note = budget.notes[surface.segment.name]
        assert note.share is None or len(surface.triangles) <= note.share
        assert edges_with_two_faces(surface.triangles)
        if wanted[surface.segment.name] > 1.0:
            assert surface.volume_ml == pytest.approx(wanted[surface.segment.name], rel=0.02)
    assert any(note.share is not None for note in budget.notes.values())
    assert made.warnings == []


def test_without_a_limit_nothing_is_taken_away(crowd):
    free = sum(len(s.triangles) for s in make_surfaces(crowd, 0.5, budget=Budget(most=0)))
    assert free == sum(len(s.triangles) for s in make_surfaces(crowd, 0.5, budget=Budget(most=10**9)))
    assert free > 60_000


def test_soft_tissue_gives_way_before_organs():
    labels = blobs((60, 80, 100), 8)
    made = segmentation([labels], np.eye(4))
    groups = ["tissue" if n % 2 else "organs" for n in range(len(made.segments))]
    made = Segmentation(made.grid, made.layers, tuple(
        type(s)(**{**s.__dict__, "group": group}) for s, group in zip(made.segments, groups)
    ))  # fmt: skip
    free, bound = Budget(most=0), Budget(most=20_000)
    make_surfaces(made, 0.9, budget=free)
    make_surfaces(made, 0.9, budget=bound)
    left = {s.name: bound.notes[s.name].triangles / free.notes[s.name].triangles for s in made.segments}
    hard = [left[s.name] for s in made.segments if s.group == "organs"]
    soft = [left[s.name] for s in made.segments if s.group == "tissue"]
    assert np.mean(soft) < 0.8 * np.mean(hard)


def test_a_limit_below_what_shapes_need_is_a_warning(crowd):
    made = Segmentation(crowd.grid, crowd.layers, crowd.segments)
    budget = Budget(most=100)
    surfaces = make_surfaces(made, budget=budget)
    assert 100 < budget.triangles == sum(len(s.triangles) for s in surfaces) < 3000
    assert all(edges_with_two_faces(s.triangles) for s in surfaces)
    assert [w["code"] for w in made.warnings] == ["surface.over_limit"]


def test_shares_grow_with_the_root_of_the_surface_and_what_is_left_over_goes_to_the_others():
    faces = np.array([100.0, 400.0, 1600.0, 4.0])
    share = shares(np.array([1e6, 1e6, 1e6, 10.0]), faces, np.zeros(4, bool), 7010)
    assert share == pytest.approx([1000, 2000, 4000, 10])
    share = shares(np.full(2, 1e6), np.array([100.0, 100.0]), np.array([False, True]), 5000)
    assert share == pytest.approx([4000, 1000])


@pytest.mark.parametrize("spacing", [(0.6, 0.6, 0.6), (0.7, 0.7, 1.2)])
def test_simplifying_by_error_stays_within_half_a_voxel(spacing, monkeypatch):
    """A large ball and a thin rod: every point of the surfaces against the formulas."""
    monkeypatch.setattr(shape, "LARGE", 0)
    monkeypatch.setattr(shape, "BUDGET", 0)
    affine = np.diag([*spacing, 1.0])
    labels, centre = ball((90, 130, 130), affine, 24.0)
    _, j, i = np.indices(labels.shape)
    x, y = i * spacing[0], j * spacing[1]
    labels[(x - 8.0) ** 2 + (y - 8.0) ** 2 < 9.0] = 2
    budget = Budget()
    plain = Budget()
    sphere, rod = make_surfaces(segmentation([labels], affine), budget=budget)
    monkeypatch.setattr(shape, "LARGE", 10**9)
    make_surfaces(segmentation([labels], affine), budget=plain)
    assert budget.triangles < 0.6 * plain.triangles  # smooth shapes need far fewer than a tenth
    half = max(spacing) / 2
    radii = np.linalg.norm(sphere.points - centre, axis=1)
    assert abs(radii - 24.0).max() < half
    assert np.linalg.norm(centroid(sphere.points, sphere.triangles) - centre) < half
    assert sphere.volume_ml == pytest.approx(4 / 3 * np.pi * 24.0**3 / 1000, rel=0.01)
    away = np.hypot(rod.points[:, 0] - 8.0, rod.points[:, 1] - 8.0)
    # Its flat ends are rounded, which reaches four edges of the coarse net into it.
    inner = (rod.points[:, 2] > 8 * spacing[2]) & (rod.points[:, 2] < 81 * spacing[2])
    assert abs(away[inner] - 3.0).max() < half
    middles = sphere.points[sphere.triangles].mean(axis=1)
    assert abs(np.linalg.norm(middles - centre, axis=1) - 24.0).max() < half  # nor do flat faces cut in
    assert all(note.error_mm[1] < min(spacing) / 2 for note in budget.notes.values())


def test_a_mesh_simplified_in_pieces_is_as_closed_as_one_done_at_once(crowd, monkeypatch):
    monkeypatch.setattr(shape, "LARGE", 0)
    monkeypatch.setattr(shape, "BUDGET", 0)
    counts = []
    for piece in (10**9, 5_000):
        monkeypatch.setattr("AutoSegPipelineLib.processing.surfaces.decimate.PIECE", piece)
        surfaces = make_surfaces(crowd)
        assert all(edges_with_two_faces(s.triangles) for s in surfaces)
        for surface in surfaces:
            wanted = voxel_ml(crowd)[surface.segment.name]
            assert wanted < 1.0 or surface.volume_ml == pytest.approx(wanted, rel=0.02)
        counts.append(sum(len(s.triangles) for s in surfaces))
    assert counts[1] == pytest.approx(counts[0], rel=0.25)


def noisy() -> np.ndarray:
    """Two large bodies with specks of one in the other, outside and at their wall, and with holes."""
    labels = np.zeros((60, 70, 80), np.uint8)
    labels[5:55, 5:65, 5:40] = 1
    labels[5:55, 5:65, 40:75] = 2
    random = np.random.default_rng(3)
    for value in (0, 1, 2):
        for k, j, i in random.integers((8, 8, 8), (50, 60, 70), (150, 3)):
            labels[k : k + 1, j : j + 2, i : i + 2] = value
    return labels


def small_pieces(labels: np.ndarray, below: int) -> int:
    return sum(
        int((np.bincount(ndimage.label(labels == v)[0].ravel())[1:] < below).sum()) for v in np.unique(labels)
    )


@pytest.mark.parametrize("slab", [3, 10**6])
def test_specks_and_holes_go_whatever_slab_they_lie_in(slab, monkeypatch):
    labels = np.pad(noisy(), 1)
    before, counts = labels.copy(), np.bincount(labels.ravel(), minlength=3)
    monkeypatch.setattr(specks, "SLAB_VOXELS", slab * labels[0].size)
    expected = [small_pieces((labels == v).astype(np.uint8) + 7, 9) for v in (0, 1, 2)]
    assert small_pieces(labels, 9) > 200
    found = specks.without_specks(labels, counts, 9.0)
    assert small_pieces(labels, 9) == 0
    assert np.array_equal(counts, np.bincount(labels.ravel(), minlength=3))
    assert found.pieces.sum() > 200 and found.pieces.sum() <= sum(expected)
    changed = before != labels
    assert found.voxels.sum() == changed.sum()
    assert changed.mean() < 0.01


def test_a_structure_of_small_pieces_keeps_them():
    labels = np.zeros((40, 60, 60), np.uint8)
    labels[2:38, 2:58, 2:30] = 1
    for n in range(40):  # lesions of eight voxels each
        k, j, i = 4 + 3 * (n % 10), 4 + 12 * (n // 10), 40
        labels[k : k + 2, j : j + 2, i : i + 2] = 2
    budget = Budget(piece_ml=0.02)
    surfaces = {s.segment.value: s for s in make_surfaces(segmentation([labels], np.eye(4)), budget=budget)}
    assert surfaces[2].volume_ml == pytest.approx(40 * 0.008, rel=0.2)
    assert budget.notes["part_0_2"].specks == 0


def test_specks_are_counted_and_stay_in_the_label_map():
    labels = np.zeros((70, 90, 90), np.uint8)
    labels[5:65, 5:85, 5:85] = 1
    labels[10, 10, 10] = labels[30, 30, 30:32] = 0  # two holes
    labels[2, 2, 2:5] = 1  # a speck outside
    before = labels.copy()
    budget = Budget(piece_ml=0.01)
    (surface,) = make_surfaces(segmentation([labels], np.eye(4)), budget=budget)
    assert np.array_equal(labels, before)
    note = budget.notes["part_0_1"]
    assert (note.specks, note.specks_ml, budget.holes) == (1, pytest.approx(0.003), 2)
    assert surface.points.min() > 3.0
    kept = Budget(piece_ml=0.0)
    (surface,) = make_surfaces(segmentation([labels], np.eye(4)), budget=kept)
    assert surface.points.min() < 3.0 and kept.holes == 0


def test_what_the_budget_did_is_said_in_words(crowd):
    budget = Budget(most=20_000, piece_ml=0.0)
    make_surfaces(crowd, budget=budget)
    told = budget.to_dict()
    assert told["max_triangles"] == 20_000 and told["triangles"] <= 20_000 < told["triangles_full"]
    assert f"{told['triangles']:,} of the {told['triangles_full']:,} triangles" in told["summary"]
    assert f"within the limit of 20,000, {len(told['limited'])} structures were" in told["summary"]
    assert "No piece was left out" in told["summary"]
    specked = Budget(holes=2)
    specked.notes["a"] = make.StructureNote(100, None, 90, 3, 0.012)
    assert "3 separate pieces smaller than 0.01 ml (0.012 ml in all); 2 holes" in specked.summary()
    assert "did not matter" in specked.summary()
    assert "no limit" in Budget(most=0).summary()


def test_the_torso_keeps_its_organs_within_the_limit(monkeypatch):
    """Simplified by error and cut to the limit: volumes within 1 %, centres within half a voxel."""
    monkeypatch.setattr(shape, "LARGE", 0)
    made = torso((122, 101, 60), (3.0, 3.0, 3.0))
    budget, free = Budget(most=40_000), Budget(most=0)
    surfaces = {s.segment.name: s for s in make_surfaces(made.truth, 0.2, budget=budget)}
    make_surfaces(made.truth, 0.2, budget=free)
    assert budget.triangles <= 40_000 < free.triangles
    wanted = voxel_ml(made.truth)
    assert len(made.centres_lps) >= 4
    for name, centre in made.centres_lps.items():
        surface = surfaces[name]
        assert surface.volume_ml == pytest.approx(wanted[name], rel=0.01), name
        assert np.linalg.norm(centroid(surface.points, surface.triangles) - centre) < 1.5, name
        assert budget.notes[name].error_mm[1] < 1.5, name
    # A shell that could not give up as much as is asked must not collapse, nor push its neighbours.
    assert all(note.error_mm[0] < 1.5 for note in budget.notes.values())


def test_soft_tissue_is_hidden_at_first_unless_there_is_nothing_else():
    names = ("body", "muscle", "bones", "liver")
    segments = [structure_segment(name, 0, n) for n, name in enumerate(names, 1)]
    assert hidden_at_first(segments) == {"body", "muscle"}
    assert hidden_at_first(segments[:2]) == set()
