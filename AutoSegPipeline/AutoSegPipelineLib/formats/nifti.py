"""NIfTI-1 and NIfTI-2 headers (nifti.nimh.nih.gov, nifti1.h and nifti2.h), single files and pairs.

A header without NIfTI's mark is one of Analyze 7.5, from which NIfTI-1 grew: it has no orientation.
"""

from __future__ import annotations

import math
import struct
from typing import IO, Any, Iterator, Sequence

from ..core.errors import Refused
from ..core.segmentation import Affine
from .geometry import furthest, is_finite, is_singular, length, make_affine, ras_to_lps, scaled
from .header import CONFLICT, STATED, UNSTATED, Header, corrupt
from .units import believed_factor

HEAD_BYTES = 544
OWN_MARK = b"AutoSegPipeline"
MOST_EXTENSION_BYTES = 4 << 20
INTENT_LABEL, INTENT_NEURONAMES = 1002, 1005
COLOUR = {128: "u1", 2304: "u1"}
TYPES = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1",
    512: "u2", 768: "u4", 1024: "i8", 1280: "u8",
}  # fmt: skip
# dim, intent_code, datatype, bitpix, pixdim, vox_offset, slope, inter, qform_code, sform_code,
# quatern+offset, srow, units, descrip, intent_name: offset and struct letters in each version.
_V1: dict[str, tuple[int, str]] = {
    "dim": (40, "8h"), "intent": (68, "h"), "datatype": (70, "h"), "bitpix": (72, "h"),
    "pixdim": (76, "8f"), "offset": (108, "f"), "slope": (112, "f"), "inter": (116, "f"),
    "units": (123, "B"), "descrip": (148, "80s"), "qcode": (252, "h"), "scode": (254, "h"),
    "quatern": (256, "6f"), "srow": (280, "12f"),
}  # fmt: skip
_V2: dict[str, tuple[int, str]] = {
    "dim": (16, "8q"), "intent": (504, "i"), "datatype": (12, "h"), "bitpix": (14, "h"),
    "pixdim": (104, "8d"), "offset": (168, "q"), "slope": (176, "d"), "inter": (184, "d"),
    "units": (500, "i"), "descrip": (240, "80s"), "qcode": (344, "i"), "scode": (348, "i"),
    "quatern": (352, "6d"), "srow": (400, "12d"),
}  # fmt: skip


def version_of(head: bytes) -> tuple[int, str] | None:
    """(1 or 2, byte order) of a NIfTI file's first bytes, ``None`` for anything else."""
    for order in "<>":
        size = struct.unpack_from(order + "i", head)[0] if len(head) >= 4 else 0
        if size == 348 and head[344:348] in (b"n+1\0", b"ni1\0"):
            return (1, order)
        if size == 540 and len(head) >= 540 and head[4:8] in (b"n+2\0", b"ni2\0"):
            return (2, order)
        if size == 348 and is_analyze(head, order):
            return (1, order)
    return None


def is_analyze(head: bytes, order: str) -> bool:
    """Whether ``head`` is an Analyze 7.5 header: no mark, but numbers that fit each other."""
    if len(head) < 348 or head[344:348] in (b"n+1\0", b"ni1\0"):
        return False
    dims, code, bits = (_unpack(head, _V1, order)[key] for key in ("dim", "datatype", "bitpix"))
    known = {**{one: int(word[1:]) * 8 for one, word in TYPES.items()}, 128: 24}
    return 3 <= dims[0] <= 7 and min(dims[1:4]) > 0 and bool(known.get(code[0]) == bits[0])


def is_pair(head: bytes) -> bool:
    """Whether the voxels of the file that begins with ``head`` lie in a second one."""
    found = version_of(head)
    return found is not None and head[344:348] != b"n+1\0" and head[4:8] != b"n+2\0"


