"""Is left really left? A check of a result that does not lean on what the result assumed.

An engine that sides the lungs by the file's geometry proves nothing when that
geometry is mirrored. So the evidence is anatomy: the liver lies on the right;
heart, spleen and stomach lean to the left of the spine. It is weighed in LPS.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..core.errors import EngineFailed
from ..core.segmentation import Segmentation
from .engines.tissue.body import find_body
from .engines.tissue.frame import Frame, make_frame
from .engines.tissue.intensities import check_hounsfield
from .engines.tissue.lungs import Air, find_air
from .engines.tissue.morphology import distance_inside, fill_axial
from .engines.tissue.wall import find_bones, find_midline
from .layers import axis_counts, layer_boxes
from .volume import Volume

OK, SWAPPED, UNVERIFIED = "ok", "swapped", "unverified"
_COARSE_MM = 5.0
_LEAN = (-10.0, 450.0)  # HU of solid organs and of the heart, with or without contrast

# Structures that lie on one side of the spine: +1 left, -1 right, and how far (mm) is clear.
_ONE_SIDED = {
    "liver": (-1, 15.0),
    "spleen": (1, 25.0),
    "heart": (1, 8.0),
    "stomach": (1, 10.0),
    "gallbladder": (-1, 10.0),
}
_MIDDLE = ("spine", "spinal_cord", "sternum", "trachea", "bones", "body")


class Cue(NamedTuple):
    """One piece of evidence: ``vote`` +1 as it should be, -1 mirrored, 0 too weak to tell."""

    name: str
    vote: int
    value: str


class SideCheck(NamedTuple):
    """``verdict`` is ``ok``, ``swapped`` or ``unverified``; ``warnings`` as they stand in a job."""

    verdict: str
    warnings: list[dict[str, str]]
    cues: tuple[Cue, ...]


def check_sides(segmentation: Segmentation, volume: Volume) -> SideCheck:
    """Weigh every cue; `ok` needs at least one for and none against.

    Situs inversus looks like a mirrored scan; the warning names both.
    """
    places = _centroids(segmentation)
    cues = [*_pairs(places), *_named(places)]
    if not any(cue.vote for cue in cues) and volume.modality in ("", "CT"):
        cues += _from_intensities(volume)
    votes = [cue.vote for cue in cues if cue.vote]
    evidence = "; ".join(f"{cue.name}: {cue.value}" for cue in cues) or "no structure that tells sides"
    if votes and min(votes) > 0:
        return SideCheck(OK, [], tuple(cues))
    if votes and max(votes) < 0:
        return SideCheck(
            SWAPPED,
            [
                {
                    "code": "sides.swapped",
                    "message": "Left and right look swapped: the scan's orientation may be wrong, "
                    f"or the patient has situs inversus ({evidence}).",
                }
            ],
            tuple(cues),
        )
    return SideCheck(
        UNVERIFIED,
        [{"code": "sides.not_verified", "message": f"Side not verified ({evidence})."}],
        tuple(cues),
    )


def _centroids(segmentation: Segmentation) -> dict[str, float]:
    """LPS x (mm) of the centre of each segment."""
    row = segmentation.grid.affine[0]
    boxes = layer_boxes(segmentation.layers)
    centres = {}
    for segment in segmentation.segments:
        box = boxes.get((segment.layer, segment.value))
        if box is not None:
            along = axis_counts(segmentation.layers[segment.layer], segment.value, box)
            k, j, i = (
                span.start + float(np.dot(np.arange(len(counts)), counts)) / float(counts.sum())
                for span, counts in zip(box, along)
            )
            centres[segment.name] = row[0] * i + row[1] * j + row[2] * k + row[3]
    return centres


def _pairs(places: dict[str, float]) -> list[Cue]:
    """A left structure to the right of its twin is wrong; the right order alone proves nothing."""
    cues = []
    for name, x in places.items():
        twin = name.replace("left", "right")
        if "left" in name and twin in places and x < places[twin] - 5.0:
            cues.append(Cue(name, -1, f"{places[twin] - x:.0f} mm to the right of its twin"))
    return cues


def _named(places: dict[str, float]) -> list[Cue]:
    spine = [x for name, x in places.items() if name.startswith("vertebra")]
    middle = float(np.median(spine)) if spine else None
    for name in _MIDDLE:
        if middle is None:
            middle = places.get(name)
    if middle is None:
        return []
    cues = []
    for name, (side, clear) in _ONE_SIDED.items():
        if name in places:
            off = places[name] - middle
            vote = 0 if abs(off) < clear else int(math.copysign(1, off * side))
            cues.append(Cue(name, vote, f"{abs(off):.0f} mm to the {'left' if off > 0 else 'right'}"))
    return cues


def _from_intensities(volume: Volume) -> list[Cue]:
    """Heart and liver as blocks of solid tissue beside the spine; nothing where there is no trunk."""
    name = volume.name
    try:
        check_hounsfield(volume.array, name)
        frame = make_frame(volume, _COARSE_MM)
        body, cut = find_body(frame, name)
    except EngineFailed:
        return []
    bones = find_bones(frame, body)
    midline = find_midline(frame, bones, body)
    if midline is None:
        return []
    if cut.left or cut.right:
        # What is seen of each side is then the operator's choice, not anatomy.
        return []
    air = find_air(frame, body, midline, cut)
    lean = (frame.hu > _LEAN[0]) & (frame.hu < _LEAN[1]) & body & frame.inside & ~bones
    x = np.arange(body.shape[2])
    off = (x[None, None, :] - midline[:, None, None]) * frame.spacing
    return [_heart(frame, air, lean, off), _liver(frame, air, body, lean, off)]


def _heart(frame: Frame, air: Air, lean: np.ndarray, off: np.ndarray) -> Cue:
    """Share of the mediastinum's solid tissue that lies left of the spine, at the lungs' height."""
    left, right = (m.sum(axis=(1, 2)).astype(float) for m in (air.left, air.right))
    both = (left > 0.4 * max(left.max(), 1.0)) & (right > 0.4 * max(right.max(), 1.0))
    if both.sum() * frame.spacing < 30.0:
        return Cue("heart", 0, "both lungs are not seen over enough height")
    lungs = (air.left | air.right) & both[:, None, None]
    between = _between(air.left, air.right) & both[:, None, None]
    block = lean & between
    block &= distance_inside(block, frame.spacing) > 8.0
    size = frame.volume_ml(block)
    if size < 25.0 or not lungs.any():
        return Cue("heart", 0, f"only {size:.0f} ml of solid tissue between the lungs")
    share = float((block & (off > 0)).sum() / block.sum())
    vote = 1 if share > 0.62 else -1 if share < 0.38 else 0
    return Cue("heart", vote, f"{share:.0%} of {size:.0f} ml left of the spine")


def _between(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Elements with right lung somewhere on their right and left lung on their left, in their row."""
    # x rises to the left: so the right lung comes first.
    after_right = np.maximum.accumulate(right, axis=2)
    before_left = np.maximum.accumulate(left[:, :, ::-1], axis=2)[:, :, ::-1]
    return after_right & before_left & ~left & ~right


