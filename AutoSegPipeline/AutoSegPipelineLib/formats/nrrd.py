"""NRRD headers (teem.sourceforge.net/nrrd/format.html), attached and detached."""

from __future__ import annotations

import math
import re

from ..core.errors import Refused
from ..core.safe_open import bare_name, local_name
from .geometry import length, make_affine
from .header import STATED, UNSTATED, Header, corrupt
from .text_fields import integers
from .units import believed_factor, factor_to_mm

# A segmentation of a hundred structures carries its names and codes here.
HEAD_BYTES = 8 * 1024 * 1024
MAGIC = re.compile(rb"NRRD000[1-9]\r?\n")
OWN_KEY = "autosegpipeline"
TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": (
        "longlong",
        "long long",
        "long long int",
        "signed long long",
        "signed long long int",
        "int64",
        "int64_t",
    ),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}
_WORDS = {word: key for key, words in TYPES.items() for word in words}
# Signs that turn the first two axes into LPS.
SPACES = {
    "left-posterior-superior": (1.0, 1.0), "lps": (1.0, 1.0),
    "right-anterior-superior": (-1.0, -1.0), "ras": (-1.0, -1.0),
    "left-anterior-superior": (1.0, -1.0), "las": (1.0, -1.0),
}  # fmt: skip
ALIASES = {"datafile": "data file", "lineskip": "line skip", "byteskip": "byte skip", "centerings": "centers"}
SPATIAL_KINDS = ("domain", "space", "???", "none", "")
COLOUR_KINDS = ("rgb-color", "rgba-color", "hsv-color", "xyz-color", "3-color", "4-color")
ENCODINGS = {
    "raw": "raw", "gzip": "gzip", "gz": "gzip", "bzip2": "bzip2", "bz2": "bzip2",
    "txt": "ascii", "text": "ascii", "ascii": "ascii", "hex": "hex",
}  # fmt: skip
_SEGMENT_KEY = re.compile(r"segment\d+_(id|labelvalue|layer|name)", re.IGNORECASE)


def fields_of(head: bytes, name: str) -> tuple[dict[str, str], dict[str, str], int | None]:
    """Fields (keys in lower case), key/value pairs, and where attached data begin (``None``: detached).

    Raises ``input.corrupt`` for a line that is none and for a field that is there twice.
    """
    first = MAGIC.match(head)
    if first is None:
        raise corrupt(name, "this is no NRRD header")
    fields: dict[str, str] = {}
    values: dict[str, str] = {}
    at = first.end()
    while at < len(head):
        end = head.find(b"\n", at)
        if end < 0:
            if len(head) >= HEAD_BYTES or b"\0" in head[at:]:
                raise corrupt(name, "its header has no end")
            end = len(head)
        line = head[at:end].rstrip(b"\r").decode("utf-8", "replace")
        at = min(end + 1, len(head))
        if not line.strip():
            return fields, values, at
        if not line.startswith("#"):
            _line(line, fields, values, name)
    return fields, values, None


def _line(line: str, fields: dict[str, str], values: dict[str, str], name: str) -> None:
    if ":=" in line and (": " not in line or line.index(":=") < line.index(": ")):
        key, _, value = line.partition(":=")
        values[key] = _unescaped(value)
        return
    key, found, value = line.partition(":")
    key = key.strip().lower()
    key = ALIASES.get(key, key)
    if not found or not key:
        raise corrupt(name, f"its header has the line {line[:60]!r}")
    if key in fields:
        raise corrupt(name, f"its header says {key!r} twice")
    fields[key] = value.strip()


def escaped(text: str) -> str:
    """The value of a key/value pair as it stands in a file."""
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _unescaped(text: str) -> str:
    return "\\".join(part.replace("\\n", "\n") for part in text.split("\\\\"))


