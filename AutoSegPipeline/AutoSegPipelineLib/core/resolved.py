"""What a case's options come to with the engines that are here. Pure.

``described`` is a worker's answer to ``describe`` (``store.meta["describe"]``).
"""

from __future__ import annotations

from .described_engines import Plain, candidates, groups
from .engine_list import WantedEngine, host_engine, join, wanted_engines
from .errors import PipelineError
from .specs import QUALITIES


def resolved(described: Plain, options: Plain, modality: str = "") -> dict[str, str]:
    """``engine``, ``task`` (``total:fast,body:normal``) and ``device`` that these options come to.

    The same words as a worker tells of what it used; what cannot be resolved stays as it was typed.
    """
    try:
        wanted = wanted_engines(options.get("engine"))
    except PipelineError:
        wanted = [WantedEngine(str(options.get("engine")))]
    parts = [_resolved_one(described, one.options(options), modality) for one in wanted]
    return {name: join([part[name] for part in parts]) for name in ("engine", "task", "device")}


def _resolved_one(described: Plain, options: Plain, modality: str) -> dict[str, str]:
    plain = {
        "engine": str(options.get("engine") or "auto"),
        "task": str(options.get("task") or ""),
        "device": str(options.get("device") or "auto").casefold(),
    }
    try:
        engine = next(iter(_host(described, options) or candidates(described, options, modality)), None)
        if engine is None:
            return plain
        chosen = list(groups(engine, {"task": "", **options}, modality or "CT"))
    except PipelineError:
        return plain
    quality = str(options.get("quality") or "normal")
    words = [f"{group[0]['name']}:{(own or quality).casefold()}" for group, own in chosen]
    device = str((engine.get("device") or {}).get(plain["device"], plain["device"]))
    return {"engine": str(engine["name"]), "task": ",".join(words) or plain["task"], "device": device}


def resolved_parts(described: Plain, options: Plain, modality: str = "") -> list[dict[str, str]]:
    """The same for each engine of the case by itself."""
    wanted = wanted_engines(options.get("engine"))
    return [resolved(described, one.options(options), modality) for one in wanted]


def identity(described: Plain, options: Plain, modality: str = "") -> list[list[str]]:
    """Name, version, tasks and weights of each engine that these options come to.

    On the CPU also what computes networks there in place of torch. Raises :class:`PipelineError` for
    options that cannot be resolved.
    """
    known = {str(engine["name"]): engine for engine in described.get("engines", ())}
    answer = []
    for part in resolved_parts(described, options, modality):
        engine = known.get(part["engine"], {})
        used = [word.partition(":")[0] for word in part["task"].split(",")]
        weights = [str(task.get("weights") or "") for task in engine.get("tasks", ()) if task["name"] in used]
        back_end = [str(engine["back_end"])] if part["device"] == "cpu" and engine.get("back_end") else []
        answer.append([part["engine"], str(engine.get("version") or ""), part["task"], *weights, *back_end])
    return answer


def _host(described: Plain, options: Plain) -> list[Plain]:
    """The host's own engine, where it is asked for and has described itself."""
    word = host_engine(options)
    return [one for one in described.get("engines", ()) if word and one["name"] == word]


def qualities(described: Plain, options: Plain, modality: str = "") -> tuple[str, ...]:
    """The qualities that every task of the case has; all of them where that cannot be decided."""
    found = set(QUALITIES)
    try:
        for one in wanted_engines(options.get("engine")):
            own = one.options(options)
            for engine in candidates(described, own, modality)[:1]:
                for group, _ in groups(engine, {"task": "", **own}, modality or "CT"):
                    found &= set(group[0].get("qualities") or QUALITIES)
    except PipelineError:
        pass
    return tuple(quality for quality in QUALITIES if quality in found)


def gpus(described: Plain) -> int:
    """How many GPUs the workers' engines can compute on."""
    return max((int(engine.get("gpus") or 0) for engine in described.get("engines", ())), default=0)
