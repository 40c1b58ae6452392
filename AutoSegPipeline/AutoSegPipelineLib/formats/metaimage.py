"""MetaImage headers (.mha, .mhd): ``Key = Value`` lines up to ``ElementDataFile``.

Format: itk.org/Wiki/MetaIO/Documentation; geometry as ITK's MetaImageIO writes it
(each axis' direction in turn, LPS mm).
"""

from __future__ import annotations

import math
import re

from ..core.errors import Refused
from ..core.safe_open import bare_name, local_name
from .geometry import make_affine
from .header import STATED, UNSTATED, Header, corrupt
from .text_fields import floats, integers
from .units import believed_factor, factor_to_mm

HEAD_BYTES = 64 * 1024
TYPES = {
    "MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_INT": "i4",
    "MET_UINT": "u4", "MET_LONG": "i4", "MET_ULONG": "u4", "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8", "MET_FLOAT": "f4", "MET_DOUBLE": "f8",
}  # fmt: skip
# Programs write keys of their own: `dim[0]` of NIfTI, `0008|0060` of DICOM.
_LINE = re.compile(rb"^[ \t]*([^\s=:][^=:]*?)[ \t]*[=:][ \t]*(.*?)[ \t]*$")
# Fields that decide what is read; readers differ in which of two they take.
_DECIDING = {
    "ndims", "dimsize", "elementnumberofchannels", "elementspacing", "elementsize", "elementtype",
    "transformmatrix", "rotation", "orientation", "offset", "position", "origin", "distanceunits",
    "binarydata", "binarydatabyteordermsb", "elementbyteordermsb", "compresseddata", "compresseddatasize",
    "headersize", "elementdatafile", "objecttype",
}  # fmt: skip


def looks_like(head: bytes) -> bool:
    """Whether a file's first bytes are a MetaImage header."""
    text = head[:2048].lstrip()
    if b"\0" in text.split(b"ElementDataFile")[0][:512]:
        return False
    first = re.match(rb"(ObjectType|NDims|Comment|ObjectSubType)[ \t]*[=:]", text)
    return first is not None and re.search(rb"(?m)^[ \t]*NDims[ \t]*[=:]", text) is not None


def fields_of(head: bytes, name: str) -> tuple[dict[str, str], int]:
    """Keys as they are written with their values, and where the data of a .mha begin.

    A line without a key goes on with the value before it. Raises ``input.corrupt`` for a header
    without end, with bytes that are no text, or with two values of a field that decides what is read.
    """
    fields: dict[str, str] = {}
    taken: set[str] = set()
    last, at = "", 0
    while True:
        end = head.find(b"\n", at)
        line = head[at : end if end >= 0 else len(head)].rstrip(b"\r")
        if line.strip():
            match = _LINE.match(line)
            if b"\0" in line or (match is None and last.lower() in ("", *_DECIDING)):
                raise corrupt(name, "a line of its header is not `Key = Value`")
            if match is None:
                fields[last] += " " + line.strip().decode("utf-8", "replace")
                at = end + 1
                if end < 0:
                    raise corrupt(name, "its header has no ElementDataFile")
                continue
            key = last = match.group(1).decode("utf-8", "replace")
            if key.lower() in taken and key.lower() in _DECIDING:
                raise corrupt(name, f"its header says {key.lower()} twice")
            taken.add(key.lower())
            fields[key] = match.group(2).decode("utf-8", "replace")
            if key.lower() == "elementdatafile":
                return fields, end + 1 if end >= 0 else len(head)
        if end < 0:
            raise corrupt(name, "its header has no ElementDataFile")
        at = end + 1