def parse(head: bytes, name: str) -> Header:
    """The header in the file's first bytes (all of it, at most :data:`HEAD_BYTES`).

    Raises :class:`Refused`: ``input.corrupt``, ``input.external_data``, ``input.unknown_format``.
    """
    fields, values, end = fields_of(head, name)
    dims = integers(fields, "dimension", 1, name)[0]
    if not 1 <= dims <= 16:
        raise corrupt(name, f"it claims {dims} dimensions")
    sizes = integers(fields, "sizes", dims, name)
    if min(sizes) < 1:
        raise corrupt(name, f"it claims the sizes {sizes}")
    spatial = _spatial_axes(fields, dims, name)
    other = [axis for axis in range(dims) if axis not in spatial]
    shape = [sizes[axis] for axis in spatial] + [1] * (3 - len(spatial))
    header = Header(
        format="nrrd", shape=(shape[0], shape[1], shape[2]), dtype=_dtype(fields, name), affine=None,
        spacing=(1.0, 1.0, 1.0), sizes=tuple(sizes), spatial=tuple(spatial), fields=fields, values=values,
        extra=math.prod(sizes[axis] for axis in other),
        dimensions=len(spatial) + sum(sizes[axis] > 1 for axis in other),
    )  # fmt: skip
    if any(_SEGMENT_KEY.fullmatch(key) for key in values):
        header.label_marker = "its header names segments"
    if header.extra > 1:
        # Some writers of segmentations call their layers a vector, or nothing at all.
        header.extra_kind = "list" if header.label_marker else _extra_kind(fields, other, sizes)
    _set_geometry(header, fields, spatial, dims, name)
    _set_data(header, fields, end, name)
    header.own_output = any(key.lower().startswith(OWN_KEY) for key in values)
    return header


def _kinds(fields: dict[str, str], dims: int) -> list[str]:
    kinds = [word.lower() for word in fields.get("kinds", "").split()]
    return kinds if len(kinds) == dims else [""] * dims


def _directions(fields: dict[str, str], dims: int, name: str) -> list[list[float] | None] | None:
    text = fields.get("space directions")
    if text is None:
        return None
    words = re.findall(r"none|\([^()]*\)", text)
    if len(words) != dims:
        raise corrupt(name, f"space directions are {text[:80]!r}")
    return [None if word == "none" else _vector(word, name) for word in words]


def _vector(text: str, name: str) -> list[float]:
    try:
        return [float(part) for part in text.strip().strip("()").split(",")]
    except ValueError:
        raise corrupt(name, f"{text[:80]!r} is no vector") from None


def _spatial_axes(fields: dict[str, str], dims: int, name: str) -> list[int]:
    directions = _directions(fields, dims, name)
    if directions is not None:
        axes = [axis for axis, direction in enumerate(directions) if direction is not None]
    else:
        kinds = _kinds(fields, dims)
        axes = [axis for axis in range(dims) if kinds[axis] in SPATIAL_KINDS][:3]
    if not axes or len(axes) > 3:
        raise corrupt(name, f"it has {len(axes)} axes in space")
    return axes


def _extra_kind(fields: dict[str, str], other: list[int], sizes: list[int]) -> str:
    kinds = _kinds(fields, len(sizes))
    if any(kinds[axis] in COLOUR_KINDS for axis in other):
        return "colour"
    if any(kinds[axis] == "list" for axis in other):
        return "list"
    if any("vector" in kinds[axis] or "matrix" in kinds[axis] or kinds[axis] == "complex" for axis in other):
        return "vector"
    # Colour without a word for it: three or four bytes as the fastest axis.
    return "colour" if other == [0] and sizes[0] in (3, 4) else "time"


def _dtype(fields: dict[str, str], name: str) -> str:
    given = re.sub(r"\s+", " ", fields.get("type", "").lower())
    if given not in _WORDS:
        raise Refused(
            "input.unknown_format", f"{name}: voxels of type {given or 'unknown'!r} are not supported."
        )
    word = _WORDS[given]
    return ("|" if word[1] == "1" else ">" if fields.get("endian", "little").lower() == "big" else "<") + word


