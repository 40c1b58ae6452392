"""What a result says of each engine that worked on it; it stands in the manifest and in kept label maps."""

from __future__ import annotations

from typing import Dict, List, TypedDict


class EngineFacts(TypedDict, total=False):
    """``weights``: task -> hash, empty where not known; ``seconds`` by the clock; ``structures`` by name.

    ``task`` (``total:fast,body:normal``) and ``device`` are what the engine's work came to; ``facts`` is
    what else it says of it. Of the host's own engine only the first four are known.
    """

    name: str
    version: str
    task: str
    device: str
    seconds: float
    weights: Dict[str, str]
    structures: List[str]
    facts: Dict[str, object]
