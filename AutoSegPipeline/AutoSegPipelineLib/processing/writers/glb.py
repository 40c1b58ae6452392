"""``NAME.glb``: the same scene, small.

Positions are 16 bits and normals 8 bits a component (KHR_mesh_quantization):
half the size of floats at an error below a hundredth of a millimetre. The
extension is read by three.js, Babylon.js, model-viewer, Cesium and Blender;
what does not know it has the plain ``.gltf`` beside it. Meshopt and Draco
compression would be smaller still, but need a decoder that many readers lack.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.progress import Report
from .gltf_check import verify_gltf
from .gltf_document import BINARY_CHUNK, JSON_CHUNK, MAGIC, build, case_extras, structure_extras

if TYPE_CHECKING:
    from ..export_data import ExportData
    from ..surfaces import Surface


def write(path: Path, data: ExportData, report: Report) -> None:
    """The scene of the case. Raises OSError."""
    write_glb(path, data.surfaces, data.case.label, structure_extras(data), case_extras(data))


def verify(path: Path, data: ExportData) -> None:
    """A sound mesh for each structure."""
    verify_gltf(path, [surface.segment.name for surface in data.surfaces])


def write_glb(
    path: Path,
    surfaces: Sequence[Surface],
    title: str,
    extras: Mapping[str, Mapping[str, Any]] | None = None,
    root_extras: Mapping[str, Any] | None = None,
) -> None:
    """Write ``surfaces`` as binary glTF; the arguments are those of ``write_gltf``. Raises OSError."""
    document = build(surfaces, title, extras, root_extras, quantised=True)
    complete = {**document.json, "buffers": [{"byteLength": len(document.blob)}]}
    text = json.dumps(complete, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 4)
    blob = bytes(document.blob)
    length = 12 + 8 + len(text) + 8 + len(blob)
    with open(path, "wb") as file:
        file.write(struct.pack("<III", MAGIC, 2, length))
        file.write(struct.pack("<II", len(text), JSON_CHUNK) + text)
        file.write(struct.pack("<II", len(blob), BINARY_CHUNK) + blob)
