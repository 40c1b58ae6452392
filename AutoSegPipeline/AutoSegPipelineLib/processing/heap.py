"""Freed memory that is kept for the next tensor, where the C library gives it back at once.

A network on the CPU takes and frees hundreds of megabytes for each layer. glibc gives
every such block back to the system, which then has to clear the same memory again,
page by page: a third of the processor time of a prediction. Kept, it is given back
when no case came for a while, or when memory is short. Elsewhere nothing happens here.
"""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

IDLE_SECONDS = 20.0  # after this long without a case other programs have more use for it
_WORTH_LOOKING = 256 << 20  # bytes free in the heap; how many of them are resident takes long to find out
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # of mallopt, malloc.h
_USUAL_TRIM_THRESHOLD, _USUAL_MMAP_MAX = 128 << 10, 65536  # what glibc begins with

_kept = False
_busy = False
_idle_since = 0.0


class _Mallinfo2(ctypes.Structure):
    """``struct mallinfo2`` of glibc 2.33 and later."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        )
    ]


@lru_cache(maxsize=1)
def _library() -> Any:
    """The C library, when it is a glibc that can say how much of its heap is in use; else None."""
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    if not all(hasattr(library, name) for name in ("mallopt", "malloc_trim", "mallinfo2")):
        return None
    library.mallinfo2.restype = _Mallinfo2
    return library


def keep_freed() -> bool:
    """From now on keep what is freed; says whether that can be done here."""
    global _kept
    library = _library()
    if library is not None and not _kept:
        _kept = bool(library.mallopt(_MMAP_MAX, 0) and library.mallopt(_TRIM_THRESHOLD, -1))
    return _kept


@contextmanager
def keeping_freed() -> Iterator[None]:
    """Keep what is freed meanwhile, then give it back; longer where :func:`keep_freed` was called before."""
    global _kept
    before = _kept
    keep_freed()
    try:
        yield
    finally:
        if _kept and not before:
            _library().mallopt(_MMAP_MAX, _USUAL_MMAP_MAX)
            _library().mallopt(_TRIM_THRESHOLD, _USUAL_TRIM_THRESHOLD)
            _library().malloc_trim(0)
            _kept = False


def give_back() -> None:
    """Give the system what is kept for nobody."""
    if _kept:
        _library().malloc_trim(0)


def case_begins() -> None:
    """A case is at hand: what it frees is wanted again."""
    global _busy
    _busy = True


def case_ends() -> None:
    """No case is at hand."""
    global _busy, _idle_since
    _busy, _idle_since = False, time.monotonic()


def give_back_when_idle() -> bool:
    """Give back once no case came for :data:`IDLE_SECONDS`; to be called now and then, from any thread."""
    global _idle_since
    if not _kept or _busy or not _idle_since or time.monotonic() - _idle_since < IDLE_SECONDS:
        return False
    _idle_since = 0.0
    give_back()
    return True


def kept_mb() -> float:
    """Resident memory (MB) that is kept for nobody; it is no growth of the process."""
    if not _kept:
        return 0.0
    heap = _library().mallinfo2()
    if heap.fordblks < _WORTH_LOOKING:
        return 0.0
    return max(0.0, _heap_bytes() - heap.uordblks) / 1e6


def _heap_bytes() -> int:
    """How much of the main heap is resident (every ``[heap]`` in /proc/self/smaps)."""
    inside, total = False, 0
    try:
        with open("/proc/self/smaps", encoding="ascii", errors="replace") as stream:
            for line in stream:
                if inside and line.startswith("Rss:"):
                    total += int(line.split()[1]) * 1024
                    inside = False
                inside = inside or line.endswith("[heap]\n")
    except OSError:
        return 0
    return total
