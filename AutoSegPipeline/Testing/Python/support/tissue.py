"""Phantoms for the tissue engine, and how well it finds what was drawn."""

from __future__ import annotations

import numpy as np
from AutoSegPipelineLib.core.errors import Cancelled
from AutoSegPipelineLib.core.progress import SilentReport
from AutoSegPipelineLib.core.segmentation import Grid, Segmentation
from AutoSegPipelineLib.processing import phantom
from AutoSegPipelineLib.processing.engines import choose
from AutoSegPipelineLib.processing.volume import Volume, to_affine

SHAPE = (122, 101, 60)
ANGLE = np.deg2rad(20)
TILT = np.array([[1, 0, 0], [0, np.cos(ANGLE), np.sin(ANGLE)], [0, -np.sin(ANGLE), np.cos(ANGLE)]])
OBLIQUE = np.array([[np.cos(ANGLE), np.sin(ANGLE), 0], [-np.sin(ANGLE), np.cos(ANGLE), 0], [0, 0, 1]]) @ TILT


class Listening(SilentReport):
    """Keeps what is said; stops the case at the check whose number is ``stop_at``."""

    def __init__(self, stop_at: int = -1) -> None:
        self.fractions: list[float] = []
        self.lines: list[str] = []
        self.checks = 0
        self.stop_at = stop_at

    def progress(self, fraction, message=""):
        self.fractions.append(fraction)

    def log(self, text, level="info"):
        self.lines.append(text)

    def check(self):
        self.checks += 1
        if self.checks == self.stop_at:
            raise Cancelled


def segment(volume, report=None, **options) -> Segmentation:
    return choose("tissue").segment(volume, options, report or SilentReport())


def masks(segmentation: Segmentation) -> dict[str, np.ndarray]:
    return {s.name: segmentation.layers[s.layer] == s.value for s in segmentation.segments}


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2.0 * float((one & other).sum()) / max(1, int(one.sum() + other.sum()))


def agreement(made: phantom.Phantom, found: Segmentation) -> dict[str, float]:
    truth, got = masks(made.truth), masks(found)
    return {name: dice(truth[name], got[name]) for name in got if name in truth}


def with_array(volume: Volume, array: np.ndarray, modality: str = "CT") -> Volume:
    return Volume(array, volume.grid, modality)


def crop(made: phantom.Phantom, *window: slice) -> phantom.Phantom:
    """The part (k, j, i) of a phantom, in its place."""
    affine = np.asarray(made.volume.grid.affine).copy()
    starts = [s.indices(n)[0] for s, n in zip(window, made.volume.array.shape)][::-1]
    affine[:3, 3] += affine[:3, :3] @ starts
    array = np.ascontiguousarray(made.volume.array[window])
    grid = Grid(array.shape[::-1], to_affine(affine))
    layers = [np.ascontiguousarray(layer[window]) for layer in made.truth.layers]
    return phantom.Phantom(Volume(array, grid, "CT"), Segmentation(grid, layers, made.truth.segments), {}, {})


def mirrored(volume: Volume) -> Volume:
    """The same voxels with a header that calls the left side right."""
    affine = np.diag([-1.0, 1.0, 1.0, 1.0]) @ np.asarray(volume.grid.affine)
    return Volume(volume.array, Grid(volume.grid.shape, to_affine(affine)), volume.modality)


def coordinates(volume: Volume) -> list[np.ndarray]:
    k, j, i = np.meshgrid(*[np.arange(n) for n in volume.array.shape], indexing="ij")
    return [a * i + b * j + c * k + d for a, b, c, d in np.asarray(volume.grid.affine)[:3]]


def drawn(function) -> Volume:
    """A scan of 240 x 240 x 180 mm from a function of x, y, z in mm, with a little noise."""
    volume = phantom.spheres((80, 80, 60), (3, 3, 3)).volume
    hu = function(*coordinates(volume)) + np.random.default_rng(0).normal(0, 12, volume.array.shape)
    return with_array(volume, hu.astype(np.int16))


def leg(x, y, z):
    hu = np.full(x.shape, -1000.0)
    for radius, value in ((85, -100), (70, 55)):
        hu[np.hypot(x, y) < radius] = value
    for radius, value in ((15, 900), (9, -40)):
        hu[np.hypot(x + 5, y) < radius] = value
    return hu


def head(x, y, z):
    hu = np.full(x.shape, -1000.0)
    r = np.sqrt((x / 75) ** 2 + (y / 95) ** 2 + (z / 110) ** 2)
    for radius, value in ((1, 40), (0.95, 900), (0.88, 35)):
        hu[r < radius] = value
    for side in (-25, 25):
        hu[np.sqrt(((x - side) / 16) ** 2 + ((y + 60) / 16) ** 2 + ((z + 50) / 18) ** 2) < 1] = -1000
    hu[np.sqrt((x / 10) ** 2 + ((y + 65) / 12) ** 2 + ((z + 70) / 22) ** 2) < 1] = -1000
    return hu
