"""How the methods of two extensions are called, whatever their version; no Slicer is needed here."""

from __future__ import annotations

import inspect
import re
from typing import Any, Callable, Mapping

from ..core.engine_list import wanted_engines
from ..core.errors import EngineFailed, PipelineError
from ..core.specs import did_you_mean

_WORDS = {"normal": "normal", "fast": "fast", "fastest": "faster"}  # ours -> the extension's
_MODEL = re.compile(r"Model \d+/\d+: (.*)")
_NO_SURFACE = "empty model"
_BAR = re.compile(r"(\d{1,3})%\|")
_MEMORY = ("out of memory", "memoryerror", "cannot allocate memory", "not enough memory")
_LICENCE = ("license", "licence")
_NO_GPU = "no gpu detected"
_KILLED = (-9, 137)


def call_process(
    process: Callable[..., object], volume: object, segmentation: object, request: dict[str, Any]
) -> list[str]:
    """``TotalSegmentatorLogic().process`` of any version; sentences about what it could not be asked.

    ``request``: ``quality`` (ours), ``cpu``, ``task``, ``subset`` (list or None). Versions
    take ``quality`` (since 2025), ``fast`` before; ``cpu`` and ``interactive`` came in 2024.
    """
    known = inspect.signature(process).parameters
    quality, sentences = request["quality"], []
    given: dict[str, object] = {"task": request["task"], "interactive": False}
    if request["subset"]:
        given["subset"] = request["subset"]
    if request["cpu"]:
        given["cpu"] = True
    if "quality" in known:
        given["quality"] = _WORDS[quality]
    else:
        given["fast"] = quality != "normal"
        if quality == "fastest":
            sentences.append(
                "This version of the TotalSegmentator extension has no fastest quality; done with fast."
            )
    for name in [name for name in given if name not in known]:
        value = given.pop(name)
        if name != "interactive":
            sentences.append(
                f"This version of the TotalSegmentator extension cannot be asked for {name} {value}."
            )
    process(volume, segmentation, **given)
    return sentences


def used_of(process: Callable[..., object], request: dict[str, object]) -> dict[str, str]:
    """What :func:`call_process` comes to, in the words of the other engines; a GPU unless told not to."""
    known = inspect.signature(process).parameters
    quality = "fast" if request["quality"] == "fastest" and "quality" not in known else request["quality"]
    device = "cpu" if request["cpu"] and "cpu" in known else "gpu"
    return {"engine": "slicer", "task": f"{request['task']}:{quality}", "device": device}


def call_export(export: Callable[..., object], item: int, folder: str, reduction: float) -> None:
    """``OpenAnatomyExportLogic().exportModel`` of any version: only the order of arguments changed."""
    export(inputItem=item, outputFolder=folder, reductionFactor=reduction, outputFormat="glTF")


def qualities_of(task: dict[str, Any]) -> tuple[str, ...]:
    """Our words for the qualities of one row of the extension's table of tasks, old or new."""
    if "qualityModes" in task:
        return tuple(ours for ours, theirs in _WORDS.items() if theirs in task["qualityModes"])
    return ("normal", "fast") if task.get("supportsFast") else ("normal",)


def modality_of(name: str, task: dict[str, Any]) -> str:
    """CT or MR; versions before 2025 say it in the task's name only."""
    stated = task.get("modalities") or []
    return str(stated[0]) if stated else "MR" if name.endswith("_mr") else "CT"


