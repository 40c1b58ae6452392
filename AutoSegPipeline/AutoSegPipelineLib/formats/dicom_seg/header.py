"""The header of a DICOM segmentation: its segments, where each frame lies, and the grid of all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Sequence, Tuple

from ...core.errors import Refused
from ...core.safe_open import open_input
from ...core.segmentation import Code, Colour, Grid
from ..geometry import Vector
from ..header import corrupt
from .errors import damaged
from .grid import FramePlace, Placed, Plane, place_frames

if TYPE_CHECKING:
    from pydicom import Dataset

SEGMENTATION_CLASS = "1.2.840.10008.5.1.4.1.1.66.4"
LABEL_MAP_CLASS = "1.2.840.10008.5.1.4.1.1.66.7"
CLASSES = (SEGMENTATION_CLASS, LABEL_MAP_CLASS)
BINARY, FRACTIONAL, LABEL_MAP = "BINARY", "FRACTIONAL", "LABELMAP"
# A voxel of a fractional segment belongs to it from this part of the largest possible value on.
THRESHOLD = 0.5
_BACKGROUND = ("background",)
_IDENTIFICATION = "SegmentIdentificationSequence"


@dataclass(frozen=True)
class SegmentItem:
    """One segment as the object describes it; the colour is sRGB in 0..1."""

    number: int
    label: str
    category: Code | None = None
    code: Code | None = None
    modifier: Code | None = None
    region: Code | None = None
    region_modifier: Code | None = None
    colour: Colour | None = None


@dataclass
class SegHeader:
    """What the object says before any frame is decoded.

    ``places`` has one entry for each frame, where it lies on the grid;
    ``numbers`` the segment that each frame shows (0 in a label map, whose voxels hold the numbers).
    """

    path: str
    name: str
    kind: str
    grid: Grid
    rows: int
    columns: int
    segments: list[SegmentItem]
    numbers: list[int]
    places: list[FramePlace]
    syntax: str
    bits: int  # of a pixel
    highest: int = 1  # the value that stands for a probability of 1
    uneven: bool = False
    facts: dict[str, object] = field(default_factory=dict)

    @property
    def compressed(self) -> bool:
        """Whether each frame is compressed (PS3.5 A.4, A.8), not merely laid out in another way."""
        return self.syntax.startswith(("1.2.840.10008.1.2.4.", "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.8."))


def read_header(path: str, name: str) -> SegHeader:
    """Parse everything but the pixels; ``name`` is what messages call the object.

    Raises :class:`Refused`: ``input.corrupt``, ``input.orientation_unstated``, ``input.bad_affine``,
    ``input.four_dimensional`` (several orientations), ``export.no_names``, ``export.empty``.
    """
    import pydicom

    try:
        with open_input(path, name=name) as stream:
            data = pydicom.dcmread(stream, stop_before_pixels=True, force=True)
        return _header(data, path, name)
    except damaged() as error:
        if isinstance(error, OSError) and error.errno:
            raise  # the disk's, not the file's
        raise corrupt(name, "its header cannot be read") from error


def _header(data: Dataset, path: str, name: str) -> SegHeader:
    kind = str(data.get("SegmentationType") or BINARY).strip().upper()
    if str(data.get("SOPClassUID") or "") == LABEL_MAP_CLASS:
        kind = LABEL_MAP
    if kind not in (BINARY, FRACTIONAL, LABEL_MAP):
        raise corrupt(name, f"its segmentation type {kind!r} is not known")
    frames = list(data.get("PerFrameFunctionalGroupsSequence") or ())
    if not frames:
        raise Refused("export.empty", f"{name} holds no frame.")
    count = int(data.get("NumberOfFrames") or 1)
    if count != len(frames):
        raise corrupt(name, f"it describes {len(frames)} of its {count} frames")
    shared = (data.get("SharedFunctionalGroupsSequence") or [None])[0]
    segments = _segments(data, kind)
    if not segments:
        raise Refused("export.no_names", f"{name} describes no segment.")
    rows, columns = int(data.Rows), int(data.Columns)
    if min(rows, columns) < 1:
        raise corrupt(name, f"its frames have {rows} rows and {columns} columns")
    placed = _placed(frames, shared, rows, columns, name)
    return SegHeader(
        path, name, kind, placed.grid, rows, columns, segments,
        [0] * count if kind == LABEL_MAP else [_number(frame, shared, segments, name) for frame in frames],
        placed.places,
        str(getattr(data.file_meta, "TransferSyntaxUID", "")),
        int(data.BitsAllocated),
        highest=int(data.get("MaximumFractionalValue") or 255) if kind == FRACTIONAL else 1,
        uneven=placed.uneven,
        facts={
            "segmentation_type": kind,
            "frames": count,
            **({"threshold": THRESHOLD} if kind == FRACTIONAL else {}),
        },
    )  # fmt: skip


def _group(frame: Dataset, shared: Dataset | None, keyword: str) -> Dataset | None:
    """A functional group's only item, of the frame or of all frames (PS3.3 C.7.6.16)."""
    for place in (frame, shared):
        items = place.get(keyword) if place is not None else None
        if items:
            item: Dataset = items[0]
            return item
    return None


def _number(frame: Dataset, shared: Dataset | None, segments: list[SegmentItem], name: str) -> int:
    item = _group(frame, shared, _IDENTIFICATION)
    if item is not None and item.get("ReferencedSegmentNumber") is not None:
        return int(item.ReferencedSegmentNumber)
    if len(segments) == 1:
        return segments[0].number
    raise corrupt(name, "a frame does not say which segment it shows")


