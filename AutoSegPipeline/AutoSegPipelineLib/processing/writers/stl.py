"""``NAME.stl.zip``: one binary STL file per structure, for printing and for mesh tools.

STL has no units and no frame. Points are in **LPS millimetres**, as DICOM and
Slicer's own STL files have them, and the 80-byte header says so in the words
that Slicer reads (``SPACE=LPS``).
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...core.progress import Report
from ..surfaces.surface import cross
from .zips import add_entry, file_names, verify_archive

if TYPE_CHECKING:
    from ..export_data import ExportData
    from ..surfaces import Surface

HEADER = b"AutoSegPipeline SPACE=LPS;UNIT=mm; for research, not a medical device"
RECORD = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])


def write(path: Path, data: ExportData, report: Report) -> None:
    """One file for each surface of the case. Raises OSError."""
    write_stl_zip(path, data.surfaces)


def verify(path: Path, data: ExportData) -> None:
    """Each surface has its file in the archive."""
    verify_archive(path, ".stl", data)


def write_stl_zip(path: Path, surfaces: Sequence[Surface]) -> None:
    """Write one ``<segment name>.stl`` per surface into the archive ``path``. Raises OSError."""
    names = file_names([s.segment.name for s in surfaces])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as archive:
        for surface, name in zip(surfaces, names):
            add_entry(archive, f"{name}.stl", stl_bytes(surface))


def stl_bytes(surface: Surface) -> bytes:
    """``surface`` as binary STL, facets with outward unit normals."""
    corners = surface.points[surface.triangles]
    normals = cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1)
    records = np.zeros(len(corners), RECORD)
    records["normal"] = normals / np.where(lengths > 0, lengths, 1.0)[:, None]
    records["corners"] = corners
    return HEADER.ljust(80, b" ") + np.uint32(len(corners)).astype("<u4").tobytes() + records.tobytes()
