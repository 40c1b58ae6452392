"""The glTF 2.0 document of a case: what ``.gltf`` and ``.glb`` have in common.

Specification: Khronos glTF 2.0 (ISO/IEC 12113:2022) and its extension
KHR_mesh_quantization. Vertices stay in LPS millimetres; the matrix of the one
root node turns them into glTF's metres with +Y up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import __version__
from ...core.errors import PipelineError
from ..anatomy import hidden_at_first, readable_title
from . import DISCLAIMER

if TYPE_CHECKING:
    from ...core.segmentation import Segment
    from ..export_data import ExportData
    from ..surfaces import Surface

# The parts of a binary glTF (glTF 2.0, 4.4).
MAGIC, JSON_CHUNK, BINARY_CHUNK = 0x46546C67, 0x4E4F534A, 0x004E4942

#: LPS mm to metres with +Y up, column by column: x = left, y = superior, z = anterior.
LPS_MM_TO_GLTF = (0.001, 0.0, 0.0, 0.0, 0.0, 0.0, -0.001, 0.0, 0.0, 0.001, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)

#: The order of group nodes; groups that are not here follow by name.
GROUP_ORDER = ("organs", "vessels", "bones", "muscles", "tissue")

ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963
COMPONENTS = {"int8": 5120, "uint8": 5121, "uint16": 5123, "uint32": 5125, "float32": 5126}
QUANTISATION = "KHR_mesh_quantization"


class Document:
    """Collects nodes, meshes and bytes; ``json`` is the glTF object without ``buffers``."""

    def __init__(self, title: str, extras: Mapping[str, Any], quantised: bool) -> None:
        self.quantised = quantised
        self.blob = bytearray()
        self.materials: dict[tuple[float, ...], int] = {}
        self.json: dict[str, Any] = {
            "asset": {
                "version": "2.0",
                "generator": f"AutoSegPipeline {__version__}",
                "extras": {"notice": DISCLAIMER},
            },
            "scene": 0,
            "scenes": [{"name": title, "nodes": [0]}],
            "nodes": [
                {"name": title, "matrix": list(LPS_MM_TO_GLTF), "children": [], "extras": dict(extras)}
            ],
            "meshes": [],
            "materials": [],
            "accessors": [],
            "bufferViews": [],
        }
        if quantised:
            self.json["extensionsUsed"] = [QUANTISATION]
            self.json["extensionsRequired"] = [QUANTISATION]

    def add_group(self, name: str, title: str) -> dict[str, Any]:
        """A node below the root, under which structures go."""
        node: dict[str, Any] = {"name": name, "children": [], "extras": {"title": title}}
        self.json["nodes"][0]["children"].append(len(self.json["nodes"]))
        self.json["nodes"].append(node)
        return node

    def add_surface(self, surface: Surface, parent: dict[str, Any], extras: Mapping[str, Any]) -> None:
        """A named node with its mesh below ``parent``."""
        segment = surface.segment
        node: dict[str, Any] = {"name": segment.name, "mesh": len(self.json["meshes"])}
        positions: np.ndarray = np.asarray(surface.points, np.float32)
        normals: np.ndarray = np.asarray(surface.normals, np.float32)
        if self.quantised:
            positions, node["translation"], node["scale"] = quantise(positions)
            normals = quantise_normals(normals)
        node["extras"] = {**segment_extras(segment), **extras}
        primitive = {
            "attributes": {
                "POSITION": self._add_array(positions, ARRAY_BUFFER, bounds=True),
                "NORMAL": self._add_array(normals, ARRAY_BUFFER, normalised=self.quantised),
            },
            "indices": self._add_indices(surface.triangles, len(positions)),
            "material": self._add_material(segment),
        }
        self.json["meshes"].append({"name": segment.title, "primitives": [primitive]})
        parent["children"].append(len(self.json["nodes"]))
        self.json["nodes"].append(node)

    def _add_indices(self, triangles: np.ndarray, vertices: int) -> int:
        # The highest value of a type means "restart the strip" and is not allowed as an index.
        kind = np.uint16 if vertices < 65535 else np.uint32
        return self._add_array(triangles.reshape(-1).astype(kind), ELEMENT_ARRAY_BUFFER)

    def _add_array(
        self, array: np.ndarray, target: int, bounds: bool = False, normalised: bool = False
    ) -> int:
        """An accessor with a view of its own. Vertex rows are padded to four bytes as glTF asks."""
        count, width = len(array), 1 if array.ndim == 1 else array.shape[1]
        stride = -(-width * array.itemsize // 4) * 4
        view: dict[str, Any] = {"buffer": 0, "byteOffset": len(self.blob), "target": target}
        accessor: dict[str, Any] = {
            "bufferView": len(self.json["bufferViews"]),
            "componentType": COMPONENTS[array.dtype.name],
            "count": count,
            "type": "SCALAR" if array.ndim == 1 else f"VEC{width}",
        }
        if normalised:
            accessor["normalized"] = True
        if bounds:
            # Plain Python numbers of the stored values, so that they round-trip exactly.
            accessor["min"], accessor["max"] = array.min(axis=0).tolist(), array.max(axis=0).tolist()
        if array.ndim > 1 and stride != width * array.itemsize:
            padded = np.zeros((count, stride // array.itemsize), array.dtype)
            padded[:, :width] = array
            array, view["byteStride"] = padded, stride
        data = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
        view["byteLength"] = len(data)
        self.blob += data
        self.blob += b"\0" * (-len(self.blob) % 4)
        self.json["bufferViews"].append(view)
        self.json["accessors"].append(accessor)
        return len(self.json["accessors"]) - 1

    def _add_material(self, segment: Segment) -> int:
        """A rough, non-metallic material; segments of one colour share it."""
        key = (*segment.colour, segment.opacity)
        if key not in self.materials:
            self.materials[key] = len(self.json["materials"])
            material: dict[str, Any] = {
                "name": segment.title,
                "pbrMetallicRoughness": {
                    "baseColorFactor": [round(linear(c), 6) for c in segment.colour] + [segment.opacity],
                    "metallicFactor": 0.0,
                    "roughnessFactor": 0.65,
                },
            }
            if segment.opacity < 1.0:
                material["alphaMode"] = "BLEND"  # one-sided: viewers do not sort the far walls
            else:
                material["doubleSided"] = True  # so that a clipped structure does not vanish
            self.json["materials"].append(material)
        return self.materials[key]


def build(
    surfaces: Sequence[Surface],
    title: str,
    extras: Mapping[str, Mapping[str, Any]] | None = None,
    root_extras: Mapping[str, Any] | None = None,
    quantised: bool = False,
) -> Document:
    """The document of ``surfaces``, grouped by ``segment.group``; the same input gives the same bytes.

    Raises PipelineError ``export.empty`` when there is no surface: glTF has no empty scenes.
    """
    if not surfaces:
        raise PipelineError("export.empty", f"{title}: there is no structure to write")
    document = Document(title, {"units": "mm", "frame": "LPS", **(root_extras or {})}, quantised)
    taken = {surface.segment.name.casefold() for surface in surfaces}
    for group in groups(surfaces):
        parent = document.add_group(group_name(group, taken), readable_title(group or "other"))
        for surface in surfaces:
            if surface.segment.group == group:
                document.add_surface(surface, parent, (extras or {}).get(surface.segment.name, {}))
    return document


def groups(surfaces: Sequence[Surface]) -> list[str]:
    """The groups that occur, known ones first in their usual order."""
    there = {s.segment.group for s in surfaces}
    known = [g for g in GROUP_ORDER if g in there]
    return known + sorted(there.difference(known))


def group_name(group: str, taken: set[str]) -> str:
    """The name of a group's node, ``bones_group``; no object of the file has it yet, in capitals neither.

    Many programs find objects by name only, and a group is often called like a structure.
    It is added to ``taken``, which holds names in small letters.
    """
    name = f"{group or 'other'}_group"
    while name.casefold() in taken:
        name += "_"
    taken.add(name.casefold())
    return name


def structure_extras(data: ExportData) -> dict[str, dict[str, Any]]:
    """What was measured of each structure, by its name, and whether viewers should show it at first."""
    hidden = hidden_at_first(data.found.segmentation.segments)
    return {
        one.name: {
            "label": one.label,
            "volume_ml": round(one.volume_ml, 4),
            "voxels": one.voxels,
            **({"hidden_at_first": True} if one.name in hidden else {}),
        }
        for one in data.measured
    }


def case_extras(data: ExportData) -> dict[str, Any]:
    """What the root node says about the case."""
    return {
        "generator": f"AutoSegPipeline {__version__}",
        "engine": data.found.engine,
        "modality": data.found.modality,
        "note": DISCLAIMER,
    }


def segment_extras(segment: Segment) -> dict[str, Any]:
    """What a node says about its structure."""
    extras: dict[str, Any] = {"title": segment.title, "layer": segment.layer, "value": segment.value}
    if segment.code is not None:
        code = segment.code
        extras["code"] = {"scheme": code.scheme, "value": code.value, "meaning": code.meaning}
    return extras


def linear(channel: float) -> float:
    """An sRGB channel 0..1 as linear light (IEC 61966-2-1), which glTF's factors are."""
    channel = min(max(float(channel), 0.0), 1.0)
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4


def quantise(positions: np.ndarray) -> tuple[np.ndarray, list[float], list[float]]:
    """``positions`` as uint16, with the translation and the uniform scale that bring them back."""
    low = positions.min(axis=0).astype(np.float64)
    # Uniform, so that normals stay what they are.
    scale = max(float((positions.max(axis=0) - low).max()), 1e-6) / 65535.0
    steps = np.rint((positions - low) / scale).clip(0, 65535).astype(np.uint16)
    return steps, [float(x) for x in low], [scale] * 3


def quantise_normals(normals: np.ndarray) -> np.ndarray:
    """Unit normals as normalised int8."""
    return np.rint(normals * 127.0).clip(-127, 127).astype(np.int8)