def _placed(frames: list[Dataset], shared: Dataset | None, rows: int, columns: int, name: str) -> Placed:
    unstated = Refused(
        "input.orientation_unstated",
        f"{name} does not say where each of its frames lies.",
        "Export the segmentation again with the position of each frame, or as .seg.nrrd or NIfTI.",
    )
    planes = []
    for frame in frames:
        place = _floats(_group(frame, shared, "PlanePositionSequence"), "ImagePositionPatient", 3)
        turn = _floats(_group(frame, shared, "PlaneOrientationSequence"), "ImageOrientationPatient", 6)
        measures = _group(frame, shared, "PixelMeasuresSequence")
        spacing = _floats(measures, "PixelSpacing", 2)
        if place is None or turn is None or spacing is None:
            raise unstated
        planes.append(Plane(_vector(place), _vector(turn[:3]), _vector(turn[3:]), (spacing[0], spacing[1])))
    measures = _group(frames[0], shared, "PixelMeasuresSequence")
    between = _floats(measures, "SpacingBetweenSlices", 1)
    thick = _floats(measures, "SliceThickness", 1)
    return place_frames(
        planes, (rows, columns), abs(between[0]) if between else 0.0, abs(thick[0]) if thick else 0.0, name
    )


def _floats(item: Dataset | None, keyword: str, count: int) -> Tuple[float, ...] | None:
    value = item.get(keyword) if item is not None else None
    if value is None or str(value).strip() == "":
        return None
    values: Sequence[object] = [value] if count == 1 else value
    if isinstance(value, str) or len(values) != count:
        return None
    return tuple(float(str(part)) for part in values)


def _vector(values: Sequence[float]) -> Vector:
    x, y, z = values
    return (x, y, z)


def _segments(data: Dataset, kind: str) -> list[SegmentItem]:
    """The segments in the order of their numbers; the background of a label map is none."""
    palette = _Palette(data) if kind == LABEL_MAP else None
    padding = data.get("PixelPaddingValue")
    found: dict[int, SegmentItem] = {}
    for item in data.get("SegmentSequence") or ():
        number = int(item.SegmentNumber)
        segment = _segment(item, number, palette)
        words = {segment.label.casefold(), segment.code.meaning.casefold() if segment.code else ""}
        background = number == 0 and bool(words.intersection(_BACKGROUND))
        if kind == LABEL_MAP and (background or (padding is not None and number == int(padding))):
            continue
        found.setdefault(number, segment)
    return [found[number] for number in sorted(found)]


def _segment(item: Dataset, number: int, palette: _Palette | None) -> SegmentItem:
    kinds = item.get("SegmentedPropertyTypeCodeSequence") or [None]
    regions = item.get("AnatomicRegionSequence") or [None]
    colour = _colour(item.get("RecommendedDisplayCIELabValue"))
    if colour is None and palette is not None:
        colour = palette.colour(number)
    return SegmentItem(
        number, " ".join(str(item.get("SegmentLabel") or "").split()),
        _code(item, "SegmentedPropertyCategoryCodeSequence"),
        _code(item, "SegmentedPropertyTypeCodeSequence"),
        _code(kinds[0], "SegmentedPropertyTypeModifierCodeSequence"),
        _code(item, "AnatomicRegionSequence"),
        _code(regions[0], "AnatomicRegionModifierSequence"),
        colour,
    )  # fmt: skip


def _code(item: Dataset | None, keyword: str) -> Code | None:
    items = item.get(keyword) if item is not None else None
    if not items:
        return None
    value = next((str(items[0].get(key)).strip() for key in _VALUES if items[0].get(key)), "")
    scheme = str(items[0].get("CodingSchemeDesignator") or "").strip()
    meaning = " ".join(str(items[0].get("CodeMeaning") or "").split())
    return Code(scheme, value, meaning) if value else None


_VALUES = ("CodeValue", "LongCodeValue", "URNCodeValue")


def _colour(value: Sequence[int] | None) -> Colour | None:
    """sRGB of CIELab as DICOM encodes it (PS3.3 C.10.7.1.1), with the white point D65 as writers use it."""
    if value is None or len(value) != 3:
        return None
    from highdicom.color import CIELabColor

    red, green, blue = CIELabColor.from_dicom_value([int(part) for part in value]).to_rgb(clip=True)
    return (red / 255, green / 255, blue / 255)


class _Palette:
    """The colours by value of an object whose pixels are shown by a palette (PS3.3 C.7.6.3.1.5)."""

    def __init__(self, data: Dataset) -> None:
        self._tables: list[list[int]] = []
        self._first = 0
        descriptor = data.get("RedPaletteColorLookupTableDescriptor")
        if str(data.get("PhotometricInterpretation")) != "PALETTE COLOR" or not descriptor:
            return
        entries, self._first, bits = (int(part) for part in descriptor)
        entries = entries or 1 << 16
        for name in ("Red", "Green", "Blue"):
            raw = bytes(data.get(f"{name}PaletteColorLookupTableData") or b"")
            wide = bits == 16 or len(raw) >= 2 * entries
            # Of a 16 bit entry the high byte is what an 8 bit display shows.
            self._tables.append(list(raw[1 : 2 * entries : 2] if wide else raw[:entries]))

    def colour(self, value: int) -> Colour | None:
        """sRGB in 0..1 of a pixel value, or None without a palette that has it."""
        at = value - self._first
        if not self._tables or not all(0 <= at < len(table) for table in self._tables):
            return None
        red, green, blue = (table[at] / 255 for table in self._tables)
        return (red, green, blue)
