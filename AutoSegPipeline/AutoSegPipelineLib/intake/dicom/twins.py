"""Instances that are there twice: the same pixels at the same place, whatever else their files say.

Pure but for ``digest``, which reads pixels, and only of instances that share a place or a UID.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections import defaultdict
from typing import Callable, Iterable, Iterator

from ...core.progress import Check
from ...formats.geometry import dot
from .instance import Frame, Instance, Orientation, Vector
from .stack import unit

Digest = Callable[[Instance], str]
# Positions of copies differ by what a writer rounded away, slices by far more.
SAME_PLACE_MM = 0.01
# Angles between image axes (as a cosine's distance from 1) that count as the same.
SAME_DIRECTION = 1e-4


def parallel(a: Orientation | None, b: Orientation | None) -> bool:
    """Whether two image planes have the same axes, their cosines being rounded or not."""
    if a is None or b is None:
        return False
    row, down = dot(unit(a[:3]), unit(b[:3])), dot(unit(a[3:]), unit(b[3:]))
    return row > 1 - SAME_DIRECTION and down > 1 - SAME_DIRECTION


def same_spacing(a: Instance, b: Instance) -> bool:
    """Whether the pixels of both are as far apart."""
    pairs = zip(a.spacing or (), b.spacing or ())
    return all(abs(one - other) <= 1e-3 * max(one, other) for one, other in pairs)


def same_place(a: Instance, b: Instance) -> bool:
    """Whether both show the same places; two without any place do, too. Another echo or moment is another."""
    if not (_agree(a.echo, b.echo) and _agree(a.moment, b.moment)):
        return False
    if (a.rows, a.columns, a.frames) != (b.rows, b.columns, b.frames) or not same_spacing(a, b):
        return False
    if a.position is None or b.position is None:
        return a.position is b.position
    if not parallel(a.orientation, b.orientation) or len(a.frame_list) != len(b.frame_list):
        return False
    if not _near(a.position, b.position):
        return False
    return all(_same_frame(one, other) for one, other in zip(a.frame_list, b.frame_list))


def _same_frame(a: Frame, b: Frame) -> bool:
    if a.position is None or b.position is None or not _agree(a.moment, b.moment):
        return False
    return parallel(a.orientation, b.orientation) and _near(a.position, b.position)


def without_twins(instances: Iterable[Instance], digest: Digest) -> tuple[list[Instance], str]:
    """Each picture once, the others among its ``twins``; and the UID that two different pictures have.

    ``digest`` names the pixels of an instance in the modality's units.
    """
    kept: list[Instance] = []
    by_bytes: dict[str, Instance] = {}
    by_uid: dict[str, Instance] = {}
    by_place: dict[tuple[int, ...], list[Instance]] = defaultdict(list)
    for instance in sorted(instances, key=lambda one: one.relative):
        instance.twins = []
        twin = by_bytes.get(instance.sha256) if instance.sha256 else None
        other = by_uid.get(instance.sop_uid) if instance.sop_uid else None
        if twin is None and other is not None:
            if same_place(instance, other) and digest(instance) == digest(other):
                twin = other
            elif instance.sop_stated and other.sop_stated:
                return [], instance.sop_uid
        if twin is None:
            near = (one for cell in _cells(instance.position) for one in by_place[cell])
            twin = next(
                (one for one in near if same_place(instance, one) and digest(instance) == digest(one)), None
            )
        if twin is not None:
            twin.twins.append(instance)
            continue
        kept.append(instance)
        by_bytes.setdefault(instance.sha256, instance)
        by_uid.setdefault(instance.sop_uid, instance)
        for cell in _cells(instance.position):
            by_place[cell].append(instance)
    return kept, ""


def with_twins(instances: Iterable[Instance]) -> Iterator[Instance]:
    """All of ``instances``, each followed by its twins."""
    for instance in instances:
        yield instance
        yield from instance.twins


def pixel_digest(check: Check) -> Digest:
    """A :data:`Digest` by GDCM (in SimpleITK), which decodes and rescales; bytes where it cannot."""

    def digest(instance: Instance) -> str:
        if not instance.pixels:
            check()
            instance.pixels = _decoded(instance) or instance.sha256
        return instance.pixels

    return digest


def _decoded(instance: Instance) -> str:
    import numpy
    import SimpleITK

    if not instance.image or not instance.rows:
        return ""
    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(instance.path)
    try:
        array = SimpleITK.GetArrayFromImage(reader.Execute())
    except RuntimeError:
        return ""
    # One type for all: the same values are stored with other offsets and lengths. 0.0 joins the two zeros.
    values = numpy.ascontiguousarray(array, dtype="<f8") + 0.0
    return hashlib.sha256(repr(values.shape).encode() + values.tobytes()).hexdigest()


def _agree(a: str, b: str) -> bool:
    """Whether two lists of values, divided by slashes, say nothing against each other."""
    return all(one == other or not one or not other for one, other in zip(a.split("/"), b.split("/")))


def _near(a: Vector, b: Vector) -> bool:
    return math.dist(a, b) <= SAME_PLACE_MM


def _cells(position: Vector | None) -> set[tuple[int, ...]]:
    """Cells of a grid of 1 mm that hold everything near ``position``."""
    if position is None:
        return set()
    edges = [{math.floor(x - SAME_PLACE_MM), math.floor(x + SAME_PLACE_MM)} for x in position]
    return set(itertools.product(*edges))
