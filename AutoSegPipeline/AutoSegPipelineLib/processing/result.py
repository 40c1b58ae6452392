"""What a processed case leaves behind: plain values that travel to the pipeline as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Output:
    """One result file: its ``kind`` (a word of ``--formats``), bare ``name``, bytes and SHA-256."""

    kind: str
    name: str
    size: int
    sha256: str


@dataclass
class CaseResult:
    """The answer of ``process_case``; ``shape`` counts (i, j, k), ``spacing`` is in mm.

    ``used``: ``engine``, ``task`` and ``device`` as they were, whatever had been typed.
    """

    engine: str
    modality: str
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    outputs: list[Output] = field(default_factory=list)
    warnings: list[dict[str, str]] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    manifest_name: str = ""
    cached: bool = False
    used: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """JSON values only; the ``result`` of the worker's ``done``."""
        plain = asdict(self)
        plain["shape"] = list(self.shape)
        plain["spacing"] = list(self.spacing)
        return plain
