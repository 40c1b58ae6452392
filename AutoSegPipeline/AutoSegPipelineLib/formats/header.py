"""What a volume file's header says, in one form for every format."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..core.errors import Refused
from ..core.segmentation import Affine
from .geometry import assumed_affine, is_finite, is_singular, shear_of

STATED, UNSTATED, CONFLICT = "stated", "unstated", "conflict"
# A shear or a skew direction below this (sine of the angle) is rounding in the file.
SHEAR_TOLERANCE = 0.01


@dataclass
class Header:
    """One volume file. ``shape`` is (i, j, k); ``extra`` the product of all other axes' sizes."""

    format: str
    shape: tuple[int, int, int]
    dtype: str  # numpy's word with byte order, "<i2"
    affine: Affine | None  # LPS mm; None while the orientation is open
    spacing: tuple[float, float, float]  # mm
    orientation: str = STATED
    choices: dict[str, Affine] = field(default_factory=dict)  # "sform", "qform" where they disagree
    extra: int = 1
    extra_kind: str = ""  # "colour", "time", "list", "vector" when extra > 1
    sizes: tuple[int, ...] = ()  # samples along every axis, the fastest first
    spatial: tuple[int, ...] = ()  # which of these axes are i, j and k
    dimensions: int = 3
    encoding: str = "raw"  # raw, gzip, bzip2, zlib, ascii, hex: of the data
    file_gzipped: bool = False  # the file itself is a gzip stream
    data_file: str | None = None  # bare name of a file beside the header
    data_offset: int = 0  # in the data file, or in its contents where file_gzipped; -1: counted from the end
    line_skip: int = 0  # lines between there and the encoded data
    byte_skip: int = 0  # bytes before the first sample, after decompression
    stored_bytes: int | None = None  # of the encoded data, where the header says it
    slope: float = 1.0
    intercept: float = 0.0
    label_marker: str = ""  # why the header itself says that this is a segmentation
    own_output: bool = False
    warnings: list[dict[str, str]] = field(default_factory=list)  # code, message
    facts: dict[str, Any] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)  # of a text header, keys in lower case
    # NRRD's key/value pairs, or all fields of a MetaImage; keys as the file spells them.
    values: dict[str, str] = field(default_factory=dict)

    @property
    def voxels(self) -> int:
        """Voxels of one volume."""
        i, j, k = self.shape
        return i * j * k

    @property
    def item_bytes(self) -> int:
        """Bytes of one number."""
        return int(self.dtype[2:])

    @property
    def data_bytes(self) -> int:
        """Bytes that the header promises, decompressed, all axes."""
        return self.voxels * self.extra * self.item_bytes


def decide_affine(header: Header, assume: str, name: str) -> Affine:
    """The affine that holds, given the option ``assume_orientation``.

    Raises :class:`Refused` with ``input.orientation_unstated``,
    ``input.orientation_conflict`` or ``input.bad_affine``.
    """
    affine = header.affine
    if header.orientation == CONFLICT:
        if assume not in header.choices:
            raise Refused(
                "input.orientation_conflict", f"{name}: sform and qform place the scan differently."
            )
        affine = header.choices[assume]
    elif header.orientation == UNSTATED or affine is None:
        if len(assume) != 3:
            raise Refused("input.orientation_unstated", f"{name} does not state its orientation.")
        affine = assumed_affine(assume, header.spacing)
    if not is_finite(affine) or is_singular(affine):
        raise Refused("input.bad_affine", f"{name}: the axes have no length or lie in one plane.")
    if shear_of(affine) > SHEAR_TOLERANCE:
        raise Refused("input.bad_affine", f"{name}: the axes are sheared, not at right angles.")
    return affine


def corrupt(name: str, why: str) -> Refused:
    """``input.corrupt`` with what was wrong."""
    return Refused("input.corrupt", f"{name}: {why}.")
