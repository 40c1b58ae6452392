"""What the workers' engines said of themselves, looked up for a case: engines, tasks, structures. Pure.

``described`` is a worker's answer to ``describe`` (``store.meta["describe"]``).
"""

from __future__ import annotations

from typing import Any, Iterable, Mapping, Sequence

from .engines import ELSEWHERE
from .errors import Refused
from .specs import did_you_mean
from .structure_names import machine_name

Plain = Mapping[str, Any]


def candidates(described: Plain, options: Plain, modality: str) -> list[Plain]:
    """The engines that may get the case; none where nothing can be said."""
    known = {str(engine["name"]): engine for engine in described.get("engines", ())}
    word = str(options.get("engine") or "").strip().casefold()
    if not known or word in ELSEWHERE:
        return []
    if word in ("", "auto"):
        return [
            engine
            for engine in known.values()
            if engine.get("ok") and engine.get("auto", True) and _takes(engine, modality)
        ]
    if word not in known:
        words = ", ".join(["auto", *known])
        raise Refused(
            "engine.unknown", f"there is no engine {word!r} (known: {words}){did_you_mean(word, known)}"
        )
    if not known[word].get("ok", True):
        lacks = ", ".join(known[word].get("missing") or ()) or str(known[word].get("note") or "")
        raise Refused("engine.not_available", f"engine {word} does not work here: {lacks}")
    return [known[word]]


def _takes(engine: Plain, modality: str) -> bool:
    found = {str(task.get("modality") or "") for task in engine.get("tasks", ())}
    return not modality or not found or "" in found or modality in found


def groups(engine: Plain, options: Plain, modality: str) -> Iterable[tuple[list[Plain], str]]:
    """For each task that is named the tasks that it may become, and the quality that it states itself."""
    may_switch = options.get("modality_mismatch", "switch") != "refuse"
    wanted = [word.strip() for word in str(options["task"]).split(",") if word.strip()]
    if not wanted:
        default = next((task for task in engine["tasks"] if task.get("default")), None)
        if default is not None:
            yield _for_modality(engine, default, modality, True), ""
    for word in wanted:
        name, _, quality = word.partition(":")
        yield _for_modality(engine, _task(engine, name.strip()), modality, may_switch), quality.strip()


def _task(engine: Plain, name: str) -> Plain:
    names: dict[str, Plain] = {}
    for task in engine["tasks"]:
        for known in (task["name"], *(task.get("aliases") or ())):
            names[str(known).casefold()] = task
    found = names.get(name.casefold())
    if found is None:
        raise Refused(
            "engine.task_unknown",
            f"the engine {engine['name']} has no task {name!r}{did_you_mean(name.casefold(), names)}",
        )
    return found


def _for_modality(engine: Plain, task: Plain, modality: str, may_switch: bool) -> list[Plain]:
    """``task``, or its twin for the other modality; both where the modality is not known."""
    own, twin = str(task.get("modality") or ""), _twin(engine, task)
    if not own or own == modality:
        return [task]
    if not modality:
        return [task] if twin is None else [task, twin]
    if twin is not None and may_switch:
        return [twin]
    raise Refused(
        "engine.wrong_modality",
        f"task {task['name']} of the engine {engine['name']} is for {own}, and the scan is {modality}",
        None if twin is None else f"Choose task {twin['name']}, or allow it with modality_mismatch=switch.",
    )


def _twin(engine: Plain, task: Plain) -> Plain | None:
    """The task that finds the same in the other modality: ``total`` and ``total_mr``."""
    name = str(task["name"])
    other = name[: -len("_mr")] if name.endswith("_mr") else name + "_mr"
    found = next((one for one in engine["tasks"] if one["name"] == other), None)
    return found if found is not None and found.get("modality") != task.get("modality") else None


def groups_or_all(engine: Plain, options: Plain, modality: str) -> list[tuple[list[Plain], str]]:
    """The same; every task in one group where the option ``task`` is still open."""
    if options.get("task") is None:
        return [(list(engine["tasks"]), "")]
    return list(groups(engine, options, modality))


def names_of(tasks: Sequence[Plain]) -> dict[str, set[str]]:
    """What people may write for a class -> the classes that it means."""
    names: dict[str, set[str]] = {}
    for task in tasks:
        classes = [str(one) for one in task.get("classes") or ()]
        titles = [machine_name(str(one)) for one in task.get("titles") or ()]
        for word, name in [(name.casefold(), name) for name in classes] + list(zip(titles, classes)):
            names.setdefault(word, set()).add(name)
    return names


def meant(names: Mapping[str, set[str]], word: object) -> set[str]:
    return names.get(str(word).strip().casefold()) or names.get(machine_name(str(word))) or set()


def no_structure(message: str, word: object, names: Iterable[str]) -> Refused:
    return Refused("engine.structure_unknown", message + did_you_mean(str(word).casefold(), names))


def shares(parts: Sequence[tuple[Plain, Plain]], modality: str) -> list[list[str] | None]:
    """Which of the wanted structures each engine of a case is asked for; None: nothing, it need not run.

    ``parts`` are the engines with the options of each. A structure that no engine names goes to those
    that name their structures only when they run; without one it is ``engine.structure_unknown``.
    """
    wanted = list(parts[0][1].get("structures") or ())
    if not wanted or len(parts) == 1:
        return [wanted for _ in parts]
    known = []
    for engine, options in parts:
        found = groups_or_all(engine, options, modality) if engine.get("tasks") else []
        known.append(names_of([task for group, _ in found for task in group]))
    answer: list[list[str]] = [[] for _ in parts]
    for word in wanted:
        owners = [n for n, names in enumerate(known) if meant(names, word)]
        owners = owners or [n for n, names in enumerate(known) if not names]
        if not owners:
            names = " and ".join(str(engine["name"]) for engine, _ in parts)
            every = [name for one in known for name in one]
            raise no_structure(f"none of {names} has a structure {word!r}", word, every)
        for n in owners:
            answer[n].append(str(word))
    return [share or None for share in answer]