def parse(head: bytes, name: str) -> Header:
    """The header in the file's first (decompressed) :data:`HEAD_BYTES` bytes.

    Raises :class:`Refused`: ``input.corrupt``, ``input.two_dimensional``, ``input.bad_affine`` (a unit
    that cannot be true), ``input.unknown_format`` (number types that nothing here reads).
    """
    found = version_of(head)
    if found is None:
        raise corrupt(name, "this is no NIfTI header")
    version, order = found
    raw = _unpack(head, _V1 if version == 1 else _V2, order)
    dims, sizes = _shape(raw["dim"], name)
    extra = math.prod(sizes[3:])
    dtype, colour = _dtype(int(raw["datatype"][0]), int(raw["bitpix"][0]), name)
    offset = raw["offset"][0]
    if not math.isfinite(offset) or not 0 <= offset < 2**40:
        raise corrupt(name, f"the data begin at an impossible place, {offset}")
    smallest = 0 if is_pair(head) else 348 if version == 1 else 540
    header = Header(
        format="nifti", shape=(sizes[0], sizes[1], sizes[2]), affine=None,
        dtype=("|" if dtype[1] == "1" else order) + dtype,
        spacing=(1.0, 1.0, 1.0), dimensions=dims, data_offset=max(int(offset), smallest),
        sizes=((colour,) if colour else ()) + sizes,
        spatial=(1, 2, 3) if colour else (0, 1, 2),
    )  # fmt: skip
    _set_extra(header, extra, colour, int(raw["intent"][0]))
    if version == 1 and is_analyze(head, order):
        # Its fields for an orientation mean something else, and programs differ in it.
        raw.update(qcode=(0,), scode=(0,), units=(2,), inter=(0.0,), intent=(0,))
    _set_geometry(header, raw, name)
    slope, inter = float(raw["slope"][0]), float(raw["inter"][0])
    # The standard: no scaling where the slope is 0; writers also say "none" with NaN.
    if slope and math.isfinite(slope) and math.isfinite(inter):
        header.slope, header.intercept = slope, inter
    header.own_output = bytes(raw["descrip"][0]).startswith(OWN_MARK)
    if raw["intent"][0] in (INTENT_LABEL, INTENT_NEURONAMES):
        header.label_marker = "its intent code says label"
    header.facts = {
        "version": version,
        "qform_code": int(raw["qcode"][0]),
        "sform_code": int(raw["scode"][0]),
    }
    return header


def extensions(stream: IO[bytes]) -> Iterator[bytes]:
    """Contents of the header extensions of a (decompressed) file, from its first byte on."""
    head = stream.read(HEAD_BYTES)
    found = version_of(head)
    if found is None:
        return
    version, order = found
    size = 348 if version == 1 else 540
    stream.seek(size)
    at, letters = (_V1 if version == 1 else _V2)["offset"]
    end = min(struct.unpack_from(order + letters, head, at)[0], MOST_EXTENSION_BYTES)
    flags = stream.read(4)
    if len(flags) < 4 or not flags[0]:
        return
    position = size + 4
    while position + 8 <= end:
        start = stream.read(8)
        length = struct.unpack(order + "ii", start)[0] if len(start) == 8 else 0
        if length < 8 or position + length > end:
            return
        yield stream.read(length - 8)
        position += length


def _unpack(head: bytes, table: dict[str, tuple[int, str]], order: str) -> dict[str, tuple[Any, ...]]:
    return {key: struct.unpack_from(order + letters, head, at) for key, (at, letters) in table.items()}


def _shape(dim: Sequence[int], name: str) -> tuple[int, tuple[int, ...]]:
    """Dimensions with more than one voxel, and all seven sizes."""
    count = dim[0]
    if not 1 <= count <= 7:
        raise corrupt(name, f"it claims {count} dimensions")
    sizes = [int(size) for size in dim[1 : count + 1]]
    if any(size < 0 for size in sizes) or 0 in sizes[:3]:
        raise corrupt(name, f"it claims the sizes {sizes}")
    sizes = [max(size, 1) for size in sizes] + [1] * (7 - count)
    dims = max((n + 1 for n, size in enumerate(sizes) if size > 1), default=1)
    return dims, tuple(sizes)