def parse(head: bytes, name: str) -> Header:
    """The header in the file's first :data:`HEAD_BYTES` bytes.

    Raises :class:`Refused`: ``input.corrupt``, ``input.external_data``, ``input.unknown_format``.
    """
    written, end = fields_of(head, name)
    fields = {key.lower(): value for key, value in written.items()}
    if fields.get("objecttype", "Image").lower() != "image":
        raise Refused("input.unknown_format", f"{name} holds a {fields['objecttype']}, not an image.")
    dims = integers(fields, "ndims", 1, name)[0]
    if not 1 <= dims <= 7:
        raise corrupt(name, f"it claims {dims} dimensions")
    sizes = integers(fields, "dimsize", dims, name)
    if min(sizes) < 1:
        raise corrupt(name, f"it claims the sizes {sizes}")
    sizes += [1] * (3 - dims)
    channels = integers(fields, "elementnumberofchannels", 1, name, "1")[0]
    if not 1 <= channels <= 10000:
        raise corrupt(name, f"it claims {channels} channels")
    steps = floats(fields, "elementspacing" if "elementspacing" in fields else "elementsize", dims, name, 1.0)
    steps += [1.0] * (3 - dims)
    unit = factor_to_mm(fields.get("distanceunits", ""))
    if unit is None:
        raise corrupt(name, f"it is measured in {fields['distanceunits'][:20]!r}, which is no length")
    header = Header(
        format="metaimage", shape=(sizes[0], sizes[1], sizes[2]), dtype=_dtype(fields, name), affine=None,
        spacing=(abs(steps[0]), abs(steps[1]), abs(steps[2])),
        dimensions=max((n + 1 for n, size in enumerate(sizes) if size > 1), default=1),
        extra=math.prod(sizes[3:]) * channels,
        sizes=(channels, *sizes), spatial=(1, 2, 3),
        extra_kind="time" if math.prod(sizes[3:]) > 1 else "colour" if channels in (3, 4) else "vector",
    )  # fmt: skip
    factor = believed_factor(header, header.spacing, unit, name)
    header.spacing = (header.spacing[0] * factor, header.spacing[1] * factor, header.spacing[2] * factor)
    _set_geometry(header, fields, dims, [step * factor for step in steps], factor, name)
    _set_data(header, fields, end, name)
    header.fields = fields
    header.values = {key: value for key, value in written.items() if key.lower() != "elementdatafile"}
    return header


def _dtype(fields: dict[str, str], name: str) -> str:
    given = fields.get("elementtype", "").upper().replace("_ARRAY", "")
    if given not in TYPES:
        raise Refused(
            "input.unknown_format", f"{name}: voxels of type {given or 'unknown'} are not supported."
        )
    msb = fields.get("binarydatabyteordermsb", fields.get("elementbyteordermsb", "False"))
    word = TYPES[given]
    return ("|" if word[1] == "1" else ">" if msb.strip().lower().startswith(("t", "1", "y")) else "<") + word


def _set_geometry(
    header: Header, fields: dict[str, str], dims: int, steps: list[float], factor: float, name: str
) -> None:
    key = next((k for k in ("transformmatrix", "rotation", "orientation") if k in fields), None)
    if dims < 3 or key is None:
        header.orientation = UNSTATED
        return
    matrix = floats(fields, key, dims * dims, name)
    origin_key = next((k for k in ("offset", "position", "origin") if k in fields), "offset")
    origin = floats(fields, origin_key, dims, name, 0.0)
    columns = [[matrix[axis * dims + r] * steps[axis] for r in range(3)] for axis in range(3)]
    header.affine = make_affine(columns, [place * factor for place in origin[:3]])
    header.orientation = STATED


def _set_data(header: Header, fields: dict[str, str], end: int, name: str) -> None:
    data = fields["elementdatafile"]
    compressed = fields.get("compresseddata", "False").strip().lower().startswith(("t", "1", "y"))
    if fields.get("binarydata", "True").strip().lower().startswith(("f", "0", "n")):
        header.encoding = "ascii"
        if compressed:
            raise corrupt(name, "it claims to be text and compressed")
    elif compressed:
        header.encoding = "zlib"
        if "compresseddatasize" in fields:
            header.stored_bytes = integers(fields, "compresseddatasize", 1, name)[0]
    skip = integers(fields, "headersize", 1, name, "0")[0]
    if data.upper() == "LOCAL":
        header.data_offset = end
        return
    words, data = data.split(), local_name(data)
    if not words or words[0].upper() == "LIST" or "%" in data or not bare_name(data):
        raise Refused("input.external_data", f"{name} points to its data as {data!r}.")
    if skip < -1 or (skip == -1 and header.encoding != "raw"):
        raise corrupt(name, f"its data begin at {skip}")
    header.data_file, header.data_offset = data, skip
