"""Engines and exporters that work in the pipeline's own process, because the program around it has them.

3D Slicer has: its extensions need its scene. What it brings is an :class:`HostSteps`;
outside Slicer there is none, and an option that asks for one is refused before it is queued.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Mapping, Protocol

from ...core.engine_list import host_engine
from ...core.errors import PipelineError
from ...core.messages.worker_messages import CaseOrder, EngineRow
from ...core.progress import Report

EXPORTERS = ("openanatomy",)

Started = Callable[[int], None]


@dataclass(frozen=True)
class Exported:
    """A ``.gltf``, and the structures that its program found no surface of, by its names."""

    path: Path
    left_out: tuple[str, ...] = ()


class HostSteps(Protocol):
    """What the pipeline needs of its host; tests hand in a fake with plain methods.

    :meth:`segment` and :meth:`export` return when they are done and serve the event
    loop meanwhile; one of them runs at a time. Both raise
    :class:`~...core.errors.PipelineError`, ``Cancelled`` after :meth:`stop`.
    """

    @property
    def running(self) -> bool:
        """Whether one of the two is under way."""

    def describe(self, others: list[EngineRow]) -> list[EngineRow]:
        """Its engines as a worker describes its own (``others``, which may lend names of structures)."""

    def refusal(self, options: Mapping[str, object]) -> PipelineError | None:
        """Why these resolved options cannot be done here, or None."""

    def segment(self, case: CaseOrder, target: Path, report: Report, started: Started) -> dict[str, object]:
        """Write the ``.seg.nrrd`` ``target`` of a case; facts for the manifest.

        ``started(pid)`` is called for a process that must not outlive this one.
        """

    def export(self, case: CaseOrder, segmented: Path, folder: Path, report: Report) -> Exported:
        """Write the segmentation ``segmented`` as one ``.gltf`` somewhere below ``folder``."""

    def stop(self) -> None:
        """End what runs at once; its call raises ``Cancelled`` when the loop comes back to it."""


def refusal(host: HostSteps | None, options: Mapping[str, object]) -> PipelineError | None:
    """Why this pipeline cannot do what ``options`` ask of its host; None when it can or nothing is asked."""
    if not needs_host(options):
        return None
    if host is not None:
        return host.refusal(options)
    asked = [f"{name} {options[name]}" for name, _ in _asked(options)]
    return PipelineError("engine.needs_slicer", f"{' and '.join(asked)}: only a pipeline in 3D Slicer has it")


def needs_host(options: Mapping[str, object]) -> bool:
    """Whether a case with these options does a part in the pipeline's process."""
    return bool(_asked(options))


def _asked(options: Mapping[str, object]) -> list[tuple[str, str]]:
    exporter = str(options.get("exporter") or "").strip().casefold()
    found = [("engine", host_engine(options)), ("exporter", exporter if exporter in EXPORTERS else "")]
    return [(name, word) for name, word in found if word]


def steps_of(case: CaseOrder) -> list[str]:
    """The steps of a case in their order: ``segment`` and ``export`` in this process,
    ``first`` (only as far as the segmentation) and ``last`` in a worker.
    """
    asked = dict(_asked(case.options))
    steps = []
    if "engine" in asked and case.kind == "scan" and not case.reuse:
        steps.append("segment")
    if "exporter" in asked:
        steps += [] if steps else ["first"]
        steps.append("export")
    return [*steps, "last"]
