"""Phantoms drawn on any grid: a torso, and spheres."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Sequence

import numpy as np

from ...core.segmentation import Affine, Grid, Segmentation
from ..engines.structures import structure_segment
from ..volume import Rows, Volume, to_affine
from . import anatomy
from .solids import Canvas, Ellipsoid, Point

_LATTICE = 1.0  # mm, of the quadrature for what has no closed form


@dataclass
class Phantom:
    """A made scan with what is known of it.

    ``truth`` labels each voxel by its centre. ``volumes_ml`` and
    ``centres_lps`` (mm) come from formulas, not from voxels, and name only
    structures that lie wholly within the grid.
    """

    volume: Volume
    truth: Segmentation
    volumes_ml: dict[str, float]
    centres_lps: dict[str, Point]


def centred_affine(
    shape: Sequence[int],
    spacing: Sequence[float] = (3.0, 3.0, 3.0),
    axes: Sequence[Sequence[float]] = ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    centre: Point = (0.0, 0.0, 0.0),
) -> Affine:
    """An affine whose grid centre lies at ``centre`` (LPS mm).

    ``axes[n]`` is the LPS direction in which index ``n`` (i, j, k) runs; it is
    normalised, and may be oblique, flipped, permuted or left-handed.
    """
    directions = np.asarray(axes, dtype=float)
    directions = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    matrix = directions.T * np.asarray(spacing, dtype=float)
    rows = np.eye(4)
    rows[:3, :3] = matrix
    rows[:3, 3] = np.asarray(centre) - matrix @ ((np.asarray(shape) - 1) / 2.0)
    return to_affine(rows)


def torso(
    shape: Sequence[int] = (122, 101, 60),
    spacing: Sequence[float] = (3.0, 3.0, 3.0),
    affine: Rows | None = None,
    seed: int = 0,
    noise_hu: float = 12.0,
    scale: float = 1.0,
    table: bool = True,
) -> Phantom:
    """A torso CT in HU (16-bit integers), its trunk in the middle of the grid.

    ``shape`` counts (i, j, k); ``affine`` (index to LPS mm) replaces
    ``spacing`` and decides where left is. Natural size (``scale`` 1) needs
    about 360 x 230 x 180 mm; a smaller field of view cuts it as a scanner does.
    """
    grid = _grid(shape, spacing, affine)
    canvas = Canvas(grid, _middle(grid), float(scale))
    hu = np.full(grid.array_shape, anatomy.AIR_HU, np.int16)
    body = np.zeros(grid.array_shape, np.uint8)
    labels = np.zeros(grid.array_shape, np.uint8)
    parts = anatomy.parts(table)
    names = [name for name in dict.fromkeys(part.name for part in parts) if name]
    for part in parts:
        window = canvas.window(part.solid)
        if window is None:
            continue
        mask = canvas.mask(part.solid, window)
        hu[window][mask] = part.hu
        labels[window][mask] = names.index(part.name) + 1 if part.name else 0
        if part.solid == anatomy.BODY:
            body[window][mask] = 1
    # What sticks out of the skin (the couch's edge never does) is no part of the patient.
    labels[body == 0] = 0
    _add_noise(hu, noise_hu, seed)
    truth = _truth(grid, body, labels, names)
    known = [name for name, (solid, _) in anatomy.KNOWN.items() if canvas.holds(solid)]
    return Phantom(
        Volume(hu, grid, "CT"),
        truth,
        {name: known_volume(name)[0] * scale**3 / 1000.0 for name in known},
        {name: _place(known_volume(name)[1], canvas) for name in known},
    )


def spheres(
    shape: Sequence[int] = (96, 96, 96),
    spacing: Sequence[float] = (1.0, 1.0, 1.0),
    affine: Rows | None = None,
    balls: Sequence[tuple[Point, float]] = (((0.0, 0.0, 0.0), 24.0),),
    inside_hu: float = 60.0,
    outside_hu: float = -1000.0,
    noise_hu: float = 0.0,
    seed: int = 0,
) -> Phantom:
    """Balls given as (centre in LPS mm from the middle of the grid, radius in mm).

    The structures are ``sphere_1``, ``sphere_2`` ...; later balls cover earlier ones.
    """
    grid = _grid(shape, spacing, affine)
    canvas = Canvas(grid, _middle(grid), 1.0)
    hu = np.full(grid.array_shape, outside_hu, np.int16)
    labels = np.zeros(grid.array_shape, np.uint8)
    volumes, centres = {}, {}
    for number, (centre, radius) in enumerate(balls, start=1):
        ball = Ellipsoid(centre, (radius, radius, radius))
        window = canvas.window(ball)
        if window is not None:
            mask = canvas.mask(ball, window)
            hu[window][mask] = inside_hu
            labels[window][mask] = number
        if canvas.holds(ball):
            volumes[f"sphere_{number}"] = ball.volume() / 1000.0
            centres[f"sphere_{number}"] = _place(centre, canvas)
    _add_noise(hu, noise_hu, seed)
    segments = tuple(structure_segment(f"sphere_{n}", 0, n) for n in range(1, len(balls) + 1))
    return Phantom(Volume(hu, grid, "CT"), Segmentation(grid, [labels], segments), volumes, centres)


@functools.cache
def known_volume(name: str) -> tuple[float, Point]:
    """Volume in mm³ and centre of mass (mm, the anatomy's frame) of a known structure.

    Exact where nothing bites into the ellipsoid, else what the bites take
    away is summed on a lattice of 1 mm, which errs by less than 0.1 %.
    """
    solid, bites = anatomy.KNOWN[name]
    volume, centre = solid.volume(), np.asarray(solid.centroid())
    if not bites:
        return volume, _point(centre)
    moment = volume * centre
    low, high = solid.box()
    x, y, z = (
        np.arange(a + _LATTICE / 2, b, _LATTICE).reshape([-1 if n == axis else 1 for n in range(3)])
        for axis, (a, b) in enumerate(zip(low, high))
    )
    bitten = np.zeros(np.broadcast(x, y, z).shape, bool)
    for bite in bites:
        bitten |= bite.inside(x, y, z)
    bitten &= solid.inside(x, y, z)
    cell = _LATTICE**3
    count = bitten.sum() * cell
    taken = [float((bitten * axis).sum()) * cell for axis in (x, y, z)]
    return float(volume - count), _point((moment - np.asarray(taken)) / (volume - count))


def _truth(grid: Grid, body: np.ndarray, labels: np.ndarray, names: list[str]) -> Segmentation:
    present = set(np.flatnonzero(np.bincount(labels.ravel(), minlength=len(names) + 1)))
    segments = [structure_segment("body", 0, 1)] if body.any() else []
    segments += [structure_segment(n, 1, v) for v, n in enumerate(names, start=1) if v in present]
    return Segmentation(grid, [body, labels], tuple(segments))


def _add_noise(hu: np.ndarray, noise_hu: float, seed: int) -> None:
    """Gaussian noise, slice by slice (so that a large scan needs little memory)."""
    if noise_hu <= 0:
        return
    random = np.random.default_rng(seed)
    for plane in hu:
        noisy = plane + random.standard_normal(plane.shape, dtype=np.float32) * np.float32(noise_hu)
        plane[...] = np.clip(np.rint(noisy), -1024, 3071)


def _grid(shape: Sequence[int], spacing: Sequence[float], affine: Rows | None) -> Grid:
    i, j, k = (int(n) for n in shape)
    return Grid((i, j, k), centred_affine(shape, spacing) if affine is None else to_affine(affine))


def _middle(grid: Grid) -> Point:
    """LPS mm of the middle of the grid."""
    index = [*((n - 1) / 2.0 for n in grid.shape), 1.0]
    return _point(np.asarray(grid.affine)[:3] @ index)


def _place(point: Point, canvas: Canvas) -> Point:
    return _point(np.asarray(canvas.centre) + canvas.scale * np.asarray(point))


def _point(values: Sequence[float] | np.ndarray) -> Point:
    x, y, z = (float(v) for v in values)
    return (x, y, z)
