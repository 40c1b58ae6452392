"""What the writers of a case's result files may use."""

from __future__ import annotations

from pathlib import Path

from ..core import result_formats
from ..core.messages.worker_messages import CaseResult, used_texts
from .case import Case
from .drawing.sections import Sections
from .layers import Flat, flatten
from .measure import Measured
from .source_segmentation import SourceSegmentation
from .stopwatch import Stopwatch
from .surfaces import Budget, Surface


class ExportData:
    """The case, its segmentation and what was computed from it; ``result`` grows with each file.

    ``sections`` are the slices that the picture shows, None where nobody asks for a picture;
    ``picture`` is the drawn PNG in the work folder, None where nothing was or could be drawn.
    """

    def __init__(self, case: Case, found: SourceSegmentation, watch: Stopwatch) -> None:
        self.case = case
        self.found = found
        self.watch = watch
        self.surfaces: list[Surface] = []
        self.budget = Budget()
        self.measured: list[Measured] = []
        self.sections: Sections | None = None
        self.picture: Path | None = None
        self._flat: Flat | None = None
        grid = found.segmentation.grid
        self.result = CaseResult(
            engine=found.engine,
            modality=found.modality,
            used=used_texts(found.facts.get("used") or {}),
            shape=grid.shape,
            spacing=grid.spacing,
            warnings=list(found.segmentation.warnings),
            timings=watch.seconds,
            manifest_name=case.file(result_formats.MANIFEST).name,
            cached=found.cached,
        )
        if found.absent:
            names = ", ".join(segment.title for segment in found.absent)
            self.warn("segmentation.absent", f"not found in this scan: {names}")

    def requested(self, written: int) -> list[result_formats.ResultFormat]:
        """The formats that the case asks for, of those that are written then."""
        wanted = self.case.options["formats"]
        return [row for row in result_formats.FORMATS if row.written == written and row.kind in wanted]

    def warn(self, code: str, message: str) -> None:
        """A warning that is in the result, the manifest and the report."""
        self.result.warnings.append({"code": code, "message": message})

    @property
    def flat(self) -> Flat:
        """The flattened label map, computed once."""
        if self._flat is None:
            with self.watch.time("flatten"):
                self._flat = flatten(self.found.segmentation)
        return self._flat