def _dtype(code: int, bits: int, name: str) -> tuple[str, int]:
    """numpy's word and the number of colour components (0: grey)."""
    if code in COLOUR:
        return COLOUR[code], 3 if code == 128 else 4
    if code not in TYPES:
        raise Refused("input.unknown_format", f"{name}: voxels of NIfTI type {code} are not supported.")
    dtype = TYPES[code]
    if bits != int(dtype[1:]) * 8:
        raise corrupt(name, f"type {code} has not {bits} bits")
    return dtype, 0


def _set_extra(header: Header, extra: int, colour: int, intent: int) -> None:
    header.extra = extra
    if colour:
        header.extra, header.extra_kind = extra * colour, "colour"
    elif extra > 1:
        # 2003 and 2004 are the intents RGB and RGBA, stored along the fifth axis.
        header.extra_kind = "colour" if intent in (2003, 2004) else "time"


def _set_geometry(header: Header, raw: dict[str, tuple[Any, ...]], name: str) -> None:
    stated = {1: 1000.0, 3: 0.001}.get(int(raw["units"][0]) & 7, 1.0)
    pixdim = [float(value) for value in raw["pixdim"]]
    steps = [abs(value) if math.isfinite(value) else 0.0 for value in pixdim[1:4]]
    row = [float(value) for value in raw["srow"]]
    columns = [(row[axis], row[4 + axis], row[8 + axis]) for axis in range(3)]
    edges = [length(column) for column in columns]
    uses_sform = raw["scode"][0] > 0 and all(math.isfinite(edge) and edge > 0 for edge in edges)
    factor = believed_factor(header, edges if uses_sform else steps, stated, name)
    header.spacing = (steps[0] * factor, steps[1] * factor, steps[2] * factor)
    found: dict[str, Affine] = {}
    if raw["scode"][0] > 0:
        found["sform"] = make_affine(columns, (row[3], row[7], row[11]))
    if raw["qcode"][0] > 0:
        found["qform"] = _qform([float(value) for value in raw["quatern"]], pixdim)
    found = {key: ras_to_lps(scaled(affine, factor)) for key, affine in found.items()}
    if not found:
        header.orientation = UNSTATED
        return
    usable = [affine for affine in found.values() if is_finite(affine) and not is_singular(affine)]
    header.orientation = STATED
    header.affine = next(iter(found.values()))
    if len(found) == 2:
        smallest = min((step for step in header.spacing if step > 0), default=1.0)
        apart = len(usable) == 2 and furthest(usable[0], usable[1], header.shape)
        # Half a voxel: less than that is rounding of the quaternion, more moves organs.
        if len(usable) < 2 or apart > 0.5 * smallest:
            header.orientation, header.choices, header.affine = CONFLICT, found, None


def _qform(quatern: Sequence[float], pixdim: Sequence[float]) -> Affine:
    """nifti1.h, section METHOD 2: rotation from the unit quaternion (a, b, c, d), RAS."""
    b, c, d = quatern[:3]
    square = 1.0 - (b * b + c * c + d * d)
    a = math.sqrt(square) if square > 0 else 0.0
    if a == 0.0:  # a half turn whose rounding left the unit sphere
        norm = math.sqrt(b * b + c * c + d * d)
        b, c, d = (b / norm, c / norm, d / norm) if norm > 0 else (b, c, d)
    rotation = (
        (a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)),
        (2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)),
        (2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - c * c - b * b),
    )
    flip = -1.0 if pixdim[0] < 0 else 1.0
    steps = (abs(pixdim[1]), abs(pixdim[2]), abs(pixdim[3]) * flip)
    columns = [[rotation[r][axis] * steps[axis] for r in range(3)] for axis in range(3)]
    return make_affine(columns, quatern[3:6])
