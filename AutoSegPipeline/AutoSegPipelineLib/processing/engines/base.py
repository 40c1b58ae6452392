"""What every segmentation engine offers to the rest of the pipeline."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Callable, Protocol, Sequence

from ... import __version__
from ...core.progress import Report
from ...core.segmentation import Segmentation
from ...core.specs import QUALITIES
from ..volume import Volume


@dataclass(frozen=True)
class Task:
    """One thing that an engine can do.

    ``modality`` is CT, MR or empty for any; ``classes`` are the machine names
    of the structures it can find; ``qualities`` those of
    :data:`~AutoSegPipelineLib.core.specs.QUALITIES` that differ in it;
    ``licence`` names a licence that the user needs, empty for none. ``titles`` are
    what people read for ``classes``, in the same order; ``aliases`` further names.
    """

    name: str
    title: str
    modality: str
    classes: tuple[str, ...]
    qualities: tuple[str, ...] = QUALITIES
    licence: str = ""
    default: bool = False
    titles: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """For messages and the command line; tuples become lists in JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Check:
    """Whether an engine can work here: ``missing`` names what it lacks, ``note`` tells more."""

    ok: bool
    missing: tuple[str, ...] = ()
    note: str = ""


class Engine(Protocol):
    """A segmentation engine. ``rank``: of those that work, `auto` takes the highest, and none below 0.

    What an engine may have besides: ``version`` changes with what its results look like.
    ``weights_hash(task)`` changes with the weights of a task, so that no result of others is reused; empty:
    nothing is known of them. ``facts()`` tells of this machine: ``gpus``, ``device`` (what ``auto``
    becomes), ``licensed``.
    """

    name: str
    title: str

    @property
    def rank(self) -> int:
        """Of those that work, `auto` takes the highest, never one below 0; may depend on this machine."""

    def tasks(self) -> list[Task]:
        """The tasks it knows, the default one first."""

    def check(self) -> Check:
        """Whether it can work on this machine; cheap enough for every start."""

    def segment(self, volume: Volume, options: dict[str, object], report: Report) -> Segmentation:
        """Segment ``volume``.

        ``options`` are resolved case options (``task``, ``quality``,
        ``structures``, ``device``). ``facts["intensity_ranges"]`` of the answer may name structures that a
        threshold separates from all around them, the first ones before the others: their lowest and their
        highest intensity, one of them None. Their surfaces then follow the scan. Raises
        :class:`~AutoSegPipelineLib.core.errors.EngineFailed` for a scan that
        it cannot do and :class:`~AutoSegPipelineLib.core.errors.Cancelled`.
        """


def version_of(engine: Engine) -> str:
    """The version that an engine states; the built-in ones have this library's."""
    return str(getattr(engine, "version", "") or __version__)


def weights_of(engine: Engine, tasks: str) -> dict[str, str]:
    """The hash of the weights of each task in ``tasks`` (``total:fast,body``); empty where not known."""
    names = dict.fromkeys(word.partition(":")[0].strip() for word in tasks.split(",") if word.strip())
    return {name: _weights(engine, name) for name in names}


def _weights(engine: Engine, task: str) -> str:
    find: Callable[[str], str] | None = getattr(engine, "weights_hash", None)
    return find(task) if find is not None else ""


def describe(engine: Engine, weights: bool = True) -> dict[str, object]:
    """What an engine is, can do and lacks on this machine: plain values for the worker's answer.

    Without ``weights`` the hash of each task's weights is left empty; reading them takes a moment.
    """
    check = engine.check()
    facts: Callable[[], dict[str, object]] | None = getattr(engine, "facts", None)
    return {
        "name": engine.name,
        "title": engine.title,
        "version": version_of(engine),
        "ok": check.ok,
        "auto": engine.rank >= 0,
        "missing": list(check.missing),
        "note": check.note,
        "tasks": [
            {**task.to_dict(), "weights": _weights(engine, task.name) if weights else ""}
            for task in engine.tasks()
        ],
        **(facts() if check.ok and facts is not None else {}),
    }


def structures_absent(titles: Sequence[str]) -> list[dict[str, str]]:
    """The warning about structures that were asked for and not found; none where nothing is absent."""
    if not titles:
        return []
    message = f"Not found in this scan: {', '.join(titles)}."
    return [{"code": "engine.structures_absent", "message": message}]


def modalities(engine: Engine) -> set[str]:
    """The modalities that some task of ``engine`` takes; an empty name means any."""
    return {task.modality for task in engine.tasks()}
