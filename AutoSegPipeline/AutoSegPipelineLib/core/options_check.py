"""Whether what a case asks for exists, by what the workers' engines said of themselves. Pure.

``described`` is a worker's answer to ``describe`` (``store.meta["describe"]``). The worker checks
again and has the last word; this is for telling a mistake at the door and not hours later.
"""

from __future__ import annotations

from typing import Any, Iterable, Mapping, Sequence

from .engines import ELSEWHERE
from .errors import PipelineError, Refused
from .specs import QUALITIES, did_you_mean
from .structure_names import machine_name

Plain = Mapping[str, Any]

# What a person may mend while the pipeline runs: an old description proves nothing.
VOLATILE = ("engine.licence_needed", "engine.not_available")


def check(described: Plain, options: Plain, modality: str = "") -> None:
    """Raise the :class:`Refused` that ``options`` deserve on a scan of ``modality`` (empty: not known).

    An option that is not there may still get any value, from a rule or the settings: only what is
    wrong with every value is an error. Codes: ``engine.unknown``, ``.not_available``,
    ``.task_unknown``, ``.structure_unknown``, ``.quality_unknown``, ``.wrong_modality``,
    ``.licence_needed``.
    """
    candidates = _candidates(described, options, modality)
    errors = []
    for engine in candidates:
        try:
            _check_engine(engine, options, modality)
            return
        except Refused as error:
            errors.append(error)
    if errors:
        raise next((error for error in errors if "did you mean" in error.message), errors[0])


def _candidates(described: Plain, options: Plain, modality: str) -> list[Plain]:
    """The engines that may get the case; none where nothing can be said."""
    known = {str(engine["name"]): engine for engine in described.get("engines", ())}
    word = str(options.get("engine") or "").strip().casefold()
    if not known or word in ELSEWHERE:
        return []
    if word in ("", "auto"):
        return [engine for engine in known.values() if engine.get("ok") and _takes(engine, modality)]
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


def _check_engine(engine: Plain, options: Plain, modality: str) -> None:
    if not engine.get("tasks"):
        return
    name = str(engine["name"])
    if options.get("task") is None:
        groups = [(list(engine["tasks"]), "")]
    else:
        groups = list(_groups(engine, options, modality))
    wanted = options.get("structures") or ()
    chosen = _structures(name, [task for group, _ in groups for task in group], wanted)
    for group, own in groups:
        if wanted and chosen and not any(chosen & set(task.get("classes") or ()) for task in group):
            continue  # nothing of it was asked for: it does not run
        _check_quality(name, group, own or options.get("quality"))
        if options.get("task") is not None and engine.get("licensed") is False:
            _check_licence(name, group)


def _groups(engine: Plain, options: Plain, modality: str) -> Iterable[tuple[list[Plain], str]]:
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


def _structures(engine: str, tasks: Sequence[Plain], wanted: Any) -> set[str]:
    """Class names for what people write: ``kidney_left``, ``Kidney left``, ``Left kidney``."""
    names: dict[str, set[str]] = {}
    for task in tasks:
        classes = [str(one) for one in task.get("classes") or ()]
        titles = [machine_name(str(one)) for one in task.get("titles") or ()]
        for word, name in [(name.casefold(), name) for name in classes] + list(zip(titles, classes)):
            names.setdefault(word, set()).add(name)
    if not names:
        return set()
    chosen: set[str] = set()
    for word in wanted:
        found = names.get(str(word).strip().casefold()) or names.get(machine_name(str(word)))
        if found is None:
            where = (
                f"in {' and '.join(str(task['name']) for task in tasks)}" if len(tasks) < 4 else "in any task"
            )
            raise Refused(
                "engine.structure_unknown",
                f"the engine {engine} has no structure {word!r} {where}"
                f"{did_you_mean(str(word).casefold(), names)}",
            )
        chosen |= found
    return chosen


def _check_quality(engine: str, group: Sequence[Plain], quality: object) -> None:
    word = str(quality or "").casefold()
    have = list(dict.fromkeys(str(one) for task in group for one in task.get("qualities") or ()))
    if not word or not have or word in have:
        return
    near = did_you_mean(word, have) if word not in QUALITIES else ""
    tasks = f"task {group[0]['name']} of the engine" if len(group) < 3 else "engine"
    raise Refused(
        "engine.quality_unknown",
        f"{tasks} {engine} has no quality {quality!r} (it has: {', '.join(have)}){near}",
    )


def _check_licence(engine: str, group: Sequence[Plain]) -> None:
    if all(task.get("licence") for task in group):
        raise Refused(
            "engine.licence_needed",
            f"task {group[0]['name']} of {engine} needs a licence number, and none is stored",
        )


def check_at_the_door(meta: Any, options: Plain) -> None:
    """The same in a process that is not the pipeline, with the store's ``meta``.

    Only what the pipeline that runs now was told of its engines counts, and nothing that may have been
    mended since: the pipeline itself looks at that again. Raises :class:`Refused`.
    """
    described, pipeline = meta.get("describe") or {}, meta.get("pipeline") or {}
    if not pipeline or described.get("pipeline") != pipeline.get("pid"):
        return
    try:
        check(described, options, str(options.get("modality") or ""))
    except Refused as error:
        if error.code not in VOLATILE:
            raise


# --- what a request becomes ----------------------------------------------------------------------


def resolved(described: Plain, options: Plain, modality: str = "") -> dict[str, str]:
    """``engine``, ``task`` (``total:fast,body:normal``) and ``device`` that these options come to.

    The same words as a worker tells of what it used; what cannot be resolved stays as it was typed.
    """
    plain = {
        "engine": str(options.get("engine") or "auto"),
        "task": str(options.get("task") or ""),
        "device": str(options.get("device") or "auto").casefold(),
    }
    try:
        engine = next(iter(_host(described, options) or _candidates(described, options, modality)), None)
        if engine is None:
            return plain
        groups = list(_groups(engine, {"task": "", **options}, modality or "CT"))
    except PipelineError:
        return plain
    quality = str(options.get("quality") or "normal")
    words = [f"{group[0]['name']}:{(own or quality).casefold()}" for group, own in groups]
    device = str((engine.get("device") or {}).get(plain["device"], plain["device"]))
    return {"engine": str(engine["name"]), "task": ",".join(words) or plain["task"], "device": device}


def _host(described: Plain, options: Plain) -> list[Plain]:
    """The host's own engine, where it is asked for and has described itself."""
    word = str(options.get("engine") or "").strip().casefold()
    return [one for one in described.get("engines", ()) if word in ELSEWHERE and one["name"] == word]


def qualities(described: Plain, options: Plain, modality: str = "") -> tuple[str, ...]:
    """The qualities that every task of the case has; all of them where that cannot be decided."""
    found = set(QUALITIES)
    try:
        for engine in _candidates(described, options, modality)[:1]:
            for group, _ in _groups(engine, {"task": "", **options}, modality or "CT"):
                found &= set(group[0].get("qualities") or QUALITIES)
    except PipelineError:
        pass
    return tuple(quality for quality in QUALITIES if quality in found)


def gpus(described: Plain) -> int:
    """How many GPUs the workers' engines can compute on."""
    return max((int(engine.get("gpus") or 0) for engine in described.get("engines", ())), default=0)
