"""What to try next when a case did not fit into memory: GPU, force split, fast, CPU."""

from __future__ import annotations

from typing import Any


def next_rung(options: dict[str, Any]) -> tuple[dict[str, Any], str] | None:
    """Changed options and the sentence for the manifest, or None at the foot of the ladder."""
    quality = options.get("quality", "normal")
    lower = {"normal": "fast", "fast": "fastest"}.get(quality)
    if lower is not None:
        return {**options, "quality": lower}, f"Not enough memory with quality {quality}; done with {lower}."
    if str(options.get("device", "")).startswith(("gpu", "mps")):
        return {**options, "device": "cpu"}, "Not enough memory on the GPU; done on the CPU."
    return None
