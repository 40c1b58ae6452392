"""How much memory this process holds, on each system, with the standard library alone."""

from __future__ import annotations

import os
import sys

_seen: set[object] = set()


def note_model(key: object) -> None:
    """A model was loaded that may stay in memory; ``key`` tells it from others."""
    _seen.add(key)


def models_seen() -> int:
    """How many different models this process ever loaded."""
    return len(_seen)


def resident_mb() -> float:
    """Resident memory in MB; where only the peak is known (macOS), the peak; 0 when unknown."""
    if sys.platform == "win32":
        return _windows_mb()
    try:
        with open("/proc/self/statm", encoding="ascii") as stream:
            pages = int(stream.read().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    except (OSError, ValueError, IndexError):
        return _peak_mb()


def used_mb() -> float:
    """As :func:`resident_mb`, without what is only kept for the next case."""
    from .heap import kept_mb

    return max(0.0, resident_mb() - kept_mb())


def _peak_mb() -> float:
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3


def _windows_mb() -> float:
    """WorkingSetSize of GetProcessMemoryInfo (psapi, PROCESS_MEMORY_COUNTERS)."""
    import ctypes
    from ctypes import wintypes

    class Counters(ctypes.Structure):
        _fields_ = [("cb", wintypes.DWORD), ("PageFaultCount", wintypes.DWORD)] + [
            (name, ctypes.c_size_t)
            for name in (
                "PeakWorkingSetSize",
                "WorkingSetSize",
                "QuotaPeakPagedPoolUsage",
                "QuotaPagedPoolUsage",
                "QuotaPeakNonPagedPoolUsage",
                "QuotaNonPagedPoolUsage",
                "PagefileUsage",
                "PeakPagefileUsage",
            )
        ]

    counters = Counters()
    counters.cb = ctypes.sizeof(Counters)
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined]
    kernel.GetCurrentProcess.restype = wintypes.HANDLE
    ask = kernel.K32GetProcessMemoryInfo
    ask.argtypes = [wintypes.HANDLE, ctypes.POINTER(Counters), wintypes.DWORD]
    if not ask(kernel.GetCurrentProcess(), ctypes.byref(counters), counters.cb):
        return 0.0
    return float(counters.WorkingSetSize) / 1e6
