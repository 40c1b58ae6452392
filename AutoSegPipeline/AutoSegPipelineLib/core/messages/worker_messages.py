"""What the pipeline and a worker say about a case."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Dict, List, Mapping, Optional, Tuple, TypedDict

from .child_messages import Message


@dataclass(frozen=True)
class RunCase(Message):
    """To a worker: process this case, a :class:`CaseOrder`."""

    TYPE: ClassVar[str] = "case"
    PAYLOAD: ClassVar[str] = "case"

    case: Dict[str, object]


@dataclass(frozen=True)
class Guard(Message):
    """To a worker: end the process ``pid`` when the pipeline is gone."""

    TYPE: ClassVar[str] = "guard"

    pid: int


@dataclass(frozen=True)
class CaseSource:
    """Where a case came from, for its manifest."""

    job: str = ""
    attempt: int = 0
    format: str = ""
    sha256: str = ""
    facts: Dict[str, object] = field(default_factory=dict)
    warnings: List[Dict[str, str]] = field(default_factory=list)
    cached_from: Optional[str] = None
    ladder: List[str] = field(default_factory=list)
    version: int = 1
    supersedes: Optional[str] = None


@dataclass(frozen=True)
class CaseOrder:
    """A staged case and what to do with it.

    ``kind`` is ``scan`` (segment it) or ``segmentation`` (export it as it is). ``affine``
    overrides the file's own (index to LPS mm). ``out`` takes the results, ``work`` whatever is
    temporary. ``reuse`` is a cached ``.seg.nrrd`` to take instead of running the engine, ``keep``
    where the cache wants one. ``had_gpus`` GPUs were there before: one that is missing now is gone.
    ``labels`` is the table of names that the caller gave, ``table`` the one that lay beside the file.
    ``segmented`` is a ``.seg.nrrd`` that another step wrote of this very scan, with ``segmented_facts`` where
    the file itself has none; with ``only`` = ``segmentation`` it is what this step is to write, and
    nothing else. ``given`` are result files, by kind, that another program has written, and ``left_out`` the
    structures that it found no surface of, by its names. ``channels``
    are further images of the same scan, in their order, for models that take several.
    """

    kind: str
    path: str
    stem: str
    out: str
    work: str
    options: Dict[str, object] = field(default_factory=dict)
    label: str = ""
    modality: Optional[str] = None
    affine: Optional[List[List[float]]] = None
    labels: Optional[str] = None
    table: Optional[str] = None
    reuse: Optional[str] = None
    keep: Optional[str] = None
    segmented: Optional[str] = None
    segmented_facts: Dict[str, object] = field(default_factory=dict)
    given: Dict[str, str] = field(default_factory=dict)
    left_out: List[str] = field(default_factory=list)
    only: str = ""
    source: Optional[CaseSource] = None
    had_gpus: int = 0
    channels: List[str] = field(default_factory=list)


@dataclass(frozen=True)
class Output:
    """One result file: its ``kind`` (a word of ``--formats``), bare ``name``, bytes and SHA-256."""

    kind: str
    name: str
    size: int
    sha256: str


@dataclass
class CaseResult:
    """A processed case: the worker's answer. ``shape`` counts (i, j, k), ``spacing`` is in mm.

    ``used``: ``engine``, ``task`` and ``device`` as they were, whatever had been typed.
    """

    engine: str
    modality: str
    shape: Tuple[int, int, int]
    spacing: Tuple[float, float, float]
    outputs: List[Output] = field(default_factory=list)
    warnings: List[Dict[str, str]] = field(default_factory=list)
    timings: Dict[str, float] = field(default_factory=dict)
    manifest_name: str = ""
    cached: bool = False
    used: Dict[str, str] = field(default_factory=dict)


def used_texts(used: Mapping[str, object]) -> Dict[str, str]:
    """What the pipeline learns from: engine, task and device; the manifest holds the rest of it, too."""
    return {name: str(used[name]) for name in ("engine", "task", "device") if name in used}


class _Named(TypedDict):
    name: str


class TaskRow(_Named, total=False):
    """One task of an engine; the engine may say more of it."""

    title: str
    modality: str
    classes: List[str]
    qualities: List[str]
    licence: str
    default: bool
    weights: str


class EngineRow(_Named, total=False):
    """An engine on this machine; it may say more of itself (devices, weights)."""

    title: str
    version: str
    ok: bool
    auto: bool
    missing: List[str]
    note: str
    tasks: List[TaskRow]


class Described(TypedDict):
    """A worker's answer to ``describe``."""

    engines: List[EngineRow]
