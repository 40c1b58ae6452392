"""The patient, without couch, pillow and cables."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from ....core.errors import EngineFailed
from .frame import Frame
from .morphology import components, distance_inside, grow, keep

SOLID_HU = -300.0
SMALLEST_ML = 60.0
_THIN_MM = 6.0  # half the thickness of what counts as a plate and not as a body
_THICK_MM = 15.0  # a limb is at least this deep in its middle


class Cut(NamedTuple):
    """At which sides the field of view ends within the body."""

    right: bool
    left: bool
    front: bool
    back: bool


def find_body(frame: Frame, name: str) -> tuple[np.ndarray, Cut]:
    """Mask of the body with its lungs and gas, and where it is cut; raises ``engine.no_body``.

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
    solid &= grow(keep(labels, wanted), _THIN_MM + 0.5 * frame.spacing, frame.spacing)
    body, cut = _fill(solid)
    size = frame.volume_ml(body)
    if size < SMALLEST_ML:
        raise EngineFailed("engine.no_body", f"{name}: the largest object has only {size:.0f} ml")
    return body, cut


def _fill(solid: np.ndarray) -> tuple[np.ndarray, Cut]:
    """Fill each axial slice, with a lid where the field of view cuts the trunk.

    A lung that the edge of a small field of view opens would else count as
    outside; the lid reaches from the foremost to the hindmost solid element
    at that edge (or along it, in front and behind).
    """
    padded = np.pad(solid, ((0, 0), (1, 1), (1, 1)))
    faces = {
        "right": (padded[:, 1:-1, 0], solid[:, :, 0]),
        "left": (padded[:, 1:-1, -1], solid[:, :, -1]),
        "front": (padded[:, 0, 1:-1], solid[:, 0, :]),
        "back": (padded[:, -1, 1:-1], solid[:, -1, :]),
    }
    # A few elements at the edge are a bed sheet or an elbow, not a cut trunk.
    cut = {name: bool(np.mean(face.sum(axis=1) >= 3) > 0.3) for name, (_, face) in faces.items()}
    for name, (lid, face) in faces.items():
        if cut[name]:
            along = np.flatnonzero(face.any(axis=0))
            lid[:, along[0] : along[-1] + 1] = True
    for corner, sides in (((0, 0), ("front", "right")), ((0, -1), ("front", "left")),
                          ((-1, 0), ("back", "right")), ((-1, -1), ("back", "left"))):  # fmt: skip
        padded[:, corner[0], corner[1]] = all(cut[side] for side in sides)
    filled = np.stack([ndimage.binary_fill_holes(plane) for plane in padded])[:, 1:-1, 1:-1]
    return filled, Cut(cut["right"], cut["left"], cut["front"], cut["back"])
