"""A ``.gltf`` that another program wrote: opened, compared with what should be in it, hints collected."""

from __future__ import annotations

import binascii
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.errors import PipelineError
from .gltf_check import open_document, values_of

if TYPE_CHECKING:
    from ..surfaces import Surface

_TARGETS = (34962, 34963)  # ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER; glTF 2.0, 5.11.5
_UNIT = 5e-4  # how far a normal's length may be from 1
_NEAR_MM = 10.0  # a decimated surface may be this far from where ours ends


def verify_foreign(path: Path, surfaces: Sequence[Surface], left_out: Sequence[str] = ()) -> list[str]:
    """What is not as it should be but harms nobody; raises ``export.verification`` for what does.

    ``surfaces`` are ours of the same segmentation: each must be there by its title,
    with a sound mesh, and all together must lie where ours lie (LPS mm). Those that the
    other program said to have left out need not be there, unless nothing else is.
    """
    try:
        document, buffers = open_document(path)
        hints, corners = _read(document, buffers)
        names = {str(document["nodes"][number].get("name", "")) for number, _, _ in corners}
    except (ValueError, KeyError, IndexError, TypeError, struct.error, binascii.Error) as error:
        raise PipelineError("export.verification", f"{path.name}: not a sound glTF file: {error}") from error
    except OSError as error:
        raise PipelineError("export.verification", f"{path.name}: cannot be read back: {error}") from error
    wanted = {name: one for name, one in zip(names_apart(surfaces), surfaces) if name not in left_out}
    missing = [name for name in wanted or names_apart(surfaces) if name not in names]
    if missing:
        raise PipelineError("export.verification", f"{path.name}: structures missing: {', '.join(missing)}")
    _same_place(path, list(wanted.values()), corners)
    return hints


def names_apart(surfaces: Sequence[Surface]) -> list[str]:
    """Titles as the in-process exporter gives them: a second ``Rib`` is ``Rib (2)``."""
    taken: list[str] = []
    for surface in surfaces:
        title, name, count = surface.segment.title, surface.segment.title, 1
        while name in taken:
            count += 1
            name = f"{title} ({count})"
        taken.append(name)
    return taken


def _read(document: dict[str, Any], buffers: list[bytes]) -> tuple[list[str], list[Any]]:
    """Hints, and for each node with a mesh its number and the corners of its box in metres, +Y up."""
    hints: list[str] = []
    places = _places(document)
    corners = []
    off_unit = 0
    for number, node in enumerate(document["nodes"]):
        if "mesh" not in node:
            continue
        if number not in places:
            raise ValueError(f"{node.get('name')}: hangs on no scene")
        for primitive in document["meshes"][node["mesh"]]["primitives"]:
            points = values_of(document, buffers, primitive["attributes"]["POSITION"]).astype(np.float64)
            indices = values_of(document, buffers, primitive["indices"])
            if not len(points) or not len(indices) or not np.isfinite(points).all():
                raise ValueError(f"{node.get('name')}: an empty mesh or positions that are not finite")
            if int(indices.max()) >= len(points):
                raise ValueError(f"{node.get('name')}: an index points to no vertex")
            if "NORMAL" in primitive["attributes"]:
                normals = values_of(document, buffers, primitive["attributes"]["NORMAL"]).astype(np.float64)
                off_unit += int((np.abs(np.linalg.norm(normals, axis=1) - 1.0) > _UNIT).sum())
            box = np.array([points.min(axis=0), points.max(axis=0)])
            box_corners = np.array(
                [[box[a][0], box[b][1], box[c][2], 1.0] for a in (0, 1) for b in (0, 1) for c in (0, 1)]
            )
            moved = box_corners @ places[number].T
            corners.append((number, moved[:, :3].min(axis=0), moved[:, :3].max(axis=0)))
    untargeted = sum(view.get("target") not in _TARGETS for view in document["bufferViews"])
    if untargeted:
        hints.append(f"{untargeted} buffer views without a target")
    if off_unit:
        hints.append(f"{off_unit} normals are not of length 1")
    return hints, corners


def _places(document: dict[str, Any]) -> dict[int, np.ndarray]:
    """The matrix (4, 4) to the scene's frame of every node that hangs on a scene."""
    places: dict[int, np.ndarray] = {}
    waiting = [(number, np.eye(4)) for scene in document["scenes"] for number in scene["nodes"]]
    while waiting:
        number, above = waiting.pop()
        if number in places:
            raise ValueError(f"node {number} hangs in two places")
        node = document["nodes"][number]
        own = np.asarray(node.get("matrix", np.eye(4).reshape(-1)), dtype=np.float64).reshape(4, 4).T
        places[number] = above @ own
        waiting += [(child, places[number]) for child in node.get("children", [])]
    return places


def _same_place(path: Path, surfaces: Sequence[Surface], corners: list[Any]) -> None:
    low = np.min([low for _, low, _ in corners], axis=0) * 1000.0
    high = np.max([high for _, _, high in corners], axis=0) * 1000.0
    ours = np.concatenate([surface.points for surface in surfaces]).astype(np.float64)
    # glTF's x, y, z are LPS x, z, -y.
    turned = np.stack([ours[:, 0], ours[:, 2], -ours[:, 1]], axis=1)
    apart = max(float(np.abs(low - turned.min(axis=0)).max()), float(np.abs(high - turned.max(axis=0)).max()))
    if apart > _NEAR_MM:
        raise PipelineError("export.verification", f"{path.name}: lies {apart:.0f} mm away from the scan")
