"""What is known of one DICOM series before it becomes a job; nothing of the patient."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Mapping

# What rules may ask of a series. Texts match patterns; numbers lie between two bounds.
TEXTS = {
    "modality": "CT, MR, ...",
    "description": "what the scanner called the series",
    "protocol": "the name of the scanner's protocol",
    "body_part": "the body part examined",
    "kernel": "the reconstruction kernel of a CT",
    "image_type": "the values of Image Type, each alone and all joined with a backslash",
    "orientation": "axial, coronal, sagittal or oblique",
    "contrast": "yes where the header names a contrast agent, else no",
    "burned_in": "yes or no, as the header says of text in the pixels; unknown where it says nothing",
    "manufacturer": "who built the scanner",
}
NUMBERS = {
    "thickness": "thickness of the slices in mm",
    "spacing": "distance between neighbouring slices in mm",
    "slices": "how many slices there are; a frame of an enhanced object is one",
    "number": "the series number",
}
UNITS = {"thickness": " mm", "spacing": " mm", "slices": "", "number": ""}


@dataclass(frozen=True)
class SeriesFacts:
    """Texts are empty and numbers ``None`` where the headers do not say it; lengths are in mm.

    ``no_scan`` says why the series can be no volume, whatever the rules say; it is empty for one that can.
    """

    uid: str
    study: str = ""
    modality: str = ""
    description: str = ""
    protocol: str = ""
    body_part: str = ""
    kernel: str = ""
    image_type: tuple[str, ...] = ()
    orientation: str = ""
    contrast: str = ""
    burned_in: str = ""
    manufacturer: str = ""
    thickness: float | None = None
    spacing: float | None = None
    slices: int | None = None
    number: int | None = None
    no_scan: str = ""

    def texts(self, fact: str) -> tuple[str, ...]:
        """The values of a text that patterns may match."""
        if fact == "image_type":
            return (*self.image_type, "\\".join(self.image_type)) if self.image_type else ()
        value = str(getattr(self, fact))
        return (value,) if value else ()

    def amount(self, fact: str) -> float | None:
        """The value of a number."""
        value: float | None = getattr(self, fact)
        return value

    def shown(self, fact: str) -> str:
        """The value as people read it."""
        if fact in TEXTS:
            return "\\".join(self.image_type) if fact == "image_type" else str(getattr(self, fact))
        value = self.amount(fact)
        return "" if value is None else f"{value:g}{UNITS[fact]}"

    @property
    def name(self) -> str:
        """``CT series 3 THORAX 1.0``, for messages."""
        number = "?" if self.number is None else self.number
        return f"{self.modality or 'DICOM'} series {number} {self.description}".rstrip()

    def to_dict(self) -> dict[str, object]:
        """For JSON; :meth:`of` reads it."""
        return {**asdict(self), "image_type": list(self.image_type)}

    @classmethod
    def of(cls, values: Mapping[str, object]) -> SeriesFacts:
        """From :meth:`to_dict`; keys of a later version are left out."""
        known = {one.name for one in fields(cls)}
        given = {key: value for key, value in values.items() if key in known}
        words = given.get("image_type")
        given["image_type"] = tuple(str(word) for word in words) if isinstance(words, (list, tuple)) else ()
        return cls(**given)  # type: ignore[arg-type]
