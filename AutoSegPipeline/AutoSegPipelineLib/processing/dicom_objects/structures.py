"""A structure in DICOM's words: codes, colour, and what it is tracked by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...core.pacs.uids import derived_uid
from ...core.segmentation import Code, Colour, Segment

if TYPE_CHECKING:
    from highdicom.seg import SegmentDescription
    from highdicom.sr import CodedConcept, FindingSite

    from .origin import Algorithm

_ANATOMY = Code("SCT", "123037004", "Anatomical Structure")
_OWN = "99ASP"  # ours, for structures that nobody has coded
_LONGEST_TEXT = 64
# Linear sRGB to XYZ (IEC 61966-2-1); each row sums to that of the white point.
_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
_SIDES = ("7771000", "24028007", "51440002", "66459002")  # left, right, both, one (CID 244)


@dataclass(frozen=True)
class Structure:
    """A segment with its number (from 1) in object number ``object`` (from 0) of the segmentations."""

    segment: Segment
    object: int
    number: int
    tracking_uid: str

    @classmethod
    def of(cls, segment: Segment, object: int, number: int, seg_uid: str) -> Structure:
        """``seg_uid`` is that of the order: the same structure of a job keeps its tracking UID."""
        return cls(segment, object, number, derived_uid(seg_uid, "structure", segment.name))

    @property
    def label(self) -> str:
        """What people read."""
        return shortened(self.segment.title)

    @property
    def category(self) -> CodedConcept:
        """Its kind (CID 7150)."""
        return concept(self.segment.category or _ANATOMY)

    @property
    def kind(self) -> CodedConcept:
        """What it is, with its side as the modifier."""
        segment = self.segment
        found = concept(segment.code or Code(_OWN, segment.name, segment.title))
        if segment.modifier is not None:
            found.SegmentedPropertyTypeModifierCodeSequence = [concept(segment.modifier)]
        return found

    @property
    def finding(self) -> CodedConcept:
        """What it is, without its side."""
        return concept(self.segment.code or Code(_OWN, self.segment.name, self.segment.title))

    @property
    def region(self) -> CodedConcept | None:
        """Where it is, where that is coded."""
        if self.segment.region is None:
            return None
        found = concept(self.segment.region)
        if self.segment.region_modifier is not None:
            found.AnatomicRegionModifierSequence = [concept(self.segment.region_modifier)]
        return found

    @property
    def site(self) -> FindingSite | None:
        """Where it is, for a report: its region, else itself where it has a side."""
        from highdicom.sr import FindingSite

        segment = self.segment
        place, modifier = segment.region, segment.region_modifier
        if place is None and segment.modifier is not None:
            place, modifier = segment.code, segment.modifier
        if place is None:
            return None
        if modifier is None or modifier.value in _SIDES:
            return FindingSite(concept(place), None if modifier is None else concept(modifier))
        return FindingSite(concept(place), None, concept(modifier))

    def description(self, algorithm: Algorithm) -> SegmentDescription:
        """Its item in the segment sequence."""
        from highdicom.seg import SegmentDescription

        region = self.region
        found = SegmentDescription(
            self.number, self.label, self.category, self.kind, "AUTOMATIC", algorithm.of_segments(),
            self.tracking_uid, self.segment.name,
            anatomic_regions=None if region is None else [region],
        )  # fmt: skip
        found.RecommendedDisplayCIELabValue = cielab(self.segment.colour)
        return found


def shortened(text: str) -> str:
    """What fits a long string (PS3.5 6.2); in bytes, as some count its 64 characters."""
    return text.encode()[:_LONGEST_TEXT].decode(errors="ignore").strip()


def concept(code: Code) -> CodedConcept:
    """A code as an item of a sequence; a value of more than 16 characters becomes a long code value."""
    from highdicom.sr import CodedConcept

    return CodedConcept(code.value, code.scheme[:16], shortened(code.meaning))


def cielab(colour: Colour) -> list[int]:
    """From sRGB in 0..1 (PS3.3 C.10.7.1.1), of the white point D65, as programs that show it take it."""
    from highdicom.color import CIELabColor

    srgb = [min(1.0, max(0.0, channel)) for channel in colour]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in srgb]
    x, y, z = (_lightness(sum(a * b for a, b in zip(row, linear)) / sum(row)) for row in _XYZ)
    return list(CIELabColor(116 * y - 16, 500 * (x - y), 200 * (y - z)).value)


def _lightness(part: float) -> float:
    """Of a part of the white point's; the root that CIELab is made of."""
    return float(part ** (1 / 3)) if part > 0.008856 else 7.787 * part + 16 / 116
