"""What an inspection finds in the files of a job: cases and refusals."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List, Optional, Union


@dataclass
class FoundCase:
    """One volume that can be processed.

    ``path`` is the staged volume, ``stem`` what its results will be called, ``label`` how its source
    called it. ``shape`` counts (i, j, k), ``spacing`` is in mm, ``affine`` maps index to LPS mm.
    ``files`` are the names below ``input/`` that belong to it, options files among them.
    ``table`` is the name of a table of names beside the staged label map, ``content`` what that one
    holds; see :mod:`...intake.mask_folders`. ``channels`` are further images of the scan, by their names
    below the folder of ``path``.
    """

    kind: str  # scan or segmentation
    path: str
    stem: str
    label: str
    modality: str
    shape: List[int]
    spacing: List[float]
    affine: List[List[float]]
    sha256: str
    format: str
    series_key: Optional[str] = None
    warnings: List[Dict[str, str]] = field(default_factory=list)
    facts: Dict[str, object] = field(default_factory=dict)
    files: List[str] = field(default_factory=list)
    options_file: Optional[str] = None
    folder_options_file: Optional[str] = None
    table: Optional[str] = None
    content: str = ""
    channels: List[str] = field(default_factory=list)


@dataclass
class Refusal:
    """``files`` (names below ``input/``) that are no case, and why: code, message and hint.

    ``count`` is how many files of the source it is about; an archive's have only one name below ``input/``.
    """

    files: List[str]
    stem: str
    label: str
    error: Dict[str, str] = field(default_factory=dict)
    series_key: Optional[str] = None
    count: int = 1


@dataclass(frozen=True)
class Inspected:
    """The answer of an inspection."""

    cases: List[FoundCase] = field(default_factory=list)
    refusals: List[Refusal] = field(default_factory=list)

    def parts(self) -> list[CasePart]:
        """All of them, cases first, without ids."""
        cases = [CasePart(case=case) for case in self.cases]
        return cases + [CasePart(refusal=refusal) for refusal in self.refusals]


@dataclass(frozen=True)
class CasePart:
    """One case or one refusal of an input; ``id`` is that of its job."""

    id: str = ""
    case: Optional[FoundCase] = None
    refusal: Optional[Refusal] = None

    @property
    def found(self) -> Union[FoundCase, Refusal]:
        """Whichever it is."""
        found = self.case or self.refusal
        if found is None:
            raise ValueError(f"the part {self.id} has neither a case nor a refusal")
        return found


@dataclass(frozen=True)
class SplitPlan:
    """``split.json``: the parts into which an input is being divided."""

    parts: List[CasePart]
