"""Loading pydicom and pynetdicom before threads use them."""

from __future__ import annotations


def load() -> None:
    """Import both in this thread: two threads that import pydicom at once meet half of it."""
    import pydicom
    import pynetdicom

    del pydicom, pynetdicom
