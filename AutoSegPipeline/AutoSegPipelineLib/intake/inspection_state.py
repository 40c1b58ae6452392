"""What one inspection of a job's files needs, and the cases and refusals that it has found so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ..core.errors import PipelineError
from ..core.messages.found_cases import FoundCase, Refusal
from ..core.messages.intake_messages import Limits
from ..core.progress import Check
from ..core.table_files import map_stem
from ..core.task_labels import is_task, structures_of
from .case_names import file_stem
from .options_files import Layers
from .staged_products import StagedProducts


@dataclass
class InputFile:
    """One file of the job: ``path``, its name below the staged folder, and how its source called it.

    ``start`` are its first bytes.
    """

    path: str
    relative: str
    label: str
    format: str = ""
    start: bytes = b""
    nested: bool = False  # an archive inside another


@dataclass
class Inspection:
    """What the inspection needs, and what it found so far."""

    expect: str
    limits: Limits
    own_outputs: frozenset[str]
    staging: StagedProducts
    check: Check
    layers: Layers
    key: bytes | None = None
    cases: list[FoundCase] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    given_labels: str = ""  # the caller's table of names for label maps, or a task of TotalSegmentator
    passed: list[InputFile] = field(default_factory=list)  # no scans; see passed_by.py
    archives: dict[str, str] = field(default_factory=dict)  # what their source called them, by relative name
    label: str = ""  # what the input is called
    patient_words: frozenset[str] = frozenset()  # of the patients of DICOM files
    labels: dict[str, str] = field(default_factory=dict)  # by the path of a staged file
    models: Path | None = None  # the folder of users' own models

    @property
    def max_voxels(self) -> int:
        """The limit of one volume."""
        return self.limits.max_voxels

    def names_labels_of(self, label: str) -> bool:
        """Whether the caller named the labels of the label map ``label``; not a mask's of the task itself."""
        if not is_task(self.given_labels):
            return bool(self.given_labels)
        return map_stem(label).casefold() not in structures_of(self.given_labels)

    def refuse(
        self,
        error: PipelineError,
        files: list[str],
        stem: str,
        label: str,
        series_key: str | None = None,
    ) -> None:
        """One more refusal."""
        count = max(1, len(files)) if series_key is not None else 1
        self.refusals.append(Refusal(files, stem, label, error.to_dict(), series_key, count))

    def refuse_file(self, error: PipelineError, item: InputFile) -> None:
        """The refusal of one file."""
        self.refuse(error, [item.relative], file_stem(item.label), item.label)

    def name_given(self, error: OSError) -> None:
        """Let ``error`` about a staged file carry the name that the file's source gave it."""
        label = self.labels.get(str(error.filename))
        if label is not None:
            error.filename = label
