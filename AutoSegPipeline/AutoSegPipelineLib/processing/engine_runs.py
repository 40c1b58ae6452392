"""The engines of one case, run one after the other; what they find become layers of one segmentation."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Mapping

from ..core.described_engines import shares
from ..core.engine_list import check_each_once, join, wanted_engines
from ..core.errors import Cancelled, EngineFailed, PipelineError
from ..core.progress import Report
from ..core.resolved import resolved
from ..core.segmentation import Segment, Segmentation
from .engine_facts import EngineFacts
from .engines import Engine, choose, describe, engines, version_of, weights_of
from .stage_progress import Portion
from .volume import Volume

if TYPE_CHECKING:
    import numpy

# What every engine says of its work; anything else is about that engine alone.
_COMMON = ("used", "timings", "modality", "modality_from")
_USED = ("engine", "task", "device", "weights")


@dataclass(frozen=True)
class EngineRun:
    """One engine's part of a case; ``options`` hold its own task and its share of the structures."""

    engine: Engine
    options: dict[str, object]


class NamedPortion(Portion):
    """A portion of a stage whose messages, log lines too, begin with an engine's name."""

    def __init__(self, report: Report, start: float, end: float, name: str) -> None:
        super().__init__(report, start, end)
        self._name = name

    def progress(self, fraction: float, message: str = "") -> None:
        """See :class:`.stage_progress.Portion`."""
        super().progress(fraction, f"{self._name}: {message}" if message else "")

    def log(self, text: str, level: str = "info") -> None:
        """See :class:`.stage_progress.Portion`."""
        super().log(f"{self._name}: {text}", level)


def plan_runs(options: Mapping[str, object], modality: str, label: str) -> list[EngineRun]:
    """The engines for ``options``, each checked; nothing heavy begins.

    Raises ``options.invalid``, ``engine.unknown``, ``engine.not_available``, ``engine.wrong_modality``;
    of several also ``engine.task_unknown`` and ``engine.structure_unknown``.
    """
    runs = [
        EngineRun(choose(one.name, modality, label), one.options(options))
        for one in wanted_engines(options.get("engine"))
    ]
    check_each_once([run.engine.name for run in runs])
    if len(runs) == 1:
        return runs
    described = [(describe(run.engine, weights=False), run.options) for run in runs]
    found = zip(runs, shares(described, modality))
    return [
        EngineRun(run.engine, {**run.options, "structures": share})
        for run, share in found
        if share is not None
    ]


def run_engines(runs: list[EngineRun], volume: Volume, had_gpus: int, report: Report) -> Segmentation:
    """What all of them find in ``volume``; ``facts["engines"]`` says of each engine what it did.

    Raises what an engine raises; of several the message begins with the engine's name, and the case ends.
    """
    found: list[Segmentation] = []
    facts: list[EngineFacts] = []
    for number, run in enumerate(runs):
        part = report
        if len(runs) > 1:
            start, end = number / len(runs), (number + 1) / len(runs)
            part = NamedPortion(report, start, end, run.engine.name)
            part.progress(0.0, "begins")
        began, weights = time.monotonic(), _weights_before(run, volume.modality)
        try:
            segmentation = run.engine.segment(volume, {**run.options, "had_gpus": had_gpus}, part)
        except Cancelled:
            raise
        except PipelineError as error:
            if len(runs) > 1:
                error.message = f"{run.engine.name}: {error.message}"
            raise
        except (MemoryError, OSError):
            raise
        except Exception as error:
            if len(runs) == 1:
                raise
            text = f"{run.engine.name}: {type(error).__name__}: {error}"
            raise EngineFailed("engine.failed", text[:2000]) from error
        report.check()
        if segmentation.grid != volume.grid:
            raise EngineFailed("engine.failed", f"{run.engine.name} answered on another grid than the scan's")
        facts.append(_facts(run, segmentation, volume.modality, weights, time.monotonic() - began))
        found.append(segmentation)
        volume = replace(volume, modality=volume.modality or str(segmentation.facts.get("modality") or ""))
    if len(runs) == 1:
        found[0].facts["engines"] = facts
        return found[0]
    return _merged(runs, found, facts)


def _resolved(run: EngineRun, modality: str) -> dict[str, str]:
    described = {"engines": [describe(run.engine, weights=False)]}
    return resolved(described, {**run.options, "engine": run.engine.name}, modality)


def _weights_before(run: EngineRun, modality: str) -> dict[str, str]:
    """The hashes of the weights as the engine begins: they may be replaced while it works."""
    return weights_of(run.engine, _resolved(run, modality)["task"])


def _facts(
    run: EngineRun, segmentation: Segmentation, modality: str, before: Mapping[str, str], seconds: float
) -> EngineFacts:
    """What the manifest says of one engine; ``before`` are the weights that it began with."""
    used: Mapping[str, str] = segmentation.facts.get("used") or _resolved(run, modality)
    now = weights_of(run.engine, used["task"])
    # An engine that read its weights' hash along with them knows best.
    known = {**before, **segmentation.facts.pop("weights", {})}
    return {
        "name": run.engine.name,
        "version": version_of(run.engine),
        "task": used["task"],
        "device": used["device"],
        "seconds": round(seconds, 4),
        "weights": {task: known.get(task, sha) for task, sha in now.items()},
        "structures": [segment.name for segment in segmentation.segments],
        "facts": {
            **{key: value for key, value in used.items() if key not in _USED},
            **{key: value for key, value in segmentation.facts.items() if key not in _COMMON},
        },
    }


def _merged(runs: list[EngineRun], found: list[Segmentation], facts: list[EngineFacts]) -> Segmentation:
    """One table and all layers, in the engines' order: among equal priorities the later engine is on top.

    A structure that an earlier engine has found under the same name gets its engine's name before its own.
    """
    layers: list[numpy.ndarray] = []
    segments: list[Segment] = []
    warnings: list[dict[str, str]] = []
    timings: dict[str, float] = {}
    for run, one, fact in zip(runs, found, facts):
        name = run.engine.name
        taken = {segment.name for segment in segments}
        own = [_renamed(segment, name, taken, len(layers)) for segment in one.segments]
        fact["structures"] = [segment.name for segment in own]
        segments += own
        layers += one.layers
        warnings += [{**warning, "message": f"{name}: {warning['message']}"} for warning in one.warnings]
        timings[f"segment with {name}"] = fact["seconds"]
        for part, seconds in one.facts.get("timings", {}).items():
            timings[part] = timings.get(part, 0.0) + seconds
    used = {"task": join([one["task"] for one in facts]), "device": join([one["device"] for one in facts])}
    answer: dict[str, object] = {"engines": facts, "timings": timings}
    answer["used"] = {"engine": join([run.engine.name for run in runs]), **used}
    for key in ("modality", "modality_from"):
        said = [one.facts[key] for one in found if one.facts.get(key)]
        if said:
            answer[key] = said[0]
    return Segmentation(found[0].grid, layers, tuple(segments), warnings, answer)


def _renamed(segment: Segment, engine: str, taken: set[str], first: int) -> Segment:
    layer = segment.layer + first
    if segment.name not in taken:
        return replace(segment, layer=layer)
    return replace(segment, layer=layer, name=f"{engine}_{segment.name}", title=f"{segment.title} ({engine})")


def same_weights(facts: list[EngineFacts]) -> bool:
    """Whether the weights that these facts name are those that lie here now."""
    known = engines()
    for one in facts:
        if any(one.get("weights", {}).values()):
            engine = known.get(str(one["name"]))
            if engine is None or weights_of(engine, str(one["task"])) != one["weights"]:
                return False
    return True
