"""The one SQLite file through which every process learns what is going on."""

from .store import Store

__all__ = ["Store"]
