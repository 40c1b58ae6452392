"""Take the shared mesh apart into one closed mesh for each label."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from .mesh import Mesh
from .order import order_of
from .surface import is_closed
from .unpinch import unpinch, unpinch_once

# Faces of the labels that are unpinched together, as many small calls take time.
BATCH = 100_000


def split(mesh: Mesh, count: int) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """For each label 1..``count`` that has faces: label, points (n, 3), triangles int32 (m, 3), outward.

    Pinches (edges with four faces or more, points with several fans of faces) are separated. A label whose
    surface is open all the same is left out.
    """
    labels = np.concatenate([mesh.sides[:, 0], mesh.sides[:, 1]])
    order = np.argsort(labels, kind="stable")
    faces = np.concatenate([mesh.triangles, mesh.triangles[:, ::-1]])[order]
    limits = np.searchsorted(labels[order], np.arange(1, count + 2))
    del labels, order
    sizes = np.diff(limits)
    batch = (np.cumsum(sizes) - sizes) // BATCH
    with ThreadPoolExecutor(1) as ahead:  # the next batch, while the caller works on this one
        waiting: Future[list[tuple[int, np.ndarray, np.ndarray]]] | None = None
        for own in np.split(np.arange(count), np.flatnonzero(np.diff(batch)) + 1):
            chosen = [(int(n) + 1, faces[limits[n] : limits[n + 1]]) for n in own if sizes[n]]
            if not chosen:
                continue
            before, waiting = waiting, ahead.submit(_unpinched, mesh.points, chosen)
            if before is not None:
                yield from before.result()
        if waiting is not None:
            yield from waiting.result()


def _unpinched(
    points: np.ndarray, labels: list[tuple[int, np.ndarray]]
) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """Of some ``labels`` with their triangles what :func:`split` gives."""
    points, triangles, owner = _apart(points, [own for _, own in labels])
    points, triangles, source, unfinished = unpinch_once(points, triangles)
    owner = owner[source]
    again = set(owner[unfinished].tolist())
    order = order_of(owner)
    number = np.empty(len(points), np.int32)
    number[order] = np.arange(len(points), dtype=np.int32)
    points, of_face = points[order], owner[triangles[:, 0]]
    triangles = number[triangles[order_of(of_face)]]
    first = np.r_[0, np.cumsum(np.bincount(owner, minlength=len(labels)))].astype(np.int32)
    face = np.r_[0, np.cumsum(np.bincount(of_face, minlength=len(labels)))]
    found = []
    for n, (label, _) in enumerate(labels):
        places, own = points[first[n] : first[n + 1]], triangles[face[n] : face[n + 1]] - first[n]
        if n in again:
            places, own = unpinch(places, own)
        if is_closed(own):
            found.append((label, places, own))
    return found


def _apart(points: np.ndarray, meshes: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All ``meshes`` as one that share no point: points, triangles, and the number of each point's mesh."""
    number = np.empty(len(points), np.int32)
    parts, triangles, total = [], [], 0
    for own in meshes:
        used = np.zeros(len(points), bool)
        used[own] = True
        parts.append(np.flatnonzero(used))
        number[parts[-1]] = np.arange(total, total + len(parts[-1]), dtype=np.int32)
        total += len(parts[-1])
        triangles.append(number[own])
    owner = np.repeat(np.arange(len(meshes)), [len(part) for part in parts])
    return points[np.concatenate(parts)], np.concatenate(triangles), owner
