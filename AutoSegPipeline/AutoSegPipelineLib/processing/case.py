"""What a worker is asked to do with one staged case."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..core import result_formats
from ..core.errors import PipelineError
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
    ``made`` is a ``.seg.nrrd`` that another step made of this very scan, with
    ``made_facts`` where the file itself has none; with ``only`` = ``segmentation``
    it is what this step is to write, and all. ``given`` are result files, by
    kind, that another program has written. ``labels`` is the table of names that
    the caller gave, ``table`` the one that lay beside the label map.
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
    made: Path | None = None
    made_facts: dict[str, object] = field(default_factory=dict)
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
            table=_path(plain.get("table")),
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


def complete_options(given: dict[str, object]) -> dict[str, object]:
    """Every case option with its value; formats always hold those that are never left out."""
    options = {spec.name: spec.default for spec in OPTIONS}
    options.update(parse_options(given, "case"))
    options["formats"] = result_formats.complete(options["formats"])
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
