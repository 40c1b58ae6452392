"""The stacks of one series: what differs in kind lies apart, what is odd is left out."""

from __future__ import annotations

import re
from typing import Sequence

from ...core.errors import Refused
from .instance import Instance
from .measure import measured
from .overlap import by_key, by_runs, by_thickness, have_own_distances, joined, lie_apart
from .stack import Stack
from .twins import parallel, same_spacing

# More passes over the same place than this are a time series.
MOST_ACQUISITIONS = 3
MOST_SCOUT_SLICES = 30
_SCOUT_WORDS = re.compile(
    r"(?i)\b(localizer|localiser|scout|topogram|scanogram|survey|surview|3[- ]?plane loc|loc)\b"
)


def stacks_of(
    instances: list[Instance], name: str, min_slices: int
) -> tuple[list[Stack], list[tuple[list[Instance], Refused, str]]]:
    """Stacks of a series' slices, and what is none of one, with its reason and what sets it apart."""
    parts = _parts(instances)
    main = max(parts, key=len)
    stacks: list[Stack] = []
    refused: list[tuple[list[Instance], Refused, str]] = []
    odd: dict[str, list[Instance]] = {}
    for members in sorted(parts, key=lambda part: part is not main):
        reason = "" if members is main else _apart(members[0], main[0])
        if stacks and reason and len(members) < min_slices and not _is_scout(members, min_slices, True):
            odd.setdefault(reason, []).extend(members)
            continue
        try:
            found = _stacks(members, name, min_slices, several=len(parts) > 1)
        except Refused as error:
            refused.append((members, error, reason))
            continue
        for stack in found:
            stack.reason = stack.reason or reason
        stacks += found
    for reason, members in odd.items():
        differs = Refused(
            "dicom.odd_slices",
            ("1 slice of {0} has {1}" if len(members) == 1 else "{2} slices of {0} have {1}").format(
                name, reason, len(members)
            )
            + f" than the other {len(main)}.",
        )
        own = {one.relative for one in members} - {one.relative for one in main}
        refused += [([one for one in members if one.relative in own], differs, reason)] if own else []
    for number, stack in enumerate(stacks):
        stack.index, stack.count = number, len(stacks)
        for reason, members in odd.items():
            stack.notes.append(left_out(name, len(members), "slice", f" with {reason}"))
    return stacks, refused


def left_out(name: str, count: int, what: str, more: str = "") -> dict[str, str]:
    """The warning that ``count`` of ``what`` (one of them) of a series are not in its volume."""
    were = f"1 {what}{more} was" if count == 1 else f"{count} {what}s{more} were"
    return {"code": "dicom.odd_slices", "message": f"{name}: {were} left out."}


def _parts(instances: list[Instance]) -> list[list[Instance]]:
    """By size, orientation, pixel spacing, echo and kind of picture."""
    groups: list[list[Instance]] = []
    for instance in instances:
        for members in groups:
            if _belongs(instance, members[0]):
                members.append(instance)
                break
        else:
            groups.append([instance])
    return groups


def _kind(instance: Instance) -> tuple[str, ...]:
    """Words of the image type that distinguish the MR pictures of one series: magnitude, phase, water ..."""
    return instance.image_type[2:] if instance.modality == "MR" else ()


def _belongs(a: Instance, b: Instance) -> bool:
    same = (a.rows, a.columns, a.echo, _kind(a)) == (b.rows, b.columns, b.echo, _kind(b))
    return same and parallel(a.orientation, b.orientation) and same_spacing(a, b)


def _apart(one: Instance, other: Instance) -> str:
    if not parallel(one.orientation, other.orientation):
        return "another orientation"
    if (one.rows, one.columns) != (other.rows, other.columns):
        return "another number of pixels"
    if not same_spacing(one, other):
        return "another pixel spacing"
    if one.echo != other.echo:
        return "another echo"
    return "another kind of picture"


def _stacks(members: list[Instance], name: str, min_slices: int, several: bool) -> list[Stack]:
    """One stack, or a few where what lies over one another can be told apart; a time series is refused."""

    def each(sets: list[list[Instance]], reason: str) -> list[Stack] | None:
        if len(sets) < 2:
            return None
        try:
            stacks = [_stack(own, name, min_slices, True) for own in sets]
        except Refused:
            return None
        for stack in stacks:
            stack.reason = reason
        return stacks

    def one(sets: list[list[Instance]]) -> list[Stack] | None:
        both = joined(sets)
        if both is None:
            return None
        try:
            stack = _stack(both[0], name, min_slices, several)
        except Refused:
            return None
        stack.overlapping = both[1]
        return [stack]

    thick = by_thickness(members)
    if have_own_distances(thick) and not lie_apart(thick):
        found = one(thick) or each(thick, "another slice thickness")
        if found:
            return found
    volumes = by_key(members, _volume)
    try:
        stack = _stack(members, name, min_slices, several)
    except Refused as error:
        timed = len({member.moment for member in members}) > 1
        found = each(volumes, "another volume")
        if not found and error.code == "input.four_dimensional" and not timed:
            found = each(thick, "another slice thickness") or each(
                _few(by_key(members, lambda one: one.acquisition)), "another acquisition"
            )
            found = found or each(_few(by_key(members, lambda one: one.kernel)), "another reconstruction")
            found = found or one(_few(by_runs(members)))
        if not found and error.code == "dicom.missing_slices" and not timed:
            found = each(_few(by_runs(members)), "another pass")
        if not found:
            raise
        return found
    doubtful = stack.irregular or stack.rounded
    return (each(volumes, "another volume") if doubtful else None) or [stack]


def _volume(instance: Instance) -> str:
    """What a concatenation or an enhanced object of several frames may hold: a volume of its own."""
    if len(instance.frame_list) < 2 and not instance.concatenation:
        return ""
    return instance.concatenation or instance.relative


def _few(sets: list[list[Instance]]) -> list[list[Instance]]:
    """More than a few are a time series."""
    return sets if len(sets) <= MOST_ACQUISITIONS else []


def _is_scout(members: Sequence[Instance], min_slices: int, several: bool) -> bool:
    alone = several or len(members) < min_slices
    return bool(alone and len(members) < MOST_SCOUT_SLICES and _SCOUT_WORDS.search(members[0].description))


def _stack(members: list[Instance], name: str, min_slices: int, several: bool) -> Stack:
    """A stack in order, or :class:`Refused` with the reason why it is none."""
    many = len(members)
    if _is_scout(members, min_slices, several):
        raise Refused("dicom.scout", f"{name} is a localizer ({many} slices).")
    if many < min_slices or many < 2:
        raise Refused("input.too_thin", f"{name} has {many} of at least {min_slices} slices.")
    return measured(members, name)
