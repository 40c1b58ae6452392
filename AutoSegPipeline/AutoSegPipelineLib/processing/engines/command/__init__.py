"""Engines by command: programs that the administrator declared in ``engines.json``.

Nothing but that file names a program: no case, no option, no request and no rule brings a word of its
command line. Each runs as a child without a shell, in a folder of its own.
"""

from __future__ import annotations

from .engine import CommandEngine, declared_engines

__all__ = ["CommandEngine", "declared_engines"]
