"""Writing every asked format of one case, and checking what was written."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

from ..core.errors import PipelineError
from ..core.progress import Report
from .layers import Flat, flatten
from .output_files import seal
from .result import CaseResult
from .stage_progress import Portion
from .writers import DISCLAIMER, ENDINGS

if TYPE_CHECKING:
    from .case import Case, Stopwatch
    from .segmentation_source import SourceSegmentation
    from .surfaces import Surface
    from .writers.picture import Shot
    from .writers.statistics import Measured


class Exporter:
    """The result files of one case. Call ``write``, ``verify``, ``write_manifest`` in this order."""

    def __init__(self, case: Case, found: SourceSegmentation, watch: Stopwatch) -> None:
        self.case = case
        self.found = found
        self.watch = watch
        self.formats: list[str] = case.options["formats"]
        self.surfaces: list[Surface] = []
        self.measured: list[Measured] = []
        self.picture: Path | None = None
        self._flat: Flat | None = None
        grid = found.segmentation.grid
        self.result = CaseResult(
            engine=found.engine,
            modality=found.modality,
            used=dict(found.facts.get("used") or {}),
            shape=grid.shape,
            spacing=grid.spacing,
            warnings=list(found.segmentation.warnings),
            timings=watch.seconds,
            manifest_name=case.file(ENDINGS["manifest"][0]).name,
            cached=found.cached,
        )
        if found.absent:
            names = ", ".join(segment.title for segment in found.absent)
            self.warn("segmentation.absent", f"not found in this scan: {names}")

    def warn(self, code: str, message: str) -> None:
        """A warning that stands in the result, the manifest and the report."""
        self.result.warnings.append({"code": code, "message": message})

    @property
    def flat(self) -> Flat:
        """The flattened label map, made once."""
        if self._flat is None:
            with self.watch.time("flatten"):
                self._flat = flatten(self.found.segmentation)
        return self._flat

    def write(self, report: Report) -> None:
        """Surfaces, then each file but the manifest; the picture is drawn meanwhile elsewhere."""
        self._make_surfaces(Portion(report, 0.0, 0.45))
        shot = self._begin_picture()
        try:
            with self.watch.time("statistics"):
                self.measured = self._measure(Portion(report, 0.45, 0.55))
            steps: list[tuple[str, Callable[[Path, Report], None]]] = [
                ("gltf", self._gltf), ("glb", self._glb), ("seg", self._seg), ("labels", self._labels),
                ("stl", self._stl), ("obj", self._obj),
            ]  # fmt: skip
            asked = [step for step in steps if step[0] in self.formats]
            for number, (kind, step) in enumerate(asked):
                part = Portion(
                    report, 0.55 + 0.35 * number / len(asked), 0.55 + 0.35 * (number + 1) / len(asked)
                )
                self._write(kind, step, part)
            if "statistics" in self.formats:
                self._write_statistics()
            report.progress(0.9, "drawing the picture")
            self._finish_picture(shot, report)
            shot = None
        finally:
            if shot is not None:
                shot.abandon()
        if "report" in self.formats:
            report.progress(0.97, "writing the report")
            self._write("report", self._report, report)

    def _make_surfaces(self, report: Report) -> None:
        from .surfaces import make_surfaces

        options = self.case.options
        with self.watch.time("surfaces"):
            self.surfaces = make_surfaces(
                self.found.segmentation, options["detail"], options["smoothing"], report
            )
        if not self.surfaces:
            raise PipelineError("export.empty", f"{self.case.label}: no structure has a surface")
        known = {warning["message"] for warning in self.result.warnings}
        self.result.warnings += [w for w in self.found.segmentation.warnings if w["message"] not in known]

    def _measure(self, report: Report) -> list[Measured]:
        from .writers.statistics import measure

        return measure(self.found.segmentation, self.found.volume, report)

    def _write(self, kind: str, step: Callable[[Path, Report], None], report: Report) -> None:
        path = self.case.file(ENDINGS[kind][0])
        report.progress(0.0, f"writing {path.name}")
        with self.watch.time(kind):
            step(path, report)
            self.result.outputs.append(seal(kind, path))
        report.check()

    def _extras(self) -> dict[str, dict[str, Any]]:
        return {
            one.name: {"label": one.label, "volume_ml": round(one.volume_ml, 4), "voxels": one.voxels}
            for one in self.measured
        }

    def _case_extras(self) -> dict[str, Any]:
        from .. import __version__

        return {
            "generator": f"AutoSegPipeline {__version__}",
            "engine": self.found.engine,
            "modality": self.found.modality,
            "note": DISCLAIMER,
        }

    def _gltf(self, path: Path, report: Report) -> None:
        if "gltf" in self.case.given:
            shutil.copyfile(self.case.given["gltf"], path)
            return
        from .writers.gltf import write_gltf

        write_gltf(path, self.surfaces, self.case.label, self._extras(), self._case_extras())

    def _glb(self, path: Path, report: Report) -> None:
        from .writers.glb import write_glb

        write_glb(path, self.surfaces, self.case.label, self._extras(), self._case_extras())

    def _seg(self, path: Path, report: Report) -> None:
        from .writers.seg_nrrd import write_seg_nrrd

        facts = {**self.found.facts, "warnings": self.result.warnings}
        write_seg_nrrd(path, self.found.segmentation, facts, report)

    def _labels(self, path: Path, report: Report) -> None:
        from .writers.labels import write_labels

        write_labels(path, self.found.segmentation, self.flat, report)

    def _stl(self, path: Path, report: Report) -> None:
        from .writers.stl import write_stl_zip

        write_stl_zip(path, self.surfaces)

    def _obj(self, path: Path, report: Report) -> None:
        from .writers.obj import write_obj_zip

        write_obj_zip(path, self.surfaces)

    def _write_statistics(self) -> None:
        from .writers.statistics import write_csv, write_json

        table, document = (self.case.file(ending) for ending in ENDINGS["statistics"])
        with self.watch.time("statistics"):
            write_csv(table, self.measured, self.found.unit)
            write_json(document, self.measured, self.found.segmentation.grid, self.found.unit)
            self.result.outputs += [seal("statistics", table), seal("statistics", document)]

    def _begin_picture(self) -> Shot | None:
        if "picture" not in self.formats and "report" not in self.formats:
            return None
        from .writers.picture import begin_picture

        folder = self.case.out if "picture" in self.formats else self.case.work
        path = folder / (self.case.stem + ENDINGS["picture"][0])
        with self.watch.time("picture"):
            return begin_picture(path, self.surfaces, self.case.work)

    def _finish_picture(self, shot: Shot | None, report: Report) -> None:
        """A case without its picture is still a good case: it gets a warning."""
        if shot is None:
            return
        with self.watch.time("picture"):
            problem = shot.wait(report)
        if problem:
            self.warn("picture.not_drawn", problem)
            return
        self.picture = shot.path
        if "picture" in self.formats:
            self.result.outputs.append(seal("picture", shot.path))

    def _report(self, path: Path, report: Report) -> None:
        from .writers.report import write_report

        write_report(path, self)

    def verify(self, report: Report) -> None:
        """Open every file anew; raises ``export.verification``."""
        from .verify import verify_outputs

        verify_outputs(self, report)

    def write_manifest(self) -> None:
        """The last file of the case: with it the case is whole."""
        from .writers.manifest import write_manifest

        path = self.case.file(ENDINGS["manifest"][0])
        write_manifest(path, self)
        self.result.outputs.append(seal("manifest", path))
