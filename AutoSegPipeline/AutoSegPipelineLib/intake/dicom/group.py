"""From DICOM instances to stacks that can be volumes. Pure: no file is opened here."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Iterable, Sequence

from ...core.errors import Refused
from ...formats.geometry import cross, dot, length
from .instance import Instance, Orientation, Vector
from .patients import two_patients
from .twins import Digest, parallel, same_spacing, without_twins

MODALITIES = ("CT", "MR")
SCREEN_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
# Steps that differ by less than this part of the usual one are the same.
SAME_STEP = 0.02
MOST_GAP_PART = 0.1
MOST_GAP_RUN = 2
TILT_DEGREES = 0.2
# More passes over the same place than this are a time series.
MOST_ACQUISITIONS = 3
_SCOUT_TYPES = {"LOCALIZER", "SCOUT", "TOPOGRAM", "SURVEY"}
_SCOUT_WORDS = re.compile(
    r"(?i)\b(localizer|localiser|scout|topogram|scanogram|survey|surview|3[- ]?plane loc|loc)\b"
)
MOST_SCOUT_SLICES = 30


@dataclass
class Stack:
    """Instances that form one volume, in the order of their positions, and what is odd about it."""

    instances: list[Instance]
    index: int = 0  # within its series
    count: int = 1  # stacks of that series
    positions: list[float] = field(default_factory=list)  # mm along the normal, ascending
    step: float = 0.0  # usual distance of neighbours in mm
    missing: int = 0
    uneven: bool = False
    tilt_degrees: float = 0.0
    multiframe: bool = False
    reason: str = ""  # why it stands apart from its series

    @property
    def irregular(self) -> bool:
        """Whether slices must be moved or interpolated to become a rectangular grid."""
        return self.uneven or self.missing > 0 or self.tilt_degrees > TILT_DEGREES

    @property
    def first(self) -> Instance:
        """object instance speaks for the series."""
        return self.instances[0]


@dataclass
class Rejected:
    """Instances that are no volume, and why."""

    instances: list[Instance]
    error: Refused


def normal_of(orientation: Orientation) -> Vector:
    """Unit normal of an image plane in LPS."""
    vector = cross(orientation[:3], orientation[3:])
    size = length(vector) or 1.0
    return (vector[0] / size, vector[1] / size, vector[2] / size)


def group_series(
    instances: Iterable[Instance], min_slices: int, digest: Digest
) -> tuple[list[Stack], list[Rejected]]:
    """Stacks and refusals of all instances, series by series; ``digest`` tells twins (:mod:`.twins`)."""
    series: dict[str, list[Instance]] = defaultdict(list)
    for instance in instances:
        series[instance.series_uid].append(instance)
    stacks: list[Stack] = []
    rejected: list[Rejected] = []
    for uid in sorted(series, key=lambda uid: (series[uid][0].number or 0, uid)):
        found, refused = _one_series(series[uid], min_slices, digest)
        stacks += found
        rejected += refused
    return stacks, rejected


def _one_series(
    instances: list[Instance], min_slices: int, digest: Digest
) -> tuple[list[Stack], list[Rejected]]:
    name = series_name(instances[0])
    if two_patients(instance.patient for instance in instances):
        return [], [Rejected(instances, Refused("dicom.two_patients", f"{name} names two patients."))]
    once, conflict = without_twins(instances, digest)
    if conflict:
        error = Refused(
            "dicom.conflicting_instances", f"{name}: two different files are instance {conflict}."
        )
        return [], [Rejected(instances, error)]
    rejected: list[Rejected] = []
    left: list[Instance] = []
    refusals: dict[str, tuple[Refused, list[Instance]]] = {}
    for instance in once:
        error2 = _no_volume(instance, name)
        if error2 is None:
            left.append(instance)
        else:
            refusals.setdefault(error2.code, (error2, []))[1].append(instance)
    rejected += [Rejected(members, error) for error, members in refusals.values()]
    if not left:
        return [], rejected
    stacks: list[Stack] = []
    parts = _parts(left)
    for members, reason in parts:
        try:
            found = _stacks(members, name, min_slices, several=len(parts) > 1)
        except Refused as error:
            rejected.append(Rejected(members, error))
            continue
        for stack in found:
            stack.reason = stack.reason or reason
        stacks += found
    for number, stack in enumerate(stacks):
        stack.index, stack.count = number, len(stacks)
    return stacks, rejected


def _stacks(members: list[Instance], name: str, min_slices: int, several: bool) -> list[Stack]:
    """One stack, or a few where acquisitions overlap; a time series is refused."""
    try:
        return [_stack(members, name, min_slices, several)]
    except Refused as error:
        runs: dict[str, list[Instance]] = defaultdict(list)
        for member in members:
            runs[member.acquisition].append(member)
        timed = len({member.moment for member in members}) > 1
        if error.code != "input.four_dimensional" or timed or not 1 < len(runs) <= MOST_ACQUISITIONS:
            raise
        stacks = [_stack(run, name, min_slices, True) for _, run in sorted(runs.items())]
    for stack in stacks:
        stack.reason = "another acquisition"
    return stacks


def series_name(instance: Instance) -> str:
    """For messages: nothing of the patient."""
    return f"{instance.modality or 'DICOM'} series {instance.number if instance.number is not None else '?'}"


def _no_volume(instance: Instance, name: str) -> Refused | None:
    """Why one instance can be part of no volume."""
    if not instance.image or instance.modality in (
        "SR",
        "PR",
        "KO",
        "SEG",
        "RTSTRUCT",
        "RTPLAN",
        "RTDOSE",
        "REG",
    ):
        return Refused("dicom.not_an_image", f"{name} is no scan ({instance.modality or 'no modality'}).")
    if instance.samples > 1:
        return Refused("input.colour", f"{name} holds colour pictures.")
    if instance.modality not in MODALITIES:
        says = (
            f"has the modality {instance.modality}"
            if instance.modality
            else "states no modality, nor does its SOP class"
        )
        return Refused("dicom.unsupported_modality", f"{name} {says}.")
    if _SCOUT_TYPES.intersection(instance.image_type):
        return Refused("dicom.scout", f"{name} is a localizer.")
    if instance.sop_class.startswith(SCREEN_CAPTURE) and instance.position is None:
        return Refused("dicom.not_an_image", f"{name} is a screen capture without a place in the patient.")
    if instance.orientation is None or instance.position is None or instance.spacing is None:
        return Refused("input.orientation_unstated", f"{name} does not say where its slices lie.",
                       "Export the series again with positions, orientations and pixel spacing.")  # fmt: skip
    row, down = instance.orientation[:3], instance.orientation[3:]
    bad = abs(length(row) - 1) > 0.01 or abs(length(down) - 1) > 0.01 or abs(dot(row, down)) > 0.01
    if bad or min(instance.spacing) <= 0:
        return Refused(
            "input.bad_affine", f"{name}: the image axes are not at right angles or have no length."
        )
    return None


def _parts(instances: list[Instance]) -> list[tuple[list[Instance], str]]:
    """By size, orientation, pixel spacing, echo and kind of picture; with what sets each apart."""
    groups: list[tuple[Instance, list[Instance]]] = []
    for instance in instances:
        for leader, members in groups:
            if _belongs(instance, leader):
                members.append(instance)
                break
        else:
            groups.append((instance, [instance]))
    if len(groups) == 1:
        return [(groups[0][1], "")]
    return [(members, _apart(leader, groups[0][0])) for leader, members in groups]


def _kind(instance: Instance) -> tuple[str, ...]:
    """Words of the image type that distinguish the MR pictures of one series: magnitude, phase, water ..."""
    return instance.image_type[2:] if instance.modality == "MR" else ()


def _belongs(a: Instance, b: Instance) -> bool:
    if a.frame_positions or b.frame_positions:
        return False  # each enhanced instance is a volume of its own
    same = (a.rows, a.columns, a.echo, _kind(a)) == (b.rows, b.columns, b.echo, _kind(b))
    return same and parallel(a.orientation, b.orientation) and same_spacing(a, b)


def _apart(one: Instance, other: Instance) -> str:
    if not parallel(one.orientation, other.orientation):
        return "another orientation"
    if one.echo != other.echo:
        return "another echo"
    return "another kind of picture"


def _stack(members: list[Instance], name: str, min_slices: int, several: bool) -> Stack:
    """A stack in order, or :class:`Refused` with the reason why it is none."""
    first = members[0]
    if first.frame_positions:
        places, multiframe = first.frame_positions, True
        if not all(parallel(one, first.frame_orientations[0]) for one in first.frame_orientations):
            raise Refused("input.four_dimensional", f"{name}: one file holds several orientations.")
        if len(places) != first.frames:
            raise Refused("input.orientation_unstated", f"{name} does not say where each of its frames lies.")
    else:
        if first.frames > 1:
            raise Refused("input.orientation_unstated", f"{name} does not say where each of its frames lies.")
        places, multiframe = [member.position or (0.0, 0.0, 0.0) for member in members], False
    many = len(places)
    scout = several or many < min_slices
    if scout and many < MOST_SCOUT_SLICES and _SCOUT_WORDS.search(first.description):
        raise Refused("dicom.scout", f"{name} is a localizer ({many} slices).")
    if many < min_slices:
        hint = "Drop the folder with all slices of the series, not a single file." if many == 1 else None
        raise Refused("input.too_thin", f"{name} has {many} of at least {min_slices} slices.", hint)
    normal = normal_of(first.orientation or (1, 0, 0, 0, 1, 0))
    along = [dot(place, normal) for place in places]
    order = sorted(range(many), key=lambda n: along[n])
    stack = Stack([members[n] for n in order] if not multiframe else members, multiframe=multiframe)
    stack.positions = [along[n] for n in order]
    _measure(stack, [places[n] for n in order], normal, name)
    return stack


def _measure(stack: Stack, places: Sequence[Vector], normal: Vector, name: str) -> None:
    """Step, gaps and tilt; raises ``input.four_dimensional`` and ``dicom.missing_slices``."""
    steps = [b - a for a, b in zip(stack.positions, stack.positions[1:])]
    usual = sorted(steps)[len(steps) // 2]
    if min(steps) < max(1e-3, 0.05 * usual):
        raise Refused("input.four_dimensional", f"{name} has several slices at the same place.")
    stack.step = usual
    gaps = [round(step / usual) - 1 for step in steps]
    stack.uneven = any(abs(step - usual) > SAME_STEP * usual for step in steps)
    gaps_fit = all(abs(step - (gap + 1) * usual) <= 0.1 * usual for step, gap in zip(steps, gaps))
    stack.missing = sum(gap for gap in gaps if gap > 0)
    if stack.missing and gaps_fit:
        share = stack.missing / (len(steps) + 1 + stack.missing)
        if share > MOST_GAP_PART or max(gaps) > MOST_GAP_RUN:
            raise Refused("dicom.missing_slices", f"{name} lacks {stack.missing} slices.")
    elif not gaps_fit:
        stack.missing = 0
    if max(steps) > (MOST_GAP_RUN + 1.5) * usual:
        raise Refused("dicom.missing_slices", f"{name} has a gap of {max(steps):.1f} mm between its slices.")
    if stack.uneven and not stack.missing:
        # Nearly the finest step, so that no detail is lost.
        stack.step = sorted(steps)[len(steps) // 10]
    line = [b - a for a, b in zip(places[0], places[-1])]
    whole_length = length(line) or 1.0
    cosine = min(1.0, abs(dot(line, normal)) / whole_length)
    stack.tilt_degrees = math.degrees(math.acos(cosine))
    if stack.tilt_degrees > 45:
        raise Refused(
            "input.bad_affine",
            f"{name}: its slices are displaced sideways by {stack.tilt_degrees:.0f} degrees.",
        )


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
