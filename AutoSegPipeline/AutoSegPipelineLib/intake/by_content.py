"""Whether an input of which nobody said what it is holds a finished segmentation instead of scans."""

from __future__ import annotations

from typing import Iterable, Sequence

from ..core.messages.found_cases import FoundCase, Refusal
from .header_checks import SEGMENTATION

_LABELS = "input.label_map"
_EMPTY_MASK = "input.constant"  # a mask of a structure that the scan does not show


def why_segmentation(refusals: Sequence[Refusal], cases: Sequence[FoundCase]) -> str:
    """What makes an input a segmentation that was inspected as a scan; empty where it is none.

    That is so where it holds nothing but label maps. Beside a scan a label map stays refused: which of
    the two is meant is for people to say.
    """
    labels = [one.error["message"] for one in refusals if one.error.get("code") == _LABELS]
    others = [one for one in refusals if one.error.get("code") not in (_LABELS, _EMPTY_MASK)]
    return labels[0] if labels and not others and not cases else ""


def say_segmentation(cases: Iterable[FoundCase], reason: str) -> None:
    """Add to ``cases`` that they were taken as segmentations, for ``reason``."""
    message = f"exported as a finished segmentation, nothing was segmented: {reason}"
    for case in cases:
        if case.kind == SEGMENTATION:
            case.warnings = [*case.warnings, {"code": "export.by_content", "message": message}]
