"""What the installed package can do, asked from the package itself.

The answer comes from one adapter for each generation: :mod:`.registry` (2.15 and
later) and :mod:`.class_map` (before). Neither imports torch.
"""

from __future__ import annotations

import importlib.util
from functools import lru_cache

from ....core.errors import EngineFailed
from .known_tasks import PACKAGE, Catalogue, installed


@lru_cache(maxsize=1)
def catalogue() -> Catalogue:
    """The installed package's catalogue; raises ``engine.not_available`` without the package."""
    if not installed():
        raise EngineFailed("engine.not_available", "the Python package TotalSegmentator is not installed")
    if importlib.util.find_spec(PACKAGE + ".registry") and importlib.util.find_spec(
        PACKAGE + ".map_tasks_config"
    ):
        from . import registry as adapter
    else:
        from . import class_map as adapter  # type: ignore[no-redef]
    return adapter.read()
