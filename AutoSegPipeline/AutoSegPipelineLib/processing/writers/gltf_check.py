"""Read a written glTF back and see that what should be in it is there and sound."""

from __future__ import annotations

import base64
import binascii
import json
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ...core.errors import PipelineError
from .gltf_document import BINARY_CHUNK, JSON_CHUNK, MAGIC

DTYPES = {5120: "<i1", 5121: "<u1", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC3": 3}


def verify_gltf(path: Path, expected_names: Iterable[str]) -> None:
    """Raise ``PipelineError('export.verification')`` unless ``path`` holds a sound mesh for each name.

    Checked: the container and its JSON, that each buffer is as long as it says,
    each accessor inside its view, finite positions within their stated bounds,
    indices within the vertices, one node with a mesh for each expected name, and no
    name twice below the root.
    """
    path = Path(path)
    try:
        meshes = {name for name, _, _ in read_meshes(path)}
    except (ValueError, KeyError, IndexError, TypeError, struct.error, binascii.Error) as error:
        raise PipelineError("export.verification", f"{path.name}: not a sound glTF file: {error}") from error
    except OSError as error:
        raise PipelineError("export.verification", f"{path.name}: cannot be read back: {error}") from error
    missing = [name for name in expected_names if name not in meshes]
    if missing:
        raise PipelineError("export.verification", f"{path.name}: structures missing: {', '.join(missing)}")


def read_meshes(path: Path) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Every structure of a glTF file of ours: name, points float64 (n, 3) in **LPS mm**, triangles (m, 3).

    Only what our writers produce is understood. Raises ValueError (or the
    errors of a document that lacks what it should have) when the file is unsound.
    """
    document, buffers = open_document(path)
    found = []
    # The root has the name of the case, which is anybody's.
    names = [node["name"] for node in document["nodes"][1:]]
    if len(set(names)) != len(names):
        raise ValueError("two objects have one name")
    for node in document["nodes"]:
        if "mesh" not in node:
            continue
        for primitive in document["meshes"][node["mesh"]]["primitives"]:
            stored = values_of(document, buffers, primitive["attributes"]["POSITION"])
            normals = values_of(document, buffers, primitive["attributes"]["NORMAL"])
            indices = values_of(document, buffers, primitive["indices"]).reshape(-1, 3).astype(np.int64)
            _check(node["name"], document["accessors"][primitive["attributes"]["POSITION"]], stored, indices)
            if len(normals) != len(stored):
                raise ValueError(f"{node['name']}: as many normals as points are needed")
            points = stored.astype(np.float64) * node.get("scale", [1.0] * 3)
            found.append((str(node["name"]), points + node.get("translation", [0.0] * 3), indices))
    return found


def _check(name: str, accessor: dict[str, Any], points: np.ndarray, indices: np.ndarray) -> None:
    if not len(points) or not len(indices):
        raise ValueError(f"{name}: the mesh is empty")
    if not np.isfinite(points).all():
        raise ValueError(f"{name}: a position is not finite")
    if points.min(axis=0).tolist() != accessor["min"] or points.max(axis=0).tolist() != accessor["max"]:
        raise ValueError(f"{name}: positions are not within the bounds that they state")
    if int(indices.max()) >= len(points):
        raise ValueError(f"{name}: an index points to no vertex")


def open_document(path: Path) -> tuple[dict[str, Any], list[bytes]]:
    """The JSON and the buffers of a ``.gltf`` with embedded data or of a ``.glb``."""
    data = Path(path).read_bytes()
    if data[:4] == b"glTF":
        document, blob = _open_binary(data)
        buffers = [blob]
    else:
        document = json.loads(data.decode("utf-8"))
        buffers = []
        for buffer in document["buffers"]:
            head, _, body = buffer["uri"].partition(";base64,")
            if not head.startswith("data:"):
                raise ValueError("a buffer lies outside the file")
            buffers.append(base64.b64decode(body, validate=True))
    for buffer, blob in zip(document["buffers"], buffers):
        if buffer["byteLength"] != len(blob):
            raise ValueError(f"a buffer of {buffer['byteLength']} bytes has {len(blob)}")
    return document, buffers


def _open_binary(data: bytes) -> tuple[dict[str, Any], bytes]:
    magic, version, length = struct.unpack_from("<III", data)
    if (magic, version, length) != (MAGIC, 2, len(data)):
        raise ValueError(f"the header speaks of {length} bytes, the file has {len(data)}")
    json_length, json_kind = struct.unpack_from("<II", data, 12)
    start = 20 + json_length
    blob_length, blob_kind = struct.unpack_from("<II", data, start)
    if (json_kind, blob_kind) != (JSON_CHUNK, BINARY_CHUNK) or start + 8 + blob_length != len(data):
        raise ValueError("the chunks are not those of a binary glTF")
    return json.loads(data[20:start].decode("utf-8")), data[start + 8 :]


def values_of(document: dict[str, Any], buffers: list[bytes], number: int) -> np.ndarray:
    """The values of an accessor, shape (count,) or (count, 3), as they are stored."""
    accessor = document["accessors"][number]
    view = document["bufferViews"][accessor["bufferView"]]
    kind, width, count = (
        np.dtype(DTYPES[accessor["componentType"]]),
        WIDTHS[accessor["type"]],
        accessor["count"],
    )
    stride = view.get("byteStride", width * kind.itemsize)
    blob = buffers[view["buffer"]]
    offset, begin = view.get("byteOffset", 0), accessor.get("byteOffset", 0)
    length = view["byteLength"] - begin
    if offset + view["byteLength"] > len(blob) or (count - 1) * stride + width * kind.itemsize > length:
        raise ValueError(f"accessor {number} reaches beyond its data")
    rows = np.frombuffer(blob, np.uint8, length, offset + begin)
    if stride != width * kind.itemsize:
        rows = np.ascontiguousarray(rows[: count * stride].reshape(count, stride)[:, : width * kind.itemsize])
    values = rows.reshape(-1)[: count * width * kind.itemsize].view(kind)
    return values if width == 1 else values.reshape(count, width)
