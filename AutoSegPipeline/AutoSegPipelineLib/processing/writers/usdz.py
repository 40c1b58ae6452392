"""``NAME.usdz``: the scene as one file that phones and tablets open, in the room if one likes.

Specification: OpenUSD's USDZ, an archive without compression whose first file is the stage. It needs the
package usd-core.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...core.errors import PipelineError
from ...core.progress import Report
from ...core.result_formats import BY_KIND
from .gltf_document import case_extras, structure_extras
from .load import NotWritten
from .unsound import unsound
from .usdz_stage import FACTS, ROOT, write_stage

if TYPE_CHECKING:
    from pxr import Usd

    from ..export_data import ExportData
    from ..surfaces import Surface

_NEAR = 1e-5  # metres


def write(path: Path, data: ExportData, report: Report) -> None:
    """The scene of the case. Raises OSError, NotWritten with a warning where usd-core is missing."""
    lacks = BY_KIND["usdz"].lacks
    if lacks:
        data.warn("export.package_missing", f"{path.name} was not written: {lacks}")
        raise NotWritten
    with tempfile.TemporaryDirectory(dir=data.case.work) as folder:
        stage = Path(folder, f"{ROOT}.usdc")
        try:
            write_stage(stage, data.surfaces, structure_extras(data), case_extras(data))
            pack(stage, path)
        except RuntimeError as error:  # USD's own, for a full disk too
            raise OSError(f"{path.name}: {error}") from error


def pack(stage: Path, path: Path) -> None:
    """Put the file ``stage`` into the package ``path``. Raises OSError."""
    from pxr import Sdf, UsdUtils

    if not UsdUtils.CreateNewUsdzPackage(Sdf.AssetPath(str(stage)), str(path)):
        raise OSError(f"{path.name}: USD could not write it")


def verify(path: Path, data: ExportData) -> None:
    """USD's own validators have nothing to say, and each structure is there, complete and in its place."""
    verify_usdz(path, data.surfaces)


def verify_usdz(path: Path, surfaces: Sequence[Surface]) -> None:
    """Raise PipelineError ``export.verification`` unless ``path`` is sound and holds just ``surfaces``."""
    from pxr import Usd

    try:
        stage = Usd.Stage.Open(str(path))
    except RuntimeError as error:
        raise unsound(path, f"is not a readable USDZ: {error}") from error
    problems = complaints(stage)
    if problems:
        raise unsound(path, f"USD's validators say: {'; '.join(problems[:3])}")
    found = read_meshes(stage)
    missing = [one.segment.name for one in surfaces if one.segment.name not in found]
    if missing or len(found) != len(surfaces):
        raise unsound(path, f"structures missing: {', '.join(missing)}" if missing else "has too many meshes")
    for surface in surfaces:
        name, (points, triangles) = surface.segment.name, found[surface.segment.name]
        if len(points) != len(surface.points) or len(triangles) != len(surface.triangles):
            raise unsound(path, f"{name}: the mesh is incomplete")
        if not len(triangles) or int(triangles.min()) < 0 or int(triangles.max()) >= len(points):
            raise unsound(path, f"{name}: an index points to no vertex")
        # +x left, +y head, +z front, from LPS mm.
        placed = np.asarray(surface.points, np.float64)[:, [0, 2, 1]] * (0.001, 0.001, -0.001)
        if not np.allclose(points, placed, rtol=0, atol=_NEAR):
            raise unsound(path, f"{name}: lies in another place")


def complaints(stage: Usd.Stage) -> list[str]:
    """What the validators that come with USD find in ``stage``."""
    from pxr import UsdValidation

    validators = UsdValidation.ValidationRegistry().GetOrLoadAllValidators()
    return [
        f"{error.GetName()}: {error.GetMessage()}"
        for error in UsdValidation.ValidationContext(validators).Validate(stage)
    ]


def read_meshes(stage: Usd.Stage) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By structure: points float64 (n, 3) in metres with Y up, triangles (m, 3).

    Raises PipelineError ``export.verification`` for a mesh that is none of ours.
    """
    from pxr import UsdGeom

    cache = UsdGeom.XformCache()
    found = {}
    for prim in stage.Traverse():
        if not prim.IsA(UsdGeom.Mesh):
            continue
        facts, mesh = prim.GetCustomDataByKey(FACTS) or {}, UsdGeom.Mesh(prim)
        points, indices = mesh.GetPointsAttr().Get(), mesh.GetFaceVertexIndicesAttr().Get()
        if "name" not in facts or points is None or indices is None or len(indices) % 3:
            raise PipelineError("export.verification", f"{prim.GetPath()}: a mesh without name or triangles")
        matrix = np.array(cache.GetLocalToWorldTransform(prim))
        moved = np.asarray(points, np.float64) @ matrix[:3, :3] + matrix[3, :3]
        found[str(facts["name"])] = (moved, np.asarray(indices, np.int64).reshape(-1, 3))
    return found
