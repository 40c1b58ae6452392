"""What to try next when a case did not fit into memory: GPU, force split, fast, CPU."""

from __future__ import annotations

from typing import Any, Sequence

from .specs import QUALITIES


def next_rung(
    options: dict[str, Any], qualities: Sequence[str] = QUALITIES
) -> tuple[dict[str, Any], str] | None:
    """Changed options and the sentence for the manifest, or None at the foot of the ladder.

    ``qualities`` are those that the task has; a task with a quality of its own
    (``total:fast``) does not follow the option.
    """
    quality = options.get("quality", "normal")
    below = QUALITIES[QUALITIES.index(quality) + 1 :] if ":" not in str(options.get("task", "")) else ()
    lower = next((step for step in below if step in qualities), None)
    if lower is not None:
        return {**options, "quality": lower}, f"Not enough memory with quality {quality}; done with {lower}."
    if str(options.get("device", "")).startswith(("gpu", "mps")):
        return {**options, "device": "cpu"}, "Not enough memory on the GPU; done on the CPU."
    return None


def qualities_of(described: dict[str, Any], options: dict[str, Any]) -> tuple[str, ...]:
    """The qualities that every task of the case has, as its engine described them (a worker's answer)."""
    wanted = [name.strip() for name in str(options.get("task") or "").split(",") if name.strip()]
    found = set(QUALITIES)
    for engine in described.get("engines", []):
        if engine.get("name") == options.get("engine"):
            tasks = [t for t in engine["tasks"] if t["name"] in wanted or (not wanted and t["default"])]
            found = found.intersection(*(task["qualities"] for task in tasks))
    return tuple(quality for quality in QUALITIES if quality in found)
