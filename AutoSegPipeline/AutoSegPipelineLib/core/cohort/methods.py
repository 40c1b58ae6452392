"""A paragraph for the methods section of a paper, and what it cites, from the manifests of its cases.

It says what the manifests say and nothing else; cases that were made in different ways are counted apart.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Iterable

from ..engines import BY_NAME
from ..errors import PipelineError
from ..job import Job
from ..result_formats import MANIFEST
from .citations import OF_LIBRARY, WORKS, Citation, this_program
from .read_case import NOT_OURS, unreadable

PROGRAM = "autosegpipeline"
_LIBRARIES = {"numpy": "NumPy", "scipy": "SciPy", "SimpleITK": "SimpleITK", "vtk": "VTK"}


@dataclass
class Methods:
    """``paragraph`` is English prose with the keys of ``bibtex`` in brackets."""

    cases: int
    paragraph: str
    bibtex: str
    weights: dict[str, str] = field(default_factory=dict)  # task -> hash

    def to_dict(self) -> dict[str, object]:
        return {
            "cases": self.cases, "paragraph": self.paragraph, "bibtex": self.bibtex, "weights": self.weights
        }  # fmt: skip


class _Tally:
    """What the manifests have in common, counted."""

    def __init__(self) -> None:
        self.cases = 0
        self.modalities: Counter[str] = Counter()
        self.ways: Counter[tuple[str, str, str, str]] = Counter()  # engine, version, task, quality
        self.versions: dict[str, Counter[str]] = {}
        self.weights: dict[str, set[str]] = {}
        self.exported = self.warned = 0

    def add(self, manifest: Any) -> None:
        self.cases += 1
        self.modalities[str(manifest["input"].get("modality") or "scans of unknown modality")] += 1
        self.exported += manifest["kind"] == "segmentation"
        self.warned += bool(manifest.get("warnings"))
        quality = str(manifest["options"].get("quality") or "normal")
        engines = manifest.get("engines") or [{**manifest["engine"], "task": _task(manifest["engine"])}]
        for one in engines if manifest["kind"] != "segmentation" else ():
            task = str(one.get("task") or "")
            self.ways[str(one["name"]), str(one.get("version") or ""), task, quality] += 1
            for name, sha in (one.get("weights") or {}).items():
                self.weights.setdefault(str(name), set()).add(str(sha))
        for name, version in manifest["versions"].items():
            self.versions.setdefault(name, Counter())[str(version)] += 1


def manifest_of(job: Job, results: Path) -> Path:
    """Where the manifest of ``job`` is; ``results`` is the home's folder.

    Raises ``request.wrong_state`` where it has no results.
    """
    if not job.has_result:
        raise PipelineError("request.wrong_state", f"job {job.id[:8]} is {job.state}; it has no results")
    return job.folder(results) / f"{job.name}{MANIFEST}"


def methods_of(manifests: Iterable[Path]) -> Methods:
    """The paragraph for the cases whose manifests these are.

    Raises ``table.unreadable`` where one is damaged, ``request.invalid`` where there is none.
    """
    tally = _Tally()
    for path in manifests:
        try:
            tally.add(json.loads(path.read_bytes()))
        except NOT_OURS as error:
            raise unreadable(path, error) from error
    if not tally.cases:
        raise PipelineError("request.invalid", "there is no finished case to write about")
    cited = _cited(tally)
    weights = {name: ", ".join(sorted(hashes)) for name, hashes in sorted(tally.weights.items())}
    return Methods(tally.cases, _paragraph(tally, cited), "\n".join(one.bibtex() for one in cited), weights)


def _paragraph(tally: _Tally, cited: list[Citation]) -> str:
    program = _versions(tally, PROGRAM)
    kinds = _and([f"{count} {name}" for name, count in sorted(tally.modalities.items())])
    text = [
        f"{kinds} {'scan was' if tally.cases == 1 else 'scans were'} processed with AutoSegPipeline "
        f"{program} [{this_program('').key}] on Python {_versions(tally, 'python')}."
    ]
    text += [_way(tally, way, count) for way, count in sorted(tally.ways.items())]
    if tally.exported:
        many = "segmentation was" if tally.exported == 1 else "segmentations were"
        text.append(f"{tally.exported:,} existing {many} measured and exported.")
    known = {name: sha for name, hashes in tally.weights.items() for sha in hashes if sha}
    if known:
        text.append("The weights, by the first 12 digits of their SHA-256, were " + _and(
            [f"{name} ({sha[:12]})" for name, sha in sorted(known.items())]) + ".")  # fmt: skip
    libraries = [
        f"{title} {_versions(tally, name)} [{OF_LIBRARY[name].key}]"
        for name, title in _LIBRARIES.items() if name in tally.versions
    ]  # fmt: skip
    if libraries:
        text.append(f"Volumes, intensities and surfaces were computed with {_and(libraries)}.")
    if tally.warned:
        text.append(f"The program raised warnings in {_cases(tally.warned)}.")
    return " ".join(text)


def _way(tally: _Tally, way: tuple[str, str, str, str], count: int) -> str:
    engine, version, task, quality = way
    keys = ", ".join(one.key for one in _of_engine(engine, task))
    name = _title(engine) + (f" {version}" if version else "")
    done = "All cases were" if count == tally.cases else f"{_cases(count).capitalize()} were"
    if count == 1:
        done = "1 case was" if tally.cases > 1 else "It was"
    doing = f", task {task}" if task else ""
    return f"{done} segmented by {name}{doing}, quality {quality}{f' [{keys}]' if keys else ''}."


def _cited(tally: _Tally) -> list[Citation]:
    found = [this_program(_versions(tally, PROGRAM))]
    for engine, _, task, _ in sorted(tally.ways):
        found += _of_engine(engine, task)
    found += [one for name, one in OF_LIBRARY.items() if name in tally.versions]
    return list({one.key: one for one in found}.values())


def _of_engine(engine: str, task: str) -> list[Citation]:
    row = BY_NAME.get(engine)
    if row is None:
        return []
    mr = row.cites_mr if "_mr" in task else ()
    return [WORKS[key] for key in (*row.cites[:1], *mr, *row.cites[1:])]


def _title(engine: str) -> str:
    """What a paper calls it; a program that the administrator declared goes by its own name."""
    row = BY_NAME.get(engine)
    if row is None:
        return engine
    if not row.engine:
        return f"{row.extension} in 3D Slicer"
    return row.shown if row.trained else f"the engine {row.name} (no trained model)"


def _task(engine: Any) -> str:
    return str((engine.get("used") or {}).get("task") or "")


def _versions(tally: _Tally, name: str) -> str:
    found = tally.versions.get(name, Counter())
    if len(found) < 2:
        return next(iter(found), "of unknown version")
    return _and([f"{version} ({_cases(count)})" for version, count in sorted(found.items())])


def _cases(count: int) -> str:
    return f"{count:,} {'case' if count == 1 else 'cases'}"


def _and(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
