"""What one inspection of a job's files needs, and the cases and refusals that it has found so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping

from ..core.errors import PipelineError
from ..core.progress import Check
from .options_files import Layers
from .staged_products import StagedProducts

DEFAULT_VOXELS = 2_000_000_000


@dataclass
class InputFile:
    """One file of the job: ``path``, its name below the staged folder, and how its source called it."""

    path: str
    relative: str
    label: str
    format: str = ""


@dataclass
class Inspection:
    """What the inspection needs, and what it found so far."""

    expect: str
    limits: Mapping[str, Any]
    own_outputs: frozenset[str]
    staging: StagedProducts
    check: Check
    layers: Layers
    key: bytes | None = None
    cases: list[dict[str, Any]] = field(default_factory=list)
    refusals: list[dict[str, object]] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    has_table: bool = False  # the caller gave a table of names for label maps
    label: str = ""  # what the input is called
    labels: dict[str, str] = field(default_factory=dict)  # by the path of a staged file

    @property
    def max_voxels(self) -> int:
        """The limit of one volume."""
        return int(self.limits.get("max_voxels") or DEFAULT_VOXELS)

    def refuse(self, error: PipelineError, files: list[str], stem: str, label: str, **more: object) -> None:
        """One more refusal."""
        self.refusals.append({"files": files, "stem": stem, "label": label, "error": error.to_dict(), **more})

    def name_given(self, error: OSError) -> None:
        """Let ``error`` about a staged file carry the name that the file's source gave it."""
        label = self.labels.get(str(error.filename))
        if label is not None:
            error.filename = label