def _liver(frame: Frame, air: Air, body: np.ndarray, lean: np.ndarray, off: np.ndarray) -> Cue:
    """Deep solid tissue of the upper abdomen: the liver outweighs spleen and stomach."""
    area = (air.left | air.right).sum(axis=(1, 2)).astype(float)
    lungs = np.flatnonzero(area)
    below = np.ones(len(area), bool)
    if len(lungs):
        fullest = int(np.argmax(area))
        below = (np.arange(len(area)) < fullest) & (area < 0.6 * area.max())
        below &= np.arange(len(area)) > lungs[0] - 120.0 / frame.spacing
    if below.sum() * frame.spacing < 25.0:
        return Cue("liver", 0, "the upper abdomen is not in the scan")
    trunk = distance_inside(fill_axial(body), frame.spacing) > 20.0
    block = lean & trunk & (np.abs(off) > 15.0)
    block &= distance_inside(block, frame.spacing) > 12.0
    block &= below[:, None, None]
    right, left = frame.volume_ml(block & (off < 0)), frame.volume_ml(block & (off > 0))
    value = f"{right:.0f} ml of deep solid tissue on the right, {left:.0f} ml on the left"
    if max(left, right) < 40.0:
        return Cue("liver", 0, value)
    ratio = (right + 1.0) / (left + 1.0)
    return Cue("liver", 1 if ratio > 1.8 else -1 if ratio < 1 / 1.8 else 0, value)
