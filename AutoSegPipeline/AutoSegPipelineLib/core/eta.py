"""How long a case will take, learned from earlier ones. Pure."""

from __future__ import annotations

from typing import Mapping, Sequence


def kind_of(used: Mapping[str, object], part: bool = False) -> str:
    """Cases of one kind take alike: engine, tasks with their qualities, device, all structures or a part.

    ``used`` is what a worker said that it used, or what :func:`.resolved.resolved` expects of it.
    """
    words = [str(used.get(name, "")) for name in ("engine", "task", "device")]
    return "/".join([*words, "part"] if part else words)


def predict(history: Sequence[tuple[int, float]], voxels: int) -> float | None:
    """Seconds for ``voxels``, from (voxels, seconds) of earlier cases; None without any.

    A least-squares line where the sizes differ enough, and never below the
    quickest or above ten times the slowest case seen; else the median.
    """
    if not history:
        return None
    seconds = sorted(s for _, s in history)
    median = seconds[len(seconds) // 2]
    mean_v = sum(v for v, _ in history) / len(history)
    mean_s = sum(seconds) / len(history)
    spread = sum((v - mean_v) ** 2 for v, _ in history)
    if len(history) < 3 or spread < (0.05 * mean_v) ** 2 * len(history):
        return median
    slope = max(0.0, sum((v - mean_v) * (s - mean_s) for v, s in history) / spread)
    return min(max(mean_s + slope * (voxels - mean_v), seconds[0] * 0.5), seconds[-1] * 10)


def predict_together(histories: Sequence[Sequence[tuple[int, float]]], voxels: int) -> float | None:
    """Seconds for ``voxels`` with one kind after another; None where one of them was never seen."""
    seconds = [predict(history, voxels) for history in histories]
    known = [one for one in seconds if one is not None]
    return sum(known) if known and len(known) == len(seconds) else None


def remaining(predicted: float | None, elapsed: float, fraction: float) -> float | None:
    """Seconds left, ever more from the case's own pace as it proceeds; None when nobody can say."""
    own = elapsed * (1 - fraction) / fraction if fraction > 0.05 and elapsed > 1 else None
    if predicted is None:
        return own
    left = max(0.0, predicted - elapsed)
    return left if own is None else fraction * own + (1 - fraction) * left
