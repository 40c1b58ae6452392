"""How many processors this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_OWN_GROUP = Path("/proc/self/cgroup")


def cpu_threads() -> int:
    """How many threads torch may use: the processors that this process may run on, or its share of them."""
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    return max(1, math.ceil(min(count, cpu_quota())))


def cpu_quota(groups: Path = _GROUPS, own: Path = _OWN_GROUP) -> float:
    """Processors' worth of time that control groups allow (Linux); infinite for no limit.

    A limit of any group above counts too. A container sees its own group as the topmost.
    """
    limits = [math.inf]
    for kind, group in _own_groups(own):
        base = groups / kind
        place = base.joinpath(*(part for part in group.split("/") if part not in ("", "..")))
        while True:
            limits.append(_limit_1(place) if kind else _limit_2(place))
            if place == base:
                break
            place = place.parent
    return min(limits)


def _own_groups(own: Path) -> list[tuple[str, str]]:
    """The kind of hierarchy (empty for version 2) and the group's path of each that limits processors."""
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return []
    found = []
    for line in lines:
        _, kinds, path = (line.split(":", 2) + ["", ""])[:3]
        if not kinds or "cpu" in kinds.split(","):
            found.append(("cpu" if kinds else "", path))
    return found


def _limit_2(place: Path) -> float:
    """Of ``cpu.max``: ``150000 100000`` is one and a half processors, ``max 100000`` no limit."""
    try:
        quota, period = (place / "cpu.max").read_text(encoding="ascii").split()
        return int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return math.inf


def _limit_1(place: Path) -> float:
    """The same in version 1, where -1 is no limit."""
    try:
        quota = int((place / "cpu.cfs_quota_us").read_text(encoding="ascii"))
        return (
            quota / int((place / "cpu.cfs_period_us").read_text(encoding="ascii")) if quota > 0 else math.inf
        )
    except (OSError, ValueError, ZeroDivisionError):
        return math.inf
