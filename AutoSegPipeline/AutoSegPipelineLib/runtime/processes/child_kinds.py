"""The one table of child processes. A row here is a process that :mod:`..wiring` can start."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.engines import OWN_MODELS


@dataclass(frozen=True)
class Restart:
    """When a child that ended by itself is started again.

    ``first_wait`` seconds later, then each time twice as long up to ``longest_wait``; a child that
    was well for ``well_seconds`` starts that count again. 0: when there is work for it.
    ``tries``: after so many ends over the same work, or in a row of a child that is kept running,
    nobody tries again; 0: no limit here.
    ``starts``: of a child that is started for its work, the same for ends in a row before it was
    ready. They say nothing about the work, and only they are followed by the waits.
    """

    first_wait: float = 0.0
    longest_wait: float = 0.0
    well_seconds: float = 0.0
    tries: int = 0
    starts: int = 0

    def wait_after(self, ends: int) -> float:
        """Seconds to the next start after so many ends in a row, at least one."""
        return min(self.first_wait * 2.0 ** (ends - 1), self.longest_wait)


@dataclass(frozen=True)
class ChildKind:
    """One kind of child process.

    ``name`` is also its folder below ``state/work``, ``module`` what ``python -m`` runs.
    ``hangs``: without progress for ``hung_minutes`` it is ended. ``engines``: it runs under the
    workers' Python and gets the engines' settings. ``packages``: it finds what was installed into
    the home's own folder of packages.

    ``setting``: the pipeline keeps it running from its start to its stop while this setting is true
    or above 0; see :class:`.child_host.ChildHost`. Empty: whoever needs it starts it.
    Raises ValueError for one that is kept running and would be started again without any pause.
    """

    name: str
    module: str
    restart: Restart
    hangs: bool = True
    engines: bool = False
    packages: bool = False
    setting: str = ""

    def __post_init__(self) -> None:
        if self.setting and self.restart.first_wait <= 0:
            raise ValueError(f"{self.name}: a child that is kept running needs a first_wait above 0")


# A case that its worker did not survive goes back into the queue, which counts (runtime/ending).
WORKER = ChildKind("worker", "processing.worker", Restart(), engines=True, packages=True)
# A file that makes a reader crash three times is answered with an error; after 24 s without a start all are.
INTAKE = ChildKind(
    "intake", "intake.child", Restart(first_wait=0.25, longest_wait=8.0, tries=3, starts=8), packages=True
)
WEB = ChildKind(
    "web",
    "web.child",
    Restart(first_wait=0.5, longest_wait=30.0, well_seconds=60.0),
    hangs=False,
    packages=True,
)

# Its receiver keeps a port, and a send that waits for its peer is no hang.
DICOM = ChildKind(
    "dicom",
    "dicom.child",
    Restart(first_wait=0.5, longest_wait=30.0, well_seconds=60.0),
    hangs=False,
    packages=True,
    setting="dicom",
)

# A share that hangs is no hang of the child; what it said meanwhile is said again after a new start.
CLUSTER = ChildKind(
    "cluster",
    "cluster.child",
    Restart(first_wait=1.0, longest_wait=60.0, well_seconds=60.0),
    hangs=False,
    packages=True,
)

# Reads a checkpoint that somebody brings, then ends; a large one takes its time.
MODELS = ChildKind("models", f"processing.engines.{OWN_MODELS}.child", Restart(), hangs=False, engines=True)

# Draws the example scan that somebody asked for, then ends.
EXAMPLE = ChildKind("example", "processing.phantom.child", Restart(), hangs=False)

KINDS: tuple[ChildKind, ...] = (WORKER, INTAKE, WEB, MODELS, EXAMPLE, DICOM, CLUSTER)
