"""Memory and processor time of a process and all below it."""

from __future__ import annotations

from typing import NamedTuple

import psutil


class Use(NamedTuple):
    """One process: resident bytes, and seconds of user and system together."""

    pid: int
    resident: int
    cpu: float


def used(pid: int) -> list[Use]:
    """Every process of the tree below ``pid`` that is there now, itself first; empty when it has ended."""
    found = []
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.Error:
        return []
    for one in family:
        try:
            with one.oneshot():
                times = one.cpu_times()
                found.append(Use(one.pid, one.memory_info().rss, times.user + times.system))
        except psutil.Error:  # it ended between the looks
            continue
    return found
