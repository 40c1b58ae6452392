"""From shapes on the coarse frame to labels on the scan's own voxels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

import numpy as np
from scipy import ndimage

from ...volume import Volume
from .body import SOLID_HU
from .frame import Frame
from .lungs import AIR_HU, Air
from .morphology import grow, shrink
from .wall import BONE_HU, LEAN_HU

# Layer 1; the numbers are the labels.
LAYER = (
    "lung_left", "lung_right", "airways", "bones",
    "muscle", "soft_tissue", "subcutaneous_fat", "visceral_fat",
)  # fmt: skip
# What a threshold separates from all around it: the lowest and the highest HU. Bones come first: their
# edge counts where two of these touch.
RANGES: dict[str, tuple[float | None, float | None]] = {
    "bones": (BONE_HU, None),
    "lung_left": (None, AIR_HU),
    "lung_right": (None, AIR_HU),
    "airways": (None, AIR_HU),
    "body": (SOLID_HU, None),
}
_VALUE = {name: value for value, name in enumerate(LAYER, start=1)}
_FAT_HU = -190.0
_SMOOTH_MM = 0.8  # of the Gaussian against noise before thresholds
_SLAB_VOXELS = 6_000_000

_BODY, _DEEP, _LEFT, _RIGHT, _AIRWAYS = (1 << n for n in range(5))
_BONES, _MARROW, _INNER, _MUSCLE, _LUNG_CORE = (1 << n for n in range(5, 10))


@dataclass
class Shapes:
    """What was found on the frame. ``muscle`` is None where muscle cannot be decided."""

    body: np.ndarray
    air: Air
    bones: np.ndarray
    inner: np.ndarray
    muscle: np.ndarray | None


def zones(frame: Frame, shapes: Shapes) -> np.ndarray:
    """Bits (uint16) that say of each element what its voxels may become."""
    spacing, air = frame.spacing, shapes.air
    near = 1.5 * spacing
    code = np.zeros(frame.hu.shape, np.uint16)
    code[grow(shapes.body, 1.1 * spacing, spacing)] |= _BODY
    code[shrink(shapes.body, 1.1 * spacing, spacing)] |= _DEEP
    claims = np.zeros(frame.hu.shape, np.uint8)
    for value, mask in enumerate((air.left, air.right, air.airways, air.gas), start=1):
        claims[mask] = value
    if claims.any():
        distance, indices = ndimage.distance_transform_edt(claims == 0, return_indices=True)
        owner = np.where(distance * spacing <= near, claims[tuple(indices)], 0)
        for value, bit in ((1, _LEFT), (2, _RIGHT), (3, _AIRWAYS)):
            code[owner == value] |= bit
        lungs = air.left | air.right
        code[shrink(lungs, 1.1 * spacing, spacing)] |= _LUNG_CORE
    code[grow(shapes.bones, near, spacing)] |= _BONES
    code[shapes.bones & (frame.hu < BONE_HU)] |= _MARROW
    code[shapes.inner] |= _INNER
    if shapes.muscle is not None:
        code[shapes.muscle] |= _MUSCLE
    return code


def label_voxels(
    volume: Volume, frame: Frame, shapes: Shapes, step: Callable[[float], None]
) -> tuple[np.ndarray, np.ndarray]:
    """The body (0 or 1) and the tissues (values of :data:`LAYER`), uint8, shape (k, j, i).

    ``step`` is called with the fraction done after each slab of slices.
    """
    code = zones(frame, shapes)
    body = np.zeros(volume.array.shape, np.uint8)
    tissue = np.zeros(volume.array.shape, np.uint8)
    i, j, count = volume.grid.shape
    thick = max(1, _SLAB_VOXELS // (i * j))
    for start in range(0, count, thick):
        stop = min(count, start + thick)
        hu = _smooth(volume, start, stop)
        # Smoothing would thicken thin dense bone: there the voxel itself must be dense too.
        dense = (hu > BONE_HU) & (volume.array[start:stop] > BONE_HU)
        here = frame.to_voxels(code, start, stop)
        body[start:stop], tissue[start:stop] = _decide(hu, dense, here, shapes.muscle is not None)
        step(stop / count)
    return body, tissue


def _decide(
    hu: np.ndarray, dense: np.ndarray, code: np.ndarray, muscle_known: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Labels of one slab from its intensities and the zones; the later line wins."""

    def zone(bit: int) -> np.ndarray:
        return (code & bit) != 0

    body = (zone(_BODY) & (hu > SOLID_HU)) | zone(_DEEP)
    inner = zone(_INNER)
    labels = np.zeros(hu.shape, np.uint8)
    fat = body & (hu <= LEAN_HU)
    # At the skin a voxel is part air; near lungs and gas that would be no fat.
    labels[fat & ~inner & (hu > SOLID_HU)] = _VALUE["subcutaneous_fat"]
    labels[fat & inner & (hu > _FAT_HU)] = _VALUE["visceral_fat"]
    lean = body & inner & (hu > LEAN_HU)
    labels[lean] = _VALUE["soft_tissue"]
    if muscle_known:
        labels[lean & zone(_MUSCLE)] = _VALUE["muscle"]
    hollow = body & (hu < AIR_HU)
    vessels = zone(_LUNG_CORE) & (hu < 150)
    labels[(hollow | vessels) & zone(_LEFT)] = _VALUE["lung_left"]
    labels[(hollow | vessels) & zone(_RIGHT)] = _VALUE["lung_right"]
    labels[hollow & zone(_AIRWAYS)] = _VALUE["airways"]
    labels[body & ((zone(_BONES) & dense) | (zone(_MARROW) & (hu > _FAT_HU)))] = _VALUE["bones"]
    return body.astype(np.uint8), labels


def _smooth(volume: Volume, start: int, stop: int) -> np.ndarray:
    """A slab as float32, softened by a fixed length: coarse voxels have little noise to lose."""
    i, j, k = volume.grid.spacing
    sigmas = [0.0 if (s := _SMOOTH_MM / spacing) < 0.4 else min(s, 2.0) for spacing in (k, j, i)]
    halo = int(np.ceil(3 * sigmas[0]))
    low, high = max(0, start - halo), min(volume.array.shape[0], stop + halo)
    slab = volume.array[low:high].astype(np.float32)
    if any(sigmas):
        slab = ndimage.gaussian_filter(slab, sigmas, mode="nearest", truncate=2.5)
    return slab[start - low : slab.shape[0] - (high - stop)]
