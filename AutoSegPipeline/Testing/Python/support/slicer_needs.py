"""What a self-test needs of a Slicer beyond its core: without it that test alone is skipped, and says why."""

from __future__ import annotations

import unittest
from importlib.util import find_spec
from typing import Any, Callable


def needs(*names: str) -> Callable[[Any], Any]:
    """Skip a test of a Slicer without one of these: names of modules of Slicer, or of Python packages.

    A run with skipped tests is no complete one: ``.ci/slicer_selftests.sh`` ends with an error then.
    """
    missing = [name for name in names if not is_there(name)]
    return unittest.skipIf(bool(missing), f"this Slicer lacks {', '.join(missing)}")


def is_there(name: str) -> bool:
    """Whether this Slicer has a module, or its Python a package, of this name."""
    import slicer

    return hasattr(slicer.modules, name.lower()) or find_spec(name) is not None
