"""Give each structure the volume of its voxels back, without opening walls between neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .mesh import Mesh
from .surface import cross

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

ROUNDS = 8
GOOD_ENOUGH = 0.002  # of each structure's volume


def restore_volumes(mesh: Mesh, volumes: np.ndarray, reach: float) -> Mesh:
    """``mesh`` with its points moved along their normals so that label v encloses ``volumes[v]`` mm³.

    A wall between labels s and t moves by d(s) - d(t), the outside has d = 0;
    the offsets solve the linear system of shared areas. No wall moves further
    than ``reach`` mm in one round.
    """
    points, around = mesh.points, _faces_around(mesh)
    wanted = np.asarray(volumes, np.float64)[1:]
    for _ in range(ROUNDS):
        areas, enclosed = _areas_and_volumes(points, mesh, len(volumes))
        missing = wanted - enclosed[1:]
        there = wanted > 0
        if not np.any(np.abs(missing[there]) > GOOD_ENOUGH * wanted[there]):
            break
        points = points + _step(mesh, around, areas, missing, reach)
    return Mesh(points, mesh.triangles, mesh.sides)


def _areas_and_volumes(points: np.ndarray, mesh: Mesh, labels: int) -> tuple[np.ndarray, np.ndarray]:
    """Area vectors of the triangles (m, 3) in mm², volume of each label in mm³."""
    a, b, c = (points.take(mesh.triangles[:, corner], axis=0) for corner in range(3))
    areas = cross(b - a, c - a) / 2.0
    parts = np.einsum("ij,ij->i", areas, a) / 3.0
    enclosed = np.bincount(mesh.sides[:, 0], parts, labels) - np.bincount(mesh.sides[:, 1], parts, labels)
    return areas, enclosed


def _faces_around(mesh: Mesh) -> csr_matrix:
    """The matrix (n, m) that sums what the faces round each point have."""
    from scipy.sparse import coo_matrix

    m, n = len(mesh.triangles), len(mesh.points)
    faces = np.tile(np.arange(m, dtype=np.int32), 3)
    return coo_matrix((np.ones(3 * m), (mesh.triangles.T.reshape(-1), faces)), (n, m)).tocsr()


def _step(mesh: Mesh, around: csr_matrix, areas: np.ndarray, missing: np.ndarray, reach: float) -> np.ndarray:
    """How far each point moves, (n, 3) mm."""
    labels = len(missing) + 1
    size = np.linalg.norm(areas, axis=1)
    first, second = mesh.sides[:, 0].astype(np.int64), mesh.sides[:, 1].astype(np.int64)
    shared = np.bincount(first * labels + second, size, labels * labels).reshape(labels, labels)
    shared = shared + shared.T
    system = np.diag(shared.sum(axis=1)) - shared
    # A label without faces has an empty row; the small term also keeps the solution bounded.
    system += np.eye(labels) * (1e-9 * max(system.max(), 1.0))
    offset = np.zeros(labels)
    offset[1:] = np.linalg.solve(system[1:, 1:], missing)
    pushes = np.clip(offset[first] - offset[second], -reach, reach)[:, None] * areas
    return np.asarray((around @ pushes) / np.maximum(around @ size, 1e-12)[:, None])
