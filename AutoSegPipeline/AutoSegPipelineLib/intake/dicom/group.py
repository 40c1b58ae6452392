"""From DICOM instances to stacks that can be volumes. Pure: no file is opened here."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Iterable

from ...core.errors import Refused
from ...formats.geometry import dot, length
from .instance import Instance
from .objects import NO_SCANS, not_an_image
from .parts import left_out, stacks_of
from .patients import two_patients
from .stack import Stack
from .twins import Digest, same_place, without_twins

MODALITIES = ("CT", "MR")
SCREEN_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
# Axes written with two decimals may be that far from length 1 and from a right angle.
CROOKED = 0.02
SCOUT_TYPES = {"LOCALIZER", "SCOUT", "TOPOGRAM", "SURVEY"}


@dataclass
class Rejected:
    """Instances that are no volume, and why."""

    instances: list[Instance]
    error: Refused
    reason: str = ""  # what sets them apart from their series


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
    return stacks, [one for one in rejected if not _is_copy(one, stacks, digest)]


def _is_copy(rejected: Rejected, stacks: list[Stack], digest: Digest) -> bool:
    """Whether a few slices with a series UID of their own are twins of a stack's; they become its twins."""
    if rejected.error.code != "input.too_thin":
        return False
    for stack in stacks:
        pairs = []
        for one in rejected.instances:
            near = (other for other in stack.instances if same_place(one, other))
            twin = next((other for other in near if digest(one) == digest(other)), None)
            if twin is None:
                break
            pairs.append((one, twin))
        same = not two_patients(one.patient for pair in pairs for one in pair)
        if same and len(pairs) == len(rejected.instances):
            for one, twin in pairs:
                twin.twins += [one, *one.twins]
            return True
    return False


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
    left: list[Instance] = []
    refusals: dict[str, tuple[Refused, list[Instance]]] = {}
    for instance in (plane for one in once for plane in one.planes()):
        error2 = no_volume(instance, name)
        if error2 is None:
            left.append(instance)
        else:
            refusals.setdefault(error2.code, (error2, []))[1].append(instance)
    if not left:
        return [], [Rejected(members, error) for error, members in refusals.values()]
    stacks, refused = stacks_of(left, name, min_slices)
    rejected = [Rejected(members, error, reason) for members, error, reason in refused]
    going_on = {one.relative for stack in stacks for one in stack.members}
    for error, members in refusals.values():
        # A file of frames goes on without those that cannot.
        own = [one for one in members if one.relative not in going_on]
        rejected += [Rejected(own, error)] if own else []
        if error.code == "dicom.scout":
            note = left_out(name, len(members), "localizer")
        elif len(own) < len(members):
            note = left_out(name, len(members), "frame", f" ({error.code})")
        else:
            continue
        for stack in stacks:
            stack.notes.append(note)
    return stacks, _once(rejected)


def _once(rejected: list[Rejected]) -> list[Rejected]:
    """One refusal for the frames of the same files with the same code, whatever sets them apart."""
    found: dict[tuple[str, frozenset[str]], Rejected] = {}
    for one in rejected:
        found.setdefault((one.error.code, frozenset(each.relative for each in one.instances)), one)
    return list(found.values())


def series_name(instance: Instance) -> str:
    """For messages: nothing of the patient."""
    return f"{instance.modality or 'DICOM'} series {instance.number if instance.number is not None else '?'}"


def no_volume(instance: Instance, name: str) -> Refused | None:
    """Why one instance can be part of no volume."""
    if not instance.image or instance.modality in NO_SCANS:
        return not_an_image(name, instance.sop_class, instance.modality)
    if instance.samples > 1:
        return Refused("input.colour", f"{name} holds colour pictures.")
    if instance.modality not in MODALITIES:
        says = (
            f"has the modality {instance.modality}"
            if instance.modality
            else "states no modality, nor does its SOP class"
        )
        return Refused("dicom.unsupported_modality", f"{name} {says}.")
    if SCOUT_TYPES.intersection(instance.image_type):
        return Refused("dicom.scout", f"{name} is a localizer.")
    if instance.sop_class.startswith(SCREEN_CAPTURE) and instance.position is None:
        return Refused("dicom.not_an_image", f"{name} is a screen capture without a place in the patient.")
    if instance.orientation is None or instance.position is None or instance.spacing is None:
        return Refused("input.orientation_unstated", f"{name} does not say where its slices lie.",
                       "Export the series again with positions, orientations and pixel spacing.")  # fmt: skip
    if instance.frames != max(1, len(instance.frame_list)):
        return Refused("input.orientation_unstated", f"{name} does not say where each of its frames lies.")
    row, down = instance.orientation[:3], instance.orientation[3:]
    bad = abs(length(row) - 1) > CROOKED or abs(length(down) - 1) > CROOKED or abs(dot(row, down)) > CROOKED
    if bad or min(instance.spacing) <= 0:
        return Refused(
            "input.bad_affine", f"{name}: the image axes are not at right angles or have no length."
        )
    return None
