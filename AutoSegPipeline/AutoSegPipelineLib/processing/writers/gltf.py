"""``NAME.gltf``: one plain JSON file with its data inside, for every glTF 2.0 reader there is."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .gltf_document import build

if TYPE_CHECKING:
    from ..surfaces import Surface


def write_gltf(
    path: Path,
    surfaces: Sequence[Surface],
    title: str,
    extras: Mapping[str, Mapping[str, Any]] | None = None,
    case_extras: Mapping[str, Any] | None = None,
) -> None:
    """Write ``surfaces`` to ``path`` without any extension: root, group nodes, one node per structure.

    A structure's node is called ``segment.name`` (its mesh ``segment.title``) and
    carries layer, value, code and what ``extras[segment.name]`` adds, for example
    ``{"volume_ml": 1.5}``; ``case_extras`` go to the root node. Raises OSError.
    """
    document = build(surfaces, title, extras, case_extras)
    data = base64.b64encode(document.blob).decode("ascii")
    buffer = {"byteLength": len(document.blob), "uri": "data:application/octet-stream;base64," + data}
    text = json.dumps(
        {**document.json, "buffers": [buffer]}, ensure_ascii=False, allow_nan=False, separators=(",", ":")
    )
    Path(path).write_bytes(text.encode("utf-8"))
