"""The option ``engine``: one engine, or several in one case, each with tasks of its own. Pure.

``totalsegmentator``, ``nnunet:teeth`` and ``totalsegmentator:total:fast,nnunet:teeth`` are lists of one, one
and two engines. What follows an engine's first colon is a task as the option ``task`` has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Mapping, Sequence

from .engines import ELSEWHERE
from .errors import PipelineError, Refused

AUTO = "auto"


@dataclass(frozen=True)
class WantedEngine:
    """One engine of a case; ``task`` is empty where the option ``task`` decides."""

    name: str
    task: str = ""

    def options(self, given: Mapping[str, object]) -> dict[str, object]:
        """The case's options as this engine alone would get them."""
        own: dict[str, object] = {"task": self.task} if self.task else {}
        return {**given, "engine": self.name, **own}


def wanted_engines(text: object) -> list[WantedEngine]:
    """The engines that ``text`` names, in its order, each once; empty text means ``auto``.

    Tasks of an engine that is named more than once are put together. Raises ``options.invalid`` for a
    list that cannot be done.
    """
    tasks: Dict[str, list[str]] = {}
    for word in str(text or AUTO).split(","):
        name, _, task = (part.strip() for part in word.partition(":"))
        if not name and not task:
            continue
        if not name:
            raise _invalid(f"{word.strip()!r} names a task and no engine")
        tasks.setdefault(name.casefold(), []).append(task)
    if not tasks:
        return [WantedEngine(AUTO)]
    for name, own in tasks.items():
        if len(own) > 1 and not all(own):
            raise _invalid(f"{name} is named {len(own)} times, not each time with a task")
        if name in ELSEWHERE and len(tasks) > 1:
            raise _invalid(f"{name} cannot be combined with other engines")
    return [WantedEngine(name, ",".join(own)) for name, own in tasks.items()]


def check_each_once(names: Sequence[str]) -> None:
    """Raise ``options.invalid`` where ``auto`` became an engine that the list names besides."""
    for name in names:
        if names.count(name) > 1:
            raise _invalid(f"auto is {name} here, which is named besides")


def _invalid(what: str) -> Refused:
    return Refused("options.invalid", f"engine: {what}", "engine: ENGINE[:TASK], several with commas")


def host_engine(options: Mapping[str, object]) -> str:
    """The engine of these options that works in the pipeline's own process; empty where none does."""
    try:
        first = wanted_engines(options.get("engine"))[0].name
    except PipelineError:
        return ""
    return first if first in ELSEWHERE else ""


def join(texts: list[str]) -> str:
    """Facts of several engines as one text: each once, in the order of the engines."""
    return ",".join(dict.fromkeys(text for text in texts if text))