def choose_task(
    tasks: dict[str, dict[str, object]], options: Mapping[str, object], modality: str
) -> tuple[str, str]:
    """The extension's task for these options, and a sentence where it is not the one that was asked for.

    Raises ``engine.task_unknown``, ``engine.wrong_modality``, ``engine.quality_unknown``.
    """
    asked = str(wanted_engines(options.get("engine"))[0].options(options).get("task") or "").strip()
    name = asked or ("total_mr" if modality == "MR" and "total_mr" in tasks else "total")
    if name not in tasks:
        raise EngineFailed(
            "engine.task_unknown", f"the extension has no task {name!r}{did_you_mean(name, tasks)}"
        )
    sentence = ""
    takes = modality_of(name, tasks[name])
    if modality and takes != modality:
        twin = f"{name}_mr" if modality == "MR" else name[:-3] if name.endswith("_mr") else ""
        if twin not in tasks or options.get("modality_mismatch") == "refuse":
            raise EngineFailed("engine.wrong_modality", f"task {name} takes {takes}, and this is {modality}")
        sentence, name = f"Task {name} takes {takes}; done with {twin}, because this is {modality}.", twin
    quality = str(options.get("quality") or "normal")
    if quality not in qualities_of(tasks[name]):
        raise EngineFailed(
            "engine.quality_unknown", f"task {name} has no quality {quality!r} in the extension"
        )
    return name, sentence


def subset_of(task: str, options: Mapping[str, object]) -> list[str] | None:
    """The structures that the package itself can be restricted to; other tasks find all of theirs."""
    given = options.get("structures")
    names = [str(name) for name in given] if isinstance(given, (list, tuple)) else []
    return names if names and task in ("total", "total_mr") else None


def wants_cpu(options: Mapping[str, object]) -> bool:
    """Whether the case is to keep off the GPU; raises ``engine.no_gpu`` for what cannot be asked."""
    device = str(options.get("device") or "auto").strip().casefold()
    if device in ("auto", "gpu"):
        return False
    if device == "cpu":
        return True
    raise EngineFailed(
        "engine.no_gpu", f"the extension cannot be sentence device {device!r}", "Choose auto, gpu or cpu."
    )


class Course:
    """How far TotalSegmentator is, from the progress bars that it draws: one for each network."""

    def __init__(self, networks: int) -> None:
        self._networks = max(networks, 1)
        self._done = 0
        self._last = 0
        self.without_gpu = False  # TotalSegmentator said that it found none

    def hear(self, line: str) -> float | None:
        """0..1 after this line, or None where it says nothing of progress."""
        self.without_gpu = self.without_gpu or _NO_GPU in line.casefold()
        found = _BAR.search(line)
        if found is None:
            return None
        percent = min(int(found.group(1)), 100)
        if percent < self._last:
            self._done += 1
        self._last = percent
        done = min(self._done, self._networks - 1)
        return 0.98 * (done + percent / 100.0) / self._networks


class Models:
    """How far OpenAnatomy Export is, from what it logs of ``expected`` models, and which it left out."""

    def __init__(self, expected: int) -> None:
        self._expected = max(expected, 1)
        self._names: list[str] = []
        self.left_out: list[str] = []

    @property
    def fraction(self) -> float:
        """0..1"""
        return min(len(self._names) / self._expected, 1.0)

    def hear(self, line: str) -> None:
        """Take in one line."""
        found = _MODEL.match(line)
        if found is not None:
            self._names.append(found.group(1))
        elif self._names and _NO_SURFACE in line.casefold():
            self.left_out.append(self._names[-1])


def networks_of(task: str, quality: str) -> int:
    """How many networks a task runs one after the other."""
    return 5 if task == "total" and quality == "normal" else 1


def translate(code: int, tail: list[str]) -> PipelineError:
    """What a console process' exit code and last lines mean."""
    text = "\n".join(tail).casefold()
    last = next((line for line in reversed(tail) if line.strip()), "it said nothing")
    message = f"TotalSegmentator ended with exit code {code}: {last.strip()[:500]}"
    if code in _KILLED or any(word in text for word in _MEMORY):
        return EngineFailed("engine.no_memory", message)
    if any(word in text for word in _LICENCE):
        return EngineFailed("engine.licence_needed", message)
    return EngineFailed("engine.failed", message, exit_code=code, log_tail="\n".join(tail))
