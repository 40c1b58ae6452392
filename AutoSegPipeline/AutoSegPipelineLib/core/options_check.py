"""Whether what a case asks for exists, by what the workers' engines said of themselves. Pure.

``described`` is a worker's answer to ``describe`` (``store.meta["describe"]``). The worker checks
again and has the last word; this is for telling a mistake at the door and not hours later.
"""

from __future__ import annotations

from typing import Any, Iterable, Sequence

from .described_engines import Plain, candidates, groups_or_all, meant, names_of, no_structure, shares
from .engine_list import check_each_once, wanted_engines
from .errors import Refused
from .specs import QUALITIES, did_you_mean

# What a person may mend while the pipeline runs: an old description proves nothing.
VOLATILE = ("engine.licence_needed", "engine.not_available")


def check(described: Plain, options: Plain, modality: str = "") -> None:
    """Raise the :class:`Refused` that ``options`` deserve on a scan of ``modality`` (empty: not known).

    An option that is not there may still get any value, from a rule or the settings: only what is
    wrong with every value is an error. Codes: ``engine.unknown``, ``.not_available``,
    ``.task_unknown``, ``.structure_unknown``, ``.quality_unknown``, ``.wrong_modality``,
    ``.licence_needed``.
    """
    wanted = wanted_engines(options.get("engine"))
    if len(wanted) == 1:
        _check_any(described, wanted[0].options(options), modality)
        return
    parts = []
    for one in wanted:
        own = one.options(options)
        found = candidates(described, own, modality)
        if not found:
            return
        parts.append((found[0], own))
    check_each_once([str(engine["name"]) for engine, _ in parts])
    for (engine, own), share in zip(parts, shares(parts, modality)):
        if share is not None:
            _check_any({"engines": [engine]}, {**own, "structures": share}, modality)


def _check_any(described: Plain, options: Plain, modality: str) -> None:
    """Raise where no engine that may get the case, or its part, can do it."""
    errors = []
    for engine in candidates(described, options, modality):
        try:
            _check_engine(engine, options, modality)
            return
        except Refused as error:
            errors.append(error)
    if errors:
        raise next((error for error in errors if "did you mean" in error.message), errors[0])


def _check_engine(engine: Plain, options: Plain, modality: str) -> None:
    if not engine.get("tasks"):
        return
    name = str(engine["name"])
    groups = groups_or_all(engine, options, modality)
    wanted = options.get("structures") or ()
    chosen = _structures(name, [task for group, _ in groups for task in group], wanted)
    for group, own in groups:
        if wanted and chosen and not any(chosen & set(task.get("classes") or ()) for task in group):
            continue  # nothing of it was asked for: it does not run
        _check_quality(name, group, own or options.get("quality"))
        if options.get("task") is not None and engine.get("licensed") is False:
            _check_licence(name, group)


def _structures(engine: str, tasks: Sequence[Plain], wanted: Iterable[object]) -> set[str]:
    """Class names for what people write: ``kidney_left``, ``Kidney left``, ``Left kidney``."""
    names = names_of(tasks)
    if not names:
        return set()
    chosen: set[str] = set()
    for word in wanted:
        found = meant(names, word)
        if not found:
            where = (
                f"in {' and '.join(str(task['name']) for task in tasks)}" if len(tasks) < 4 else "in any task"
            )
            raise no_structure(f"the engine {engine} has no structure {word!r} {where}", word, names)
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
    if not pipeline or described.get("pipeline") != pipeline.get("pid") or described.get("stale"):
        return
    try:
        check(described, options, str(options.get("modality") or ""))
    except Refused as error:
        if error.code not in VOLATILE:
            raise