def _set_geometry(header: Header, fields: dict[str, str], spatial: list[int], dims: int, name: str) -> None:
    header.orientation = UNSTATED
    directions = _directions(fields, dims, name)
    if directions is None:
        words = fields.get("spacings", "").split()
        try:
            steps = [abs(float(words[axis])) for axis in spatial] if len(words) == dims else [1.0] * 3
        except ValueError:
            raise corrupt(name, f"spacings are {fields['spacings']!r}") from None
        factors = _factors(_quoted(fields, "units", spatial, dims), name)
        factors = _believed(header, steps, factors, name)
        steps = [step * factor if math.isfinite(step) else 1.0 for step, factor in zip(steps, factors)] + [
            1.0
        ] * 3
        header.spacing = (steps[0], steps[1], steps[2])
        return
    vectors = [direction for direction in directions if direction is not None]
    if len(vectors) != 3 or any(len(vector) != 3 for vector in vectors):
        return
    factors = _factors(_quoted(fields, "space units", [0, 1, 2], 3), name)
    x, y, z = _believed(header, [length(vector) for vector in vectors], factors, name)
    vectors = [[vector[0] * x, vector[1] * y, vector[2] * z] for vector in vectors]
    header.spacing = (length(vectors[0]), length(vectors[1]), length(vectors[2]))
    signs = SPACES.get(fields.get("space", "").lower())
    if signs is None:
        return
    origin = _vector(fields["space origin"], name) if "space origin" in fields else [0.0, 0.0, 0.0]
    if len(origin) != 3:
        raise corrupt(name, f"space origin is {fields['space origin']!r}")
    columns = [[vector[0] * signs[0], vector[1] * signs[1], vector[2]] for vector in vectors]
    header.affine = make_affine(columns, [origin[0] * x * signs[0], origin[1] * y * signs[1], origin[2] * z])
    header.orientation = STATED


def _quoted(fields: dict[str, str], key: str, axes: list[int], count: int) -> list[str]:
    """The quoted words of a field for these axes; empty words where it does not give one for each axis."""
    words = re.findall(r'"([^"]*)"', fields.get(key, ""))
    return [words[axis] for axis in axes] if len(words) == count else [""] * len(axes)


def _believed(header: Header, steps: list[float], factors: list[float], name: str) -> list[float]:
    """``factors`` where they can be true; see :func:`.units.believed_factor`."""
    if len(steps) != 3 or len(set(factors)) != 1 or not all(math.isfinite(step) for step in steps):
        return factors
    return [believed_factor(header, steps, factors[0], name)] * 3


def _factors(units: list[str], name: str) -> list[float]:
    factors = []
    for unit in units:
        factor = factor_to_mm(unit)
        if factor is None:
            raise corrupt(name, f"its axes are measured in {unit[:20]!r}, which is no length")
        factors.append(factor)
    return factors


def _set_data(header: Header, fields: dict[str, str], end: int | None, name: str) -> None:
    given = fields.get("encoding", "").lower()
    if given not in ENCODINGS:
        raise Refused(
            "input.unknown_format",
            f"{name}: the encoding {given!r} is not supported.",
            "Save it as raw or gzip.",
        )
    header.encoding = ENCODINGS[given]
    header.line_skip = integers(fields, "line skip", 1, name, "0")[0]
    skip = integers(fields, "byte skip", 1, name, "0")[0]
    if header.line_skip < 0 or skip < -1 or (skip == -1 and header.encoding != "raw"):
        raise corrupt(name, f"its data begin after {header.line_skip} lines and {skip} bytes")
    header.byte_skip = max(skip, 0)
    data = fields.get("data file")
    if data is not None:
        beside = local_name(data)
        if data.upper().startswith("LIST") or "%" in data or not bare_name(beside):
            raise Refused("input.external_data", f"{name} points to its data as {data!r}.")
        header.data_file = beside
    elif end is None:
        raise corrupt(name, "its header has no end")
    header.data_offset = -1 if skip == -1 else 0 if end is None or data is not None else end
