"""From one staged case to its verified result files."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Iterator

from ..core.errors import PipelineError
from ..core.progress import Report
from ..core.segmentation import Affine, Segmentation
from ..core.specs import ALWAYS, FORMATS, OPTIONS, parse_options
from .output_files import seal, sync_folder
from .result import CaseResult
from .stage_progress import Portion


@dataclass(frozen=True)
class Case:
    """What ``process_case`` is asked to do; the worker protocol's ``case`` message.

    ``kind`` is ``scan`` (segment it) or ``segmentation`` (export it as it is).
    ``affine`` overrides the file's own (index to LPS mm). ``out`` takes the
    results, ``work`` whatever is temporary. ``reuse`` is a cached ``.seg.nrrd``
    to take instead of running the engine, ``keep`` where the cache wants one.
    ``had_gpus`` GPUs were there before: one that is missing now is gone.
    ``made`` is a ``.seg.nrrd`` that another step made of this very scan, with
    ``made_facts`` where the file itself has none; with ``only`` = ``segmentation``
    it is what this step is to write, and all. ``given`` are result files, by
    kind, that another program has written.
    """

    kind: str
    path: Path
    stem: str
    out: Path
    work: Path
    options: dict[str, Any]
    label: str = ""
    modality: str = ""
    affine: Affine | None = None
    labels: Path | None = None
    reuse: Path | None = None
    keep: Path | None = None
    made: Path | None = None
    made_facts: dict[str, Any] = field(default_factory=dict)
    given: dict[str, Path] = field(default_factory=dict)
    only: str = ""
    source: dict[str, Any] = field(default_factory=dict)
    had_gpus: int = 0

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Case:
        """The case of a protocol message; raises ``request.invalid`` or ``options.*``."""
        missing = [key for key in ("kind", "path", "stem", "out", "work") if not plain.get(key)]
        if missing or plain["kind"] not in ("scan", "segmentation"):
            raise PipelineError("request.invalid", f"a case message lacks {missing or 'a known kind'}")
        stem = str(plain["stem"])
        if stem != Path(stem).name or stem in (".", "..") or "\\" in stem:
            raise PipelineError("request.invalid", f"{stem!r} cannot be the name of result files")
        return cls(
            kind=plain["kind"],
            path=Path(plain["path"]),
            stem=stem,
            out=Path(plain["out"]),
            work=Path(plain["work"]),
            options=complete_options(plain.get("options") or {}),
            label=_readable(str(plain.get("label") or stem)),
            modality=str(plain.get("modality") or ""),
            affine=_affine(plain.get("affine")),
            labels=_path(plain.get("labels")),
            reuse=_path(plain.get("reuse")),
            keep=_path(plain.get("keep")),
            made=_path(plain.get("made")),
            made_facts=dict(plain.get("made_facts") or {}),
            given={kind: Path(path) for kind, path in (plain.get("given") or {}).items()},
            only=str(plain.get("only") or ""),
            source=dict(plain.get("source") or {}),
            had_gpus=int(plain.get("had_gpus") or 0),
        )

    @property
    def runs_engine(self) -> bool:
        """Whether this step computes a segmentation."""
        return self.kind == "scan" and self.reuse is None and (self.made is None or bool(self.only))

    def file(self, ending: str) -> Path:
        """The result file with this ending."""
        return self.out / (self.stem + ending)


def complete_options(given: dict[str, Any]) -> dict[str, Any]:
    """Every case option with its value; formats always hold those that are never left out."""
    options = {spec.name: spec.default for spec in OPTIONS}
    options.update(parse_options(given, "case"))
    options["formats"] = [f for f in FORMATS if f in options["formats"] or f in ALWAYS]
    options["structures"] = list(options["structures"])
    return options


def _readable(text: str) -> str:
    """``text`` as UTF-8 can hold it: a file's name may have bytes that are none."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _path(value: Any) -> Path | None:
    return Path(value) if value else None


def _affine(rows: Any) -> Affine | None:
    if rows is None:
        return None
    if len(rows) != 4 or any(len(row) != 4 for row in rows):
        raise PipelineError("request.invalid", "the affine is not four rows of four numbers")
    first, second, third, fourth = (tuple(float(x) for x in row) for row in rows)
    return (first, second, third, fourth)  # type: ignore[return-value]


class Stopwatch:
    """Seconds by what was done, for the manifest."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def time(self, what: str) -> Iterator[None]:
        """Add the time spent in the block to ``what``."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[what] = round(self.seconds.get(what, 0.0) + time.perf_counter() - begin, 4)


def process_case(case: Case, report: Report) -> CaseResult:
    """Read, segment (or take what is there), make surfaces, write, verify.

    The files named in ``case.options["formats"]`` are in ``case.out`` afterwards,
    synced and verified, the manifest written last. Raises :class:`PipelineError`
    (``Cancelled`` among them); what was written until then is left to the caller.
    """
    from .export import Exporter
    from .segmentation_source import obtain

    watch = Stopwatch()
    case.out.mkdir(parents=True, exist_ok=True)
    case.work.mkdir(parents=True, exist_ok=True)
    if case.only:
        return _only_segmentation(case, report, watch)
    with watch.time("total"):
        found = obtain(case, report, watch)
        report.stage("exporting", "making surfaces")
        exporter = Exporter(case, found, watch)
        exporter.write(Portion(report, 0.0, 0.9))
        report.progress(0.9, "checking the files")
        with watch.time("verify"):
            exporter.verify(Portion(report, 0.9, 0.98))
    exporter.write_manifest()
    sync_folder(case.out)
    report.progress(1.0, "done")
    return exporter.result


def _only_segmentation(case: Case, report: Report, watch: Stopwatch) -> CaseResult:
    """As far as the ``.seg.nrrd`` that the next step, another program's, works on."""
    from .saved_segmentation import hand_over
    from .segmentation_source import obtain

    if case.only != "segmentation" or case.made is None:
        raise PipelineError("request.invalid", f"a case cannot be done as far as {case.only!r}")
    found = obtain(case, report, watch)
    hand_over(case, found, report, watch)
    grid = found.segmentation.grid
    return CaseResult(
        engine=found.engine, modality=found.modality, shape=grid.shape, spacing=grid.spacing,
        warnings=[], timings=watch.seconds, manifest_name="", cached=found.cached,
    )  # fmt: skip


__all__ = ["Case", "CaseResult", "Segmentation", "Stopwatch", "complete_options", "process_case", "seal"]
