"""A Windows job object that ends all its processes when it is closed (kernel32 by ctypes).

Source: Windows API reference, "Job Objects" and JOBOBJECT_EXTENDED_LIMIT_INFORMATION.
"""

from __future__ import annotations

import ctypes
import logging
from typing import Any

log = logging.getLogger(__name__)

_KILL_ON_JOB_CLOSE = 0x2000
_EXTENDED_LIMIT_INFORMATION = 9
_BASIC_ACCOUNTING_INFORMATION = 1
_PROCESS_TERMINATE = 0x0001
_PROCESS_SET_QUOTA = 0x0100
_PROCESS_QUERY_LIMITED_INFORMATION = 0x1000
_KILLED = 1


class _BasicLimits(ctypes.Structure):
    _fields_ = [
        ("PerProcessUserTimeLimit", ctypes.c_int64),
        ("PerJobUserTimeLimit", ctypes.c_int64),
        ("LimitFlags", ctypes.c_uint32),
        ("MinimumWorkingSetSize", ctypes.c_size_t),
        ("MaximumWorkingSetSize", ctypes.c_size_t),
        ("ActiveProcessLimit", ctypes.c_uint32),
        ("Affinity", ctypes.c_size_t),
        ("PriorityClass", ctypes.c_uint32),
        ("SchedulingClass", ctypes.c_uint32),
    ]


class _IoCounters(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_uint64)
        for name in ("ReadOperations", "WriteOperations", "OtherOperations", "Read", "Write", "Other")
    ]


class _ExtendedLimits(ctypes.Structure):
    _fields_ = [
        ("BasicLimitInformation", _BasicLimits),
        ("IoInfo", _IoCounters),
        ("ProcessMemoryLimit", ctypes.c_size_t),
        ("JobMemoryLimit", ctypes.c_size_t),
        ("PeakProcessMemoryUsed", ctypes.c_size_t),
        ("PeakJobMemoryUsed", ctypes.c_size_t),
    ]


class _Accounting(ctypes.Structure):
    _fields_ = [
        *(
            (name, ctypes.c_int64)
            for name in ("UserTime", "KernelTime", "PeriodUserTime", "PeriodKernelTime")
        ),
        *((name, ctypes.c_uint32) for name in ("PageFaults", "Processes", "Active", "Terminated")),
    ]


def _kernel() -> Any:
    """kernel32 with the types of what is called: a handle is a pointer, not an ``int`` of 32 bits."""
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined,unused-ignore]
    handle, dword, flag = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int
    kernel.CreateJobObjectW.argtypes = [ctypes.c_void_p, ctypes.c_wchar_p]
    kernel.CreateJobObjectW.restype = handle
    kernel.SetInformationJobObject.argtypes = [handle, ctypes.c_int, ctypes.c_void_p, dword]
    kernel.SetInformationJobObject.restype = flag
    kernel.QueryInformationJobObject.argtypes = [
        handle,
        ctypes.c_int,
        ctypes.c_void_p,
        dword,
        ctypes.c_void_p,
    ]
    kernel.QueryInformationJobObject.restype = flag
    kernel.OpenProcess.argtypes = [dword, flag, dword]
    kernel.OpenProcess.restype = handle
    kernel.AssignProcessToJobObject.argtypes = [handle, handle]
    kernel.AssignProcessToJobObject.restype = flag
    kernel.IsProcessInJob.argtypes = [handle, handle, ctypes.POINTER(flag)]
    kernel.IsProcessInJob.restype = flag
    kernel.TerminateJobObject.argtypes = [handle, dword]
    kernel.TerminateJobObject.restype = flag
    kernel.CloseHandle.argtypes = [handle]
    kernel.CloseHandle.restype = flag
    return kernel


def _last_error() -> int:
    return int(ctypes.get_last_error())  # type: ignore[attr-defined,unused-ignore]


class WindowsJob:
    """One job object. Its handle is not inheritable, so it closes when this process ends, however."""

    def __init__(self) -> None:
        self._kernel = _kernel()
        self._handle = self._kernel.CreateJobObjectW(None, None)
        if not self._handle:
            log.warning("no job object can be made (error %d)", _last_error())
            return
        limits = _ExtendedLimits()
        limits.BasicLimitInformation.LimitFlags = _KILL_ON_JOB_CLOSE
        done = self._kernel.SetInformationJobObject(
            self._handle, _EXTENDED_LIMIT_INFORMATION, ctypes.byref(limits), ctypes.sizeof(limits)
        )
        if not done:
            log.warning("the job object cannot be set to end its processes (error %d)", _last_error())

    def add(self, pid: int) -> bool:
        """Take ``pid`` in; False where that was refused and the process must be ended by its pid."""
        if not self._handle:
            return False
        rights = _PROCESS_TERMINATE | _PROCESS_SET_QUOTA | _PROCESS_QUERY_LIMITED_INFORMATION
        process = self._kernel.OpenProcess(rights, 0, pid)
        if not process:
            return True  # it has ended already
        try:
            inside = ctypes.c_int(0)
            asked = self._kernel.IsProcessInJob(process, self._handle, ctypes.byref(inside))
            if asked and inside.value:
                return True
            if self._kernel.AssignProcessToJobObject(self._handle, process):
                return True
            log.warning("process %d cannot be put into its job object (error %d)", pid, _last_error())
            return False
        finally:
            self._kernel.CloseHandle(process)

    def active(self) -> int:
        """How many processes are in the job; 0 where that cannot be asked."""
        found = _Accounting()
        if not self._handle or not self._kernel.QueryInformationJobObject(
            self._handle, _BASIC_ACCOUNTING_INFORMATION, ctypes.byref(found), ctypes.sizeof(found), None
        ):
            return 0
        return int(found.Active)

    def terminate(self) -> None:
        """End every process in the job."""
        if self._handle:
            self._kernel.TerminateJobObject(self._handle, _KILLED)

    def close(self) -> None:
        """Give the handle back, which ends what is left."""
        if self._handle:
            self._kernel.CloseHandle(self._handle)
            self._handle = None
