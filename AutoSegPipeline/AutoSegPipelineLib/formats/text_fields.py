"""Numbers in the text headers of NRRD and MetaImage."""

from __future__ import annotations

import re
from typing import Mapping

from .header import corrupt


def integers(
    fields: Mapping[str, str], key: str, count: int, name: str, default: str | None = None
) -> list[int]:
    """The first ``count`` whole numbers of a field; raises ``input.corrupt``."""
    text = fields.get(key, default)
    words = (text or "").split()
    if len(words) < count or any(not re.fullmatch(r"[+-]?\d{1,18}", word) for word in words[:count]):
        raise corrupt(name, f"{key} is {text!r}")
    return [int(word) for word in words[:count]]


def floats(
    fields: Mapping[str, str], key: str, count: int, name: str, default: float | None = None
) -> list[float]:
    """The first ``count`` numbers of a field; ``default`` for each where it is not there at all."""
    if key not in fields and default is not None:
        return [default] * count
    words = fields.get(key, "").split()
    if len(words) < count:
        raise corrupt(name, f"{key} has too few numbers")
    try:
        return [float(word) for word in words[:count]]
    except ValueError:
        raise corrupt(name, f"{key} is {fields.get(key)!r}") from None
