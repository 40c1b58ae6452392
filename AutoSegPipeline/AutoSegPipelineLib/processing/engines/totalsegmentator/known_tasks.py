"""The tasks of the installed package and their models, as this engine knows them."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field

from ....core.errors import EngineFailed
from ....core.specs import did_you_mean

PACKAGE = "totalsegmentator"
DEFAULT = {"CT": "total", "MR": "total_mr"}


@dataclass(frozen=True)
class Mode:
    """One quality of a task: the weights of its models, and their voxels' edge in mm (None: as the scan)."""

    models: tuple[int, ...] = ()
    mm: float | None = None


@dataclass(frozen=True)
class Known:
    """One task of the package.

    ``classes`` are label values and structure names; ``modes`` the qualities
    that it has; ``parts`` the structures of each model where several share a
    task; ``crop`` the structures around which it cuts the scan first, found by
    ``crop_task`` (empty: the rough whole-body model, ``robust``: the finer one);
    ``extra`` weights that it needs besides.
    """

    name: str
    modality: str
    classes: dict[int, str]
    modes: dict[str, Mode]
    licence: bool = False
    parts: dict[int, frozenset[str]] = field(default_factory=dict)
    crop: tuple[str, ...] = ()
    crop_task: str = ""
    robust: bool = False
    extra: tuple[int, ...] = ()

    @property
    def can_subset(self) -> bool:
        """Whether the package itself computes only what was asked for."""
        return self.name.startswith("total")


@dataclass(frozen=True)
class Catalogue:
    """Every task of the package, the default one first; ``folders`` of weights by their number."""

    version: str
    tasks: dict[str, Known]
    folders: dict[int, str]
    generation: str

    def find(self, name: str) -> Known:
        """The task called ``name``; raises ``engine.task_unknown`` with the nearest."""
        wanted = name.strip().casefold()
        for known in self.tasks.values():
            if known.name.casefold() == wanted:
                return known
        raise EngineFailed(
            "engine.task_unknown",
            f"TotalSegmentator {self.version} has no task {name!r}{did_you_mean(wanted, self.tasks)}",
        )

    def twin(self, task: Known, modality: str) -> Known | None:
        """The task that finds the same in the other modality: ``total`` and ``total_mr``."""
        name = task.name[: -len("_mr")] if task.name.endswith("_mr") else task.name + "_mr"
        other = self.tasks.get(name)
        return other if other is not None and other.modality == modality else None


def installed() -> bool:
    """Whether the package is there; nothing is imported."""
    return importlib.util.find_spec(PACKAGE) is not None


def package_version() -> str:
    """The installed version; empty when it is not known."""
    from importlib import metadata

    try:
        return metadata.version("TotalSegmentator")
    except metadata.PackageNotFoundError:
        return ""


def default_first(tasks: dict[str, Known]) -> dict[str, Known]:
    """``tasks`` with those for a whole body first."""
    first = [name for name in DEFAULT.values() if name in tasks]
    return {name: tasks[name] for name in [*first, *(n for n in tasks if n not in first)]}
