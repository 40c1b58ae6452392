"""What to try next when a case did not fit into memory: GPU, force split, fast, CPU."""

from __future__ import annotations

from typing import Sequence

from .engine_list import wanted_engines
from .specs import QUALITIES


def next_rung(
    options: dict[str, object], qualities: Sequence[str] = QUALITIES, device: str = ""
) -> tuple[dict[str, object], str] | None:
    """Changed options and the sentence for the manifest, or None at the foot of the ladder.

    ``qualities`` are those that the task has; a task with a quality of its own
    (``total:fast``) does not follow the option. ``device`` is the one on which the memory did not
    suffice, where that is known: ``auto`` may have been a GPU.
    """
    quality = options.get("quality", "normal")
    tasks = [str(one.options(options).get("task") or "") for one in wanted_engines(options.get("engine"))]
    follows = any(":" not in task for task in tasks)
    below = QUALITIES[QUALITIES.index(quality) + 1 :] if follows else ()
    lower = next((step for step in below if step in qualities), None)
    if lower is not None:
        return {**options, "quality": lower}, f"Not enough memory with quality {quality}; done with {lower}."
    if str(device or options.get("device", "")).startswith(("gpu", "mps")):
        return {**options, "device": "cpu"}, "Not enough memory on the GPU; done on the CPU."
    return None
