"""``NAME.obj.zip``: one Wavefront OBJ file per structure and one MTL with their colours.

OBJ has no units and no frame. Points are in **LPS millimetres**; the first
lines of each file say so in the words that Slicer reads (``# SPACE=LPS``).
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...core.progress import Report
from .zips import add_entry, file_names, verify_archive

if TYPE_CHECKING:
    from ..export_data import ExportData
    from ..surfaces import Surface

MATERIALS = "materials.mtl"


def write(path: Path, data: ExportData, report: Report) -> None:
    """One file for each surface of the case. Raises OSError."""
    write_obj_zip(path, data.surfaces)


def verify(path: Path, data: ExportData) -> None:
    """Each surface has its file in the archive."""
    verify_archive(path, ".obj", data)


def write_obj_zip(path: Path, surfaces: Sequence[Surface]) -> None:
    """Write one ``<segment name>.obj`` per surface and their materials into ``path``. Raises OSError."""
    names = file_names([s.segment.name for s in surfaces])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as archive:
        add_entry(archive, MATERIALS, _materials(surfaces, names).encode("utf-8"))
        for surface, name in zip(surfaces, names):
            add_entry(archive, f"{name}.obj", obj_bytes(surface, name))


def obj_bytes(surface: Surface, name: str) -> bytes:
    """``surface`` as OBJ text with vertex normals; ``name`` is its object and its material."""
    text = io.StringIO()
    text.write("# AutoSegPipeline, for research, not a medical device\n# SPACE=LPS\n# UNIT=mm\n")
    text.write(f"mtllib {MATERIALS}\no {name}\nusemtl {name}\n")
    np.savetxt(text, surface.points, "v %.4f %.4f %.4f")
    np.savetxt(text, surface.normals, "vn %.4f %.4f %.4f")
    np.savetxt(text, np.repeat(surface.triangles + 1, 2, axis=1), "f %d//%d %d//%d %d//%d")
    return text.getvalue().encode("utf-8")


def _materials(surfaces: Sequence[Surface], names: Sequence[str]) -> str:
    lines = ["# AutoSegPipeline, colours in sRGB"]
    for surface, name in zip(surfaces, names):
        red, green, blue = surface.segment.colour
        lines += [
            f"newmtl {name}",
            f"Kd {red:.4f} {green:.4f} {blue:.4f}",
            "Ks 0.1000 0.1000 0.1000",
            f"d {surface.segment.opacity:.4f}",
        ]
    return "\n".join(lines) + "\n"
