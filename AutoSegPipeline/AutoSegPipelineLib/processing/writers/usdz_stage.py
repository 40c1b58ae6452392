"""The USD stage of a case: the scene of our glTF files for programs that read USD.

It holds neither the name of the case nor of its file, so that a share link can give it away as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ... import __version__
from ...core.errors import PipelineError
from ..anatomy import readable_title
from . import DISCLAIMER
from .gltf_document import LPS_MM_TO_GLTF, group_name, groups, linear, segment_extras

if TYPE_CHECKING:
    from pxr import UsdShade

    from ...core.segmentation import Segment
    from ..surfaces import Surface

ROOT = "anatomy"
#: The dictionary in a prim's ``customData`` that has what ``extras`` have in glTF.
FACTS = "autoseg"
_MATERIALS = "materials"
_ROUGHNESS = 0.65  # as in our glTF files


def write_stage(
    path: Path,
    surfaces: Sequence[Surface],
    extras: Mapping[str, Mapping[str, object]],
    root_extras: Mapping[str, object],
) -> None:
    """Write ``surfaces`` (LPS mm) to the ``.usdc`` file ``path``: root, group prims, one mesh per structure.

    ``extras`` are by the structure's name. Raises PipelineError ``export.empty`` without a surface,
    ImportError without usd-core, RuntimeError of USD when the disk does not take it.
    """
    if not surfaces:
        raise PipelineError("export.empty", "there is no structure to write")
    scene = _Scene(root_extras)
    taken = {surface.segment.name.casefold() for surface in surfaces}
    for group in groups(surfaces):
        parent = scene.add_group(group_name(group, taken), readable_title(group or "other"))
        for surface in surfaces:
            if surface.segment.group == group:
                scene.add_surface(surface, parent, extras.get(surface.segment.name, {}))
    scene.stage.GetRootLayer().Export(str(path))


class _Scene:
    """A stage in memory that grows by groups and meshes."""

    def __init__(self, root_extras: Mapping[str, object]) -> None:
        from pxr import Gf, Kind, Usd, UsdGeom

        self.stage = Usd.Stage.CreateInMemory(f"{ROOT}.usdc")
        UsdGeom.SetStageUpAxis(self.stage, UsdGeom.Tokens.y)
        UsdGeom.SetStageMetersPerUnit(self.stage, UsdGeom.LinearUnits.meters)
        layer = self.stage.GetRootLayer()
        layer.documentation = DISCLAIMER
        layer.customLayerData = {"creator": f"AutoSegPipeline {__version__}"}
        root = UsdGeom.Xform.Define(self.stage, f"/{ROOT}")
        # USD multiplies from the left: its rows are glTF's columns.
        root.AddTransformOp().Set(Gf.Matrix4d(*LPS_MM_TO_GLTF))
        self.stage.SetDefaultPrim(root.GetPrim())
        Usd.ModelAPI(root.GetPrim()).SetKind(Kind.Tokens.component)
        root.GetPrim().SetCustomDataByKey(FACTS, {"units": "mm", "frame": "LPS", **root_extras})
        UsdGeom.Scope.Define(self.stage, f"/{ROOT}/{_MATERIALS}")
        self._materials: dict[tuple[float, ...], UsdShade.Material] = {}
        self._names: set[str] = {_MATERIALS}

    def add_group(self, name: str, title: str) -> str:
        """The path of a new prim below the root, under which structures go."""
        from pxr import UsdGeom

        path = f"/{ROOT}/{self._identifier(name)}"
        prim = UsdGeom.Xform.Define(self.stage, path).GetPrim()
        prim.SetDisplayName(title)
        prim.SetCustomDataByKey(FACTS, {"name": name, "title": title})
        return path

    def add_surface(self, surface: Surface, parent: str, extras: Mapping[str, object]) -> None:
        """A mesh below ``parent``, named like its structure, with a material."""
        from pxr import UsdGeom, UsdShade, Vt

        segment = surface.segment
        points = np.ascontiguousarray(surface.points, np.float32)
        triangles = np.ascontiguousarray(surface.triangles, np.int32)
        mesh = UsdGeom.Mesh.Define(self.stage, f"{parent}/{self._identifier(segment.name)}")
        mesh.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
        mesh.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(points))
        mesh.CreateExtentAttr(Vt.Vec3fArray.FromNumpy(np.stack([points.min(axis=0), points.max(axis=0)])))
        mesh.CreateFaceVertexCountsAttr(Vt.IntArray(len(triangles), 3))
        mesh.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(triangles.reshape(-1)))
        mesh.CreateNormalsAttr(Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(surface.normals, np.float32)))
        mesh.SetNormalsInterpolation(UsdGeom.Tokens.vertex)
        # As in our glTF files: a clipped structure does not vanish, and far walls need no sorting.
        mesh.CreateDoubleSidedAttr(segment.opacity >= 1.0)
        prim = mesh.GetPrim()
        prim.SetDisplayName(segment.title)
        prim.SetCustomDataByKey(FACTS, {"name": segment.name, **segment_extras(segment), **extras})
        if extras.get("hidden_at_first"):
            mesh.MakeInvisible()  # skin and fat would hide everything, and a phone has no list of structures
        UsdShade.MaterialBindingAPI.Apply(prim).Bind(self._material(segment))

    def _material(self, segment: Segment) -> UsdShade.Material:
        """A rough, non-metallic UsdPreviewSurface without textures; segments of one colour share it."""
        from pxr import Gf, Sdf, UsdShade

        key = (*segment.colour, segment.opacity)
        if key not in self._materials:
            path = f"/{ROOT}/{_MATERIALS}/material_{len(self._materials)}"
            material = UsdShade.Material.Define(self.stage, path)
            shader = UsdShade.Shader.Define(self.stage, f"{path}/surface")
            shader.CreateIdAttr("UsdPreviewSurface")
            colour = Gf.Vec3f(*(linear(channel) for channel in segment.colour))
            shader.CreateInput("diffuseColor", Sdf.ValueTypeNames.Color3f).Set(colour)
            for name, value in (
                ("metallic", 0.0), ("roughness", _ROUGHNESS), ("opacity", float(segment.opacity)),
            ):  # fmt: skip
                shader.CreateInput(name, Sdf.ValueTypeNames.Float).Set(value)
            output = shader.CreateOutput("surface", Sdf.ValueTypeNames.Token)
            material.CreateSurfaceOutput().ConnectToSource(output)
            self._materials[key] = material
        return self._materials[key]

    def _identifier(self, name: str) -> str:
        """``name`` as ASCII letters, digits and underscores, which every reader takes, once in the file."""
        base = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in name)
        base = f"_{base}" if not base or base[0].isdigit() else base
        found, count = base, 1
        while found.casefold() in self._names:
            count += 1
            found = f"{base}_{count}"
        self._names.add(found.casefold())
        return found
