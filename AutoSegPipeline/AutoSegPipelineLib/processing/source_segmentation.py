"""The segmentation of one case, and how it came about."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from ..core.segmentation import Segment, Segmentation
from .engine_facts import EngineFacts

if TYPE_CHECKING:
    from .surfaces.follow import Range
    from .volume import Volume


@dataclass
class SourceSegmentation:
    """A segmentation with voxels in every segment, the scan if there is one, and how it came about.

    ``engine`` is empty for an existing segmentation; ``absent`` are segments
    that the engine or the table names and no voxel has. ``volume`` is None once
    it was measured; ``has_scan`` still says that there is one.
    """

    segmentation: Segmentation
    volume: Volume | None
    engine: str
    modality: str
    cached: bool = False
    absent: list[Segment] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.has_scan = self.volume is not None

    @property
    def engines(self) -> list[EngineFacts]:
        """What each engine of the case did; nothing for an existing segmentation."""
        if not self.engine or self.facts.get("engines"):
            return list(self.facts.get("engines") or ())
        used = self.facts.get("used") or {}  # the host's own engine
        version = str(self.facts.get("engine_version", ""))
        task, device = (str(used.get(key, "")) for key in ("task", "device"))
        return [{"name": self.engine, "version": version, "task": task, "device": device}]

    def engine_of(self, structure: str) -> str:
        """The engine that found the structure; empty for an existing segmentation."""
        names = [one["name"] for one in self.engines if structure in one.get("structures", ())]
        return str(names[0]) if names else self.engine

    @property
    def intensity_ranges(self) -> dict[str, Range]:
        """By structure the lowest and the highest intensity that it has, where an engine says that a
        threshold separates it from all around it; the other of the two is None.
        """
        found: dict[str, Range] = {}
        for one in self.engines:
            known, name = one.get("structures", ()), one["name"]
            ranges = cast("dict[str, Range]", one.get("facts", {}).get("intensity_ranges", {}))
            for structure, (low, high) in ranges.items():
                # Where two engines have found a structure, the later one's has its engine in its name.
                own = f"{name}_{structure}"
                found[own if own in known else structure] = (low, high)
        return found

    @property
    def sides(self) -> str:
        """The verdict of the check of left and right: ok, swapped or unverified; empty when not asked."""
        return str(self.facts.get("sides", ""))

    @property
    def unit(self) -> str:
        """The unit of the scan's intensities; MR has none."""
        return "HU" if self.modality == "CT" and self.has_scan else ""
