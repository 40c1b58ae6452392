"""What a worker is asked to do with one staged case."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..core import result_formats
from ..core.errors import PipelineError
from ..core.messages.reader import ProtocolError, read
from ..core.messages.worker_messages import CaseOrder, CaseSource
from ..core.segmentation import Affine
from ..core.specs import OPTIONS, parse_options

__all__ = ["Case", "complete_options"]


@dataclass(frozen=True)
class Case:
    """What ``process_case`` is asked to do; the worker protocol's ``case`` message.

    ``kind`` is ``scan`` (segment it) or ``segmentation`` (export it as it is).
    ``affine`` overrides the file's own (index to LPS mm). ``out`` takes the
    results, ``work`` whatever is temporary. ``reuse`` is a cached ``.seg.nrrd``
    to take instead of running the engine, ``keep`` where the cache wants one.
    ``had_gpus`` GPUs were there before: one that is missing now is gone.
    ``segmented`` is a ``.seg.nrrd`` that another step wrote of this very scan, with
    ``segmented_facts`` where the file itself has none; with ``only`` = ``segmentation``
    it is what this step is to write, and all. ``given`` are result files, by
    kind, that another program has written, and ``left_out`` the structures that it
    found no surface of, by its names. ``labels`` is the table of names that
    the caller gave, ``table`` the one that lay beside the label map. ``channels`` are further images of
    the same scan.
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
    table: Path | None = None
    reuse: Path | None = None
    keep: Path | None = None
    segmented: Path | None = None
    segmented_facts: dict[str, object] = field(default_factory=dict)
    given: dict[str, Path] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    only: str = ""
    source: CaseSource = field(default_factory=CaseSource)
    had_gpus: int = 0
    channels: tuple[Path, ...] = ()

    @classmethod
    def from_dict(cls, message: object) -> Case:
        """The case of a protocol message; raises ``request.invalid`` or ``options.*``."""
        try:
            return cls.from_order(read(CaseOrder, message, "case"))
        except ProtocolError as error:
            raise PipelineError("request.invalid", error.message) from None

    @classmethod
    def from_order(cls, order: CaseOrder) -> Case:
        """The same of a message that was read already."""
        if order.kind not in ("scan", "segmentation"):
            raise PipelineError("request.invalid", f"a case cannot be {order.kind!r}")
        empty = [name for name in ("path", "out", "work") if not getattr(order, name)]
        if empty:
            raise PipelineError("request.invalid", f"a case message lacks {', '.join(empty)}")
        stem = order.stem
        if not stem or stem != Path(stem).name or stem in (".", "..") or "\\" in stem:
            raise PipelineError("request.invalid", f"{stem!r} cannot be the name of result files")
        return cls(
            kind=order.kind,
            path=Path(order.path),
            stem=stem,
            out=Path(order.out),
            work=Path(order.work),
            options=complete_options(order.options),
            label=_readable(order.label or stem),
            modality=order.modality or "",
            affine=_affine(order.affine),
            labels=_path(order.labels),
            table=_path(order.table),
            reuse=_path(order.reuse),
            keep=_path(order.keep),
            segmented=_path(order.segmented),
            segmented_facts=order.segmented_facts,
            given={kind: Path(path) for kind, path in order.given.items()},
            left_out=tuple(order.left_out),
            only=order.only,
            source=order.source or CaseSource(),
            had_gpus=order.had_gpus,
            channels=tuple(Path(path) for path in order.channels),
        )

    @property
    def runs_engine(self) -> bool:
        """Whether this step computes a segmentation."""
        return self.kind == "scan" and self.reuse is None and (self.segmented is None or bool(self.only))

    def file(self, ending: str) -> Path:
        """The result file with this ending."""
        return self.out / (self.stem + ending)


def complete_options(given: dict[str, object]) -> dict[str, object]:
    """Every case option with its value; formats always hold those that are never left out."""
    options = {spec.name: spec.default for spec in OPTIONS}
    options.update(parse_options(given, "case", True))
    options["formats"] = result_formats.complete(options["formats"])
    options["structures"] = list(options["structures"])
    return options


def _readable(text: str) -> str:
    """``text`` as UTF-8 can hold it: a file's name may have bytes that are none."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _path(value: str | None) -> Path | None:
    return Path(value) if value else None


def _affine(rows: list[list[float]] | None) -> Affine | None:
    if rows is None:
        return None
    if len(rows) != 4 or any(len(row) != 4 for row in rows):
        raise PipelineError("request.invalid", "the affine is not four rows of four numbers")
    first, second, third, fourth = (tuple(float(x) for x in row) for row in rows)
    return (first, second, third, fourth)  # type: ignore[return-value]
