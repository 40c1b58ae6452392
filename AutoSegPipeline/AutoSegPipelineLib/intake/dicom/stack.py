"""A volume to be: slices in order, where they lie, and what is odd about it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ...formats.geometry import cross, length
from .instance import Instance, Orientation, Vector

TILT_DEGREES = 0.2
AXIAL: Orientation = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


@dataclass
class Stack:
    """Slices that form one volume, in the order of their positions.

    ``places`` are LPS mm of each first pixel's centre: as the headers say, or on the even line that
    rounded headers stand for. ``orientation`` is that of all slices, its axes at right angles and of
    length 1.
    """

    instances: list[Instance]
    index: int = 0  # within its series
    count: int = 1  # stacks of that series
    places: list[Vector] = field(default_factory=list)
    orientation: Orientation = AXIAL
    positions: list[float] = field(default_factory=list)  # mm along the normal, ascending
    step: float = 0.0  # distance of neighbours in the volume, mm
    begin: float = 0.0  # where along the normal the volume begins
    distances: list[float] = field(default_factory=list)  # the several that slices have by design
    missing: int = 0
    uneven: bool = False
    corrected: bool = False  # places or orientation are other than the headers' by more than a trace
    rounded: bool = False  # only rounding of the headers makes it even
    tilt_degrees: float = 0.0
    overlapping: list[Instance] = field(default_factory=list)  # left out for finer slices at the same place
    reason: str = ""  # why it stands apart from its series
    notes: list[dict[str, str]] = field(default_factory=list)  # warnings about the rest of its series

    @property
    def irregular(self) -> bool:
        """Whether slices must be moved or interpolated to become a rectangular grid."""
        return self.uneven or self.missing > 0 or self.tilt_degrees > TILT_DEGREES

    @property
    def convertible(self) -> bool:
        """Whether dcm2niix can make it: even, as the headers say, and of complete files."""
        complete = len(self.files) == 1 and self.first.frames == len(self.instances)
        one = not self.multiframe or complete
        one = one and len({frame.rescale for frame in self.first.frame_list}) < 2
        return one and not (self.irregular or self.corrected or self.overlapping)

    @property
    def first(self) -> Instance:
        """Its header speaks for the series."""
        return self.instances[0]

    @property
    def multiframe(self) -> bool:
        """Whether its slices are frames of enhanced objects."""
        return any(instance.frame_list for instance in self.instances)

    @property
    def depth(self) -> int:
        """Slices of the volume. Nothing is made up beyond the last; a twentieth of a step is rounding."""
        if not self.uneven and not self.missing:
            return len(self.positions)
        return math.floor((self.positions[-1] - self.begin) / self.step + 0.05) + 1

    @property
    def members(self) -> list[Instance]:
        """All slices that belong to the case, those left out as overlapping among them."""
        return self.instances + self.overlapping

    @property
    def files(self) -> list[Instance]:
        """One instance for each file of the case, whatever number of its frames belongs to it."""
        return list({one.relative: one for one in self.members}.values())


def normal_of(orientation: Orientation) -> Vector:
    """Unit normal of an image plane in LPS."""
    return unit(cross(orientation[:3], orientation[3:]))


def unit(vector: Vector) -> Vector:
    """Of length 1; a vector without length stays."""
    size = length(vector) or 1.0
    return (vector[0] / size, vector[1] / size, vector[2] / size)


def stack_facts(stack: Stack) -> dict[str, object]:
    """What manifest and report say of the source."""
    return {
        "series_number": stack.first.number, "slices": len(stack.positions), "step_mm": stack.step,
        "missing_slices": stack.missing, "uneven": stack.uneven,
        "gantry_tilt_degrees": round(stack.tilt_degrees, 3) if stack.tilt_degrees > TILT_DEGREES else 0.0,
        "multiframe": stack.multiframe, "transfer_syntax": stack.first.syntax,
        "stack": stack.index + 1, "stacks": stack.count,
        "series_description": stack.first.description, "body_part": stack.first.body_part,
    }  # fmt: skip
