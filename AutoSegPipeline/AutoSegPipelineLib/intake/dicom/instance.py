"""What the inspection knows of one DICOM file; plain data, so that grouping needs no files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Tuple

Vector = Tuple[float, float, float]
Orientation = Tuple[float, float, float, float, float, float]


@dataclass
class Instance:
    """One DICOM instance. Positions in LPS mm (PS3.3 C.7.6.2); ``spacing`` between rows and columns."""

    path: str
    relative: str
    label: str
    series_uid: str = ""
    study_uid: str = ""
    sop_uid: str = ""
    sop_class: str = ""
    modality: str = ""
    patient_key: str = ""
    number: int | None = None
    description: str = ""
    body_part: str = ""
    instance: int | None = None
    image: bool = False  # it has pixels
    rows: int = 0
    columns: int = 0
    frames: int = 1
    samples: int = 1
    image_type: tuple[str, ...] = ()
    position: Vector | None = None
    orientation: Orientation | None = None
    spacing: tuple[float, float] | None = None
    acquisition: str = ""
    echo: str = ""
    moment: str = ""  # temporal position, trigger time
    syntax: str = ""
    tilt: float = 0.0
    sha256: str = ""
    frame_positions: list[Vector] = field(default_factory=list)  # enhanced multi-frame only
    frame_orientations: list[Orientation] = field(default_factory=list)
    frame_moments: list[tuple[int, ...]] = field(default_factory=list)

    def to_row(self) -> dict[str, object]:
        """What the examination reports to the pipeline."""
        return {
            "series_uid": self.series_uid, "study_uid": self.study_uid, "sop_uid": self.sop_uid,
            "patient_key": self.patient_key, "modality": self.modality, "number": self.number,
            "image": self.image, "instance": self.instance, "frames": self.frames,
        }  # fmt: skip
