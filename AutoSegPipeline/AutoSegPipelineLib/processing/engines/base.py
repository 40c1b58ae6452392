"""What every segmentation engine offers to the rest of the pipeline."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Protocol

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
    """A segmentation engine. ``rank``: of those that work, `auto` takes the highest.

    ``version``, where an engine has it, changes with what its results look like. ``facts()``, where it
    has that, tells of this machine: ``gpus``, ``device`` (what ``auto`` becomes), ``licensed``.
    """

    name: str
    title: str

    @property
    def rank(self) -> int:
        """Of those that work, `auto` takes the highest; may depend on what lies on this machine."""

    def tasks(self) -> list[Task]:
        """The tasks it knows, the default one first."""

    def check(self) -> Check:
        """Whether it can work on this machine; cheap enough for every start."""

    def segment(self, volume: Volume, options: dict[str, object], report: Report) -> Segmentation:
        """Segment ``volume``.

        ``options`` are resolved case options (``task``, ``quality``,
        ``structures``, ``device``). Raises
        :class:`~AutoSegPipelineLib.core.errors.EngineFailed` for a scan that
        it cannot do and :class:`~AutoSegPipelineLib.core.errors.Cancelled`.
        """


def version_of(engine: Engine) -> str:
    """The version that an engine states; the built-in ones have this library's."""
    return str(getattr(engine, "version", "") or __version__)


def modalities(engine: Engine) -> set[str]:
    """The modalities that some task of ``engine`` takes; an empty name means any."""
    return {task.modality for task in engine.tasks()}
