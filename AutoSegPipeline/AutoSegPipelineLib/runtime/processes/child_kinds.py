"""The one table of child processes. A row here is a process that :mod:`..wiring` can start."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Restart:
    """When a child that ended by itself is started again.

    ``first_wait`` seconds later, then each time twice as long up to ``longest_wait``; a child that
    was well for ``well_seconds`` starts that count again. 0: when there is work for it.
    ``tries``: after so many ends over the same work nobody tries again; 0: no limit here.
    """

    first_wait: float = 0.0
    longest_wait: float = 0.0
    well_seconds: float = 0.0
    tries: int = 0


@dataclass(frozen=True)
class ChildKind:
    """One kind of child process.

    ``name`` is also its folder below ``state/work``, ``module`` what ``python -m`` runs.
    ``hangs``: without progress for ``hung_minutes`` it is ended. ``engines``: it runs under the
    workers' Python and gets the engines' settings. ``packages``: it finds what was installed into
    the home's own folder of packages.
    """

    name: str
    module: str
    restart: Restart
    hangs: bool = True
    engines: bool = False
    packages: bool = False


# A case that its worker did not survive goes back into the queue, which counts (runtime/ending).
WORKER = ChildKind("worker", "processing.worker", Restart(), engines=True)
# A file that makes a reader crash three times is answered with an error.
INTAKE = ChildKind("intake", "intake.child", Restart(tries=3))
WEB = ChildKind(
    "web",
    "web.child",
    Restart(first_wait=0.5, longest_wait=30.0, well_seconds=60.0),
    hangs=False,
    packages=True,
)

KINDS: tuple[ChildKind, ...] = (WORKER, INTAKE, WEB)
