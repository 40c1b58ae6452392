"""What the inspection knows of one DICOM file; plain data, so that grouping needs no files."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Tuple

from ...core.messages.examined_files import DicomHeader
from .patients import Patient

Vector = Tuple[float, float, float]
Orientation = Tuple[float, float, float, float, float, float]


@dataclass(frozen=True)
class Frame:
    """One frame of an enhanced object: what its functional groups say (PS3.3 C.7.6.16)."""

    position: Vector | None = None
    orientation: Orientation | None = None
    spacing: tuple[float, float] | None = None
    thickness: float | None = None
    between: float | None = None
    kind: tuple[str, ...] = ()
    echo: str = ""
    moment: str = ""
    acquisition: str = ""
    rescale: tuple[float, float] = (1.0, 0.0)  # slope and intercept


@dataclass
class Instance:
    """One DICOM instance. Positions in LPS mm (PS3.3 C.7.6.2); ``spacing`` between rows and columns.

    ``missing``: which of "instance", "series" and "study" have no UID in the data set. ``series_uid`` and
    ``sop_uid`` then hold what stands for them (:mod:`.identity`). ``mended`` and ``remarks``: see
    :class:`.elements.Elements`. ``twins``: instances with the same pixels at the same place.
    """

    path: str
    relative: str
    label: str
    series_uid: str = ""
    study_uid: str = ""
    sop_uid: str = ""
    sop_class: str = ""
    modality: str = ""
    modality_assumed: bool = False  # the SOP class said it
    patient: Patient = field(default_factory=Patient)
    patient_words: frozenset[str] = field(default=frozenset(), repr=False)  # that no text may hold
    missing: tuple[str, ...] = ()
    frame_of_reference: str = ""
    kernel: str = ""
    number: int | None = None
    description: str = ""
    body_part: str = ""
    burned_in: bool = False  # the header says that there is text in the pixels
    instance: int | None = None
    image: bool = False  # it has pixels
    rows: int = 0
    columns: int = 0
    own_series: bool = False  # its series UID is no other file's, so it counts as missing
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
    pixels: str = ""  # digest of the decoded and rescaled pixels, where they had to be looked at
    twins: list[Instance] = field(default_factory=list)
    mended: dict[str, str] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)
    unknown_kinds: bool = False  # elements have value representations that converters stumble over
    thickness: float | None = None  # SliceThickness in mm
    between: float | None = None  # SpacingBetweenSlices in mm
    location: float | None = None  # SliceLocation
    concatenation: str = ""  # enhanced objects that are parts of one
    frame_list: list[Frame] = field(default_factory=list)  # enhanced objects only
    frame: int = 0  # which frame of the file this is, after :meth:`planes`

    def planes(self) -> list[Instance]:
        """One for each frame of an enhanced object; the instance itself where it is one slice."""
        return [
            replace(
                self, frame=number, position=one.position, orientation=one.orientation,
                spacing=one.spacing, thickness=one.thickness, between=one.between,
                echo=one.echo or self.echo, moment=one.moment,
                acquisition=one.acquisition or self.acquisition, image_type=one.kind or self.image_type,
            )
            for number, one in enumerate(self.frame_list)
        ] or [self]  # fmt: skip

    @property
    def series_stated(self) -> bool:
        """Whether the header names its series."""
        return "series" not in self.missing

    @property
    def sop_stated(self) -> bool:
        """Whether the data set itself names the instance."""
        return "instance" not in self.missing

    def header(self) -> DicomHeader:
        """What the examination reports to the pipeline."""
        return DicomHeader(
            series_uid=self.series_uid, study_uid=self.study_uid, sop_uid=self.sop_uid,
            patient_key=self.patient.key, modality=self.modality, sop_class=self.sop_class,
            number=self.number, image=self.image, instance=self.instance, frames=self.frames,
            series_stated=self.series_stated,
            place=None if self.series_stated or self.position is None else list(self.position),
        )  # fmt: skip
