"""Windows has no exec: the launcher stays, shares its console with the program, and dies together with it.

Sources: Microsoft's documentation of job objects (JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE), of nested jobs and
of HandlerRoutine (a handler of CTRL_CLOSE_EVENT that returns ends its process).
"""

from __future__ import annotations

import subprocess
import sys

if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    _CTRL_CLOSE, _CTRL_LOGOFF, _CTRL_SHUTDOWN = 2, 5, 6
    _EXTENDED_LIMITS = 9  # JobObjectExtendedLimitInformation
    _KILL_ON_CLOSE = 0x2000
    # Windows ends a process about 5 s after it closed the console, or 20 s after a shutdown began.
    _PATIENCE_S = 20.0

    class _IoCounters(ctypes.Structure):
        _fields_ = [(f"counter{number}", ctypes.c_ulonglong) for number in range(6)]

    class _BasicLimits(ctypes.Structure):
        _fields_ = [
            ("PerProcessUserTimeLimit", ctypes.c_longlong),
            ("PerJobUserTimeLimit", ctypes.c_longlong),
            ("LimitFlags", wintypes.DWORD),
            ("MinimumWorkingSetSize", ctypes.c_size_t),
            ("MaximumWorkingSetSize", ctypes.c_size_t),
            ("ActiveProcessLimit", wintypes.DWORD),
            ("Affinity", ctypes.c_size_t),
            ("PriorityClass", wintypes.DWORD),
            ("SchedulingClass", wintypes.DWORD),
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

    _HandlerRoutine = ctypes.WINFUNCTYPE(wintypes.BOOL, wintypes.DWORD)

    def _kernel() -> ctypes.WinDLL:
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.CreateJobObjectW.restype = wintypes.HANDLE
        kernel.CreateJobObjectW.argtypes = [ctypes.c_void_p, wintypes.LPCWSTR]
        kernel.SetInformationJobObject.argtypes = [
            wintypes.HANDLE,
            ctypes.c_int,
            ctypes.c_void_p,
            wintypes.DWORD,
        ]
        kernel.GetCurrentProcess.restype = wintypes.HANDLE
        kernel.AssignProcessToJobObject.argtypes = [wintypes.HANDLE, wintypes.HANDLE]
        kernel.SetConsoleCtrlHandler.argtypes = [_HandlerRoutine, wintypes.BOOL]
        return kernel

    def die_together() -> None:
        """Put this process into a job that is killed when its only handle closes, which is when we end.

        Children are born into the job, so none can slip away between birth and assignment. Where a job
        is not available (very old nested sessions) the program still runs; it only loses this net.
        """
        kernel = _kernel()
        job = kernel.CreateJobObjectW(None, None)
        if not job:
            return
        limits = _ExtendedLimits()
        limits.BasicLimitInformation.LimitFlags = _KILL_ON_CLOSE
        if kernel.SetInformationJobObject(job, _EXTENDED_LIMITS, ctypes.byref(limits), ctypes.sizeof(limits)):
            kernel.AssignProcessToJobObject(job, kernel.GetCurrentProcess())
        # The handle is never closed by us: the system closes it when this process is gone.

    def run_in_console(command: list[str], variables: dict[str, str]) -> int:
        """Run the program on this console and return its exit code.

        Ctrl+C and Ctrl+Break go to every process of the console: the program decides what they mean, the
        launcher only waits. When the console closes, the launcher's handler must not return before the
        program has ended, because the launcher's end would kill it.
        """
        program: list[subprocess.Popen[bytes]] = []

        def on_event(event: int) -> bool:
            if event in (_CTRL_CLOSE, _CTRL_LOGOFF, _CTRL_SHUTDOWN) and program:
                try:
                    program[0].wait(_PATIENCE_S)
                except subprocess.TimeoutExpired:
                    return False
            return True

        handler = _HandlerRoutine(on_event)  # kept alive by this frame for as long as it is registered
        kernel = _kernel()
        kernel.SetConsoleCtrlHandler(handler, True)
        try:
            program.append(subprocess.Popen(command, env=variables))
            return program[0].wait()
        finally:
            kernel.SetConsoleCtrlHandler(handler, False)

else:

    def die_together() -> None:
        """Nothing to do: on POSIX the launcher becomes the program."""

    def run_in_console(command: list[str], variables: dict[str, str]) -> int:
        """Run the program and return its exit code."""
        return subprocess.run(command, env=variables, check=False).returncode
