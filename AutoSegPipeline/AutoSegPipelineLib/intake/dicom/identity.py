"""Series and instances whose UIDs an anonymiser emptied, told apart by what is left.

Instances: by the UID of the file's meta information, then by the file's content. Series: by folder,
number, description, kernel, matrix, spacing, orientation and acquisition.
"""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from typing import Callable, Hashable, Iterable, Sequence

from ...formats.geometry import cross
from .group import SCOUT_TYPES
from .instance import Instance, Vector
from .twins import parallel, same_spacing

# Acquisitions of one stack are series of their own where they are few and each could be a volume, and
# so are stacks of other planes; scanners that count up for every rotation have many short ones.
MOST_ACQUISITIONS = 3
FEWEST_SLICES = 5


def name_instance(instance: Instance) -> None:
    """An instance without any UID is known by its content (``sha256`` is there)."""
    if not instance.sop_uid:
        instance.sop_uid = f"sha256:{instance.sha256}"


def name_series(instances: Iterable[Instance]) -> None:
    """Give each instance without a series UID the name of its series, which no UID can have."""
    every = sorted(instances, key=lambda one: one.relative)
    _forget_series_of_one(every)
    if all(instance.series_stated for instance in every):
        return
    other_uids = _other_uids(every)
    unnamed: dict[tuple[str, ...], list[Instance]] = defaultdict(list)
    stated: dict[tuple[str, ...], list[Instance]] = defaultdict(list)
    for instance in every:
        traits = (*other_uids(instance), *_traits(instance))
        (stated if instance.series_stated else unnamed)[traits].append(instance)
    for traits, members in unnamed.items():
        for number, (part, stack) in enumerate(_stacks(members)):
            uid = _adopted(stack, stated.get(traits, [])) or _digest(*traits, *part, str(number))
            for instance in stack:
                instance.series_uid = uid


def _forget_series_of_one(instances: Sequence[Instance]) -> None:
    """Where an anonymiser gave each slice of a stack a series of its own, their UIDs tell nothing."""
    other_uids = _other_uids(instances)
    alike: dict[tuple[str, ...], list[Instance]] = defaultdict(list)
    files: dict[str, int] = defaultdict(int)
    for one in instances:
        files[one.series_uid] += 1
        traits = (*other_uids(one), *_traits(one), str(one.rows), str(one.columns))
        alike[traits].append(one)
    for members in alike.values():
        places = {one.position for one in members}
        slices = all(one.series_stated and one.image and one.frames == 1 for one in members)
        if slices and len(places) >= FEWEST_SLICES and all(files[one.series_uid] == 1 for one in members):
            for one in members:
                one.missing = (*one.missing, "series")
                one.own_series = True


def arriving_series(instance: Instance, folder: str) -> str:
    """What gathers slices without a series UID while they come one by one into ``folder``.

    Coarser than :func:`name_series`, which sees all of them: nothing here may differ within a stack.
    """
    axis = ""
    if instance.orientation is not None:
        normal = cross(instance.orientation[:3], instance.orientation[3:])
        axis = str(max(range(3), key=lambda n: abs(normal[n])))
    patient = instance.patient.id or instance.patient.name
    size = f"{instance.rows} {instance.columns}"
    return _digest(os.path.abspath(folder), patient, axis, size, *_traits(instance)[1:])


def _other_uids(instances: Sequence[Instance]) -> Callable[[Instance], tuple[str, ...]]:
    """The UIDs of study and frame of reference, as far as an anonymiser did not give each file its own."""
    ways: list[Callable[[Instance], str]] = [lambda one: one.study_uid, lambda one: one.frame_of_reference]
    ways = [way for way in ways if len({way(one) for one in instances}) * FEWEST_SLICES <= len(instances)]
    return lambda one: tuple(way(one) for way in ways)


def _traits(instance: Instance) -> tuple[str, ...]:
    folder = instance.label.replace("\\", "/").rpartition("/")[0]
    return (
        folder, instance.modality, str(instance.number), instance.description, instance.kernel,
        *sorted(SCOUT_TYPES.intersection(instance.image_type)),
    )  # fmt: skip


def _stacks(members: list[Instance]) -> list[tuple[tuple[str, ...], list[Instance]]]:
    """Parted by orientation, spacing, patient and acquisition, with what names each."""
    found: list[tuple[tuple[str, ...], list[Instance]]] = []
    for plane in _planes(members):
        for patient, same in _parted(plane, lambda one: one.patient.id or one.patient.name).items():
            runs = _parted(same, lambda one: one.acquisition)
            several = 1 < len(runs) <= MOST_ACQUISITIONS
            if several and all(len(run) >= FEWEST_SLICES for run in runs.values()):
                found += [((str(patient), str(name)), run) for name, run in sorted(runs.items())]
            else:
                found.append(((str(patient),), same))
    return found


def _planes(members: list[Instance]) -> list[list[Instance]]:
    """By matrix, orientation and spacing; a few odd slices stay with the many, as in a series with a UID."""
    groups: list[list[Instance]] = []
    for instance in members:
        for group in groups:
            if _fits(instance, group[0]):
                group.append(instance)
                break
        else:
            groups.append([instance])
    many = [group for group in groups if len(group) >= FEWEST_SLICES] or groups[:1]
    few = [one for group in groups if group not in many for one in group]
    max(many, key=len).extend(few)
    return many


def _fits(one: Instance, leader: Instance) -> bool:
    unplaced = one.orientation is None and leader.orientation is None
    aligned = unplaced or parallel(one.orientation, leader.orientation)
    sized = (one.rows, one.columns) == (leader.rows, leader.columns)
    return aligned and sized and same_spacing(one, leader)


def _parted(members: list[Instance], key: Callable[[Instance], str]) -> dict[str, list[Instance]]:
    """By ``key``; those without one belong to the others if these are of one kind."""
    found: dict[str, list[Instance]] = defaultdict(list)
    for instance in members:
        found[key(instance)].append(instance)
    if len(found) == 2 and "" in found:
        return {max(found): members}
    return dict(found)


def _adopted(stack: list[Instance], stated: list[Instance]) -> str:
    """The UID of the one series of this folder in which just these slices lack theirs."""
    fitting = [one for one in stated if _fits(one, stack[0])]
    uids = {one.series_uid for one in fitting}
    places = {_rounded(one.position) for one in fitting}
    if len(uids) != 1 or places & {_rounded(one.position) for one in stack}:
        return ""
    return uids.pop()


def _rounded(position: Vector | None) -> Hashable:
    return None if position is None else tuple(round(x, 2) for x in position)


def _digest(*parts: str) -> str:
    """No UID looks like this, and nothing can be read from it."""
    return "unnamed:" + hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:32]
