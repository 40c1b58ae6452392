"""What went wrong in the package, as a coded error."""

from __future__ import annotations

from ....core.errors import EngineFailed
from ..networks.trouble import FAILURES, short
from ..networks.trouble import translate as translate_common
from . import weights

__all__ = ["FAILURES", "translate"]


def translate(error: BaseException, task: str) -> BaseException:
    """``error`` as the :class:`PipelineError` that it means; a full disk stays an ``OSError``."""
    text = f"{error}".strip()
    low = f"{type(error).__name__} {text}".casefold()
    if "option --fast" in low:
        return EngineFailed("engine.quality_unknown", f"task {task} has no quality fast")
    if isinstance(error, SystemExit) and "icen" in low:
        return EngineFailed("engine.licence_needed", f"task {task}: {short(text)}")
    repair = f"Remove the model's folder in {weights.folder()} and fetch it again."
    return translate_common(error, "TotalSegmentator", task, repair)
