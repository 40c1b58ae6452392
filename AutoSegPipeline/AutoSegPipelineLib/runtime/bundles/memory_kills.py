"""Whether the kernel ended a process of ours because memory ran out (Linux)."""

from __future__ import annotations

from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")


def memory_kills(proc: Path = Path("/proc"), groups: Path = _GROUPS) -> int:
    """How many processes of this one's control group were ended for lack of memory until now.

    Children are in the same group; a batch system makes one for each job. Where there are no groups the
    machine's count is taken; 0 where there is no count.
    """
    try:
        lines = (proc / "self" / "cgroup").read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return 0
    for line in lines:
        number, controllers, path = line.split(":", 2)
        inner = path.lstrip("/")
        if number == "0" and not controllers:
            found = _count(groups / inner / "memory.events")
        elif "memory" in controllers.split(","):
            found = _count(groups / "memory" / inner / "memory.oom_control")
        else:
            continue
        if found is not None:
            return found
    return _count(proc / "vmstat") or 0


def _count(path: Path) -> int | None:
    try:
        words = [line.split() for line in path.read_text(encoding="ascii").splitlines()]
        return next(int(one[1]) for one in words if one and one[0] == "oom_kill")
    except (OSError, ValueError, IndexError, StopIteration):
        return None
