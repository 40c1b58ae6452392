"""The patient, without couch, pillow and cables."""

from __future__ import annotations

import numpy as np

from ....core.errors import EngineFailed
from .frame import Frame
from .morphology import components, distance_inside, fill_axial, grow, keep

SOLID_HU = -300.0
SMALLEST_ML = 60.0
_THIN_MM = 6.0  # half the thickness of what counts as a plate and not as a body
_THICK_MM = 15.0  # a limb is at least this deep in its middle


def find_body(frame: Frame, name: str) -> np.ndarray:
    """Mask of the body with its lungs and gas; raises ``engine.no_body``.

    Thin things (couch, cables, sheets) vanish under an opening; of the rest
    the largest piece and every other piece as deep as a limb are kept.
    """
    solid = frame.hu > SOLID_HU
    depth = distance_inside(solid, frame.spacing)
    core = depth > _THIN_MM
    labels, counts = components(core)
    if len(counts) < 2:
        raise EngineFailed("engine.no_body", f"{name}: nothing as large as a part of a body was found")
    counts[0] = 0
    deepest = np.zeros(len(counts), np.float32)
    np.maximum.at(deepest, labels[core], depth[core])
    wanted = (counts >= 0.02 * counts.max()) & (deepest >= _THICK_MM)
    wanted[int(np.argmax(counts))] = True
    wanted[0] = False
    body = fill_axial(grow(keep(labels, wanted), _THIN_MM + 0.5 * frame.spacing, frame.spacing) & solid)
    size = frame.volume_ml(body)
    if size < SMALLEST_ML:
        raise EngineFailed("engine.no_body", f"{name}: the largest object has only {size:.0f} ml")
    return body
