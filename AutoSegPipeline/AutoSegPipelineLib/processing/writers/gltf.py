"""``NAME.gltf``: one plain JSON file with its data inside, for every glTF 2.0 reader there is."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.progress import Report
from .gltf_check import verify_gltf
from .gltf_document import build, case_extras, structure_extras
from .gltf_foreign import verify_foreign

if TYPE_CHECKING:
    from ..export_data import ExportData
    from ..surfaces import Surface


def write(path: Path, data: ExportData, report: Report) -> None:
    """Our scene, or the file that another program wrote of this case. Raises OSError."""
    given = data.case.given.get("gltf")
    if given is not None:
        shutil.copyfile(given, path)
    else:
        write_gltf(path, data.surfaces, data.case.label, structure_extras(data), case_extras(data))


def verify(path: Path, data: ExportData) -> None:
    """A sound mesh for each structure; in another program's file, hints become warnings."""
    if "gltf" not in data.case.given:
        verify_gltf(path, [surface.segment.name for surface in data.surfaces])
        return
    for hint in verify_foreign(path, data.surfaces, data.case.left_out):
        data.warn("export.hint", f"{path.name}: {hint}")
    if data.case.left_out:
        names = ", ".join(data.case.left_out)
        data.warn("export.left_out", f"{path.name}: OpenAnatomy Export found no surface of {names}")


def write_gltf(
    path: Path,
    surfaces: Sequence[Surface],
    title: str,
    extras: Mapping[str, Mapping[str, Any]] | None = None,
    root_extras: Mapping[str, Any] | None = None,
) -> None:
    """Write ``surfaces`` to ``path`` without any extension: root, group nodes, one node per structure.

    A structure's node is called ``segment.name`` (its mesh ``segment.title``) and
    carries layer, value, code and what ``extras[segment.name]`` adds, for example
    ``{"volume_ml": 1.5}``; ``root_extras`` go to the root node. Raises OSError.
    """
    document = build(surfaces, title, extras, root_extras)
    data = base64.b64encode(document.blob).decode("ascii")
    buffer = {"byteLength": len(document.blob), "uri": "data:application/octet-stream;base64," + data}
    text = json.dumps(
        {**document.json, "buffers": [buffer]}, ensure_ascii=False, allow_nan=False, separators=(",", ":")
    )
    Path(path).write_bytes(text.encode("utf-8"))
