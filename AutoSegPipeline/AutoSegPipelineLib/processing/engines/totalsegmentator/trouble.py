"""What went wrong in the package, as a coded error."""

from __future__ import annotations

import errno
import pickle

from ....core.errors import EngineFailed, PipelineError
from . import weights

# What third-party code raises; anything else is an error of ours and goes to the worker's job boundary.
FAILURES = (
    ArithmeticError, AssertionError, AttributeError, EOFError, ImportError, LookupError, MemoryError, OSError,
    RuntimeError, SystemExit, TypeError, ValueError, pickle.UnpicklingError,
)  # fmt: skip
_MEMORY = (
    "out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory",
    "defaultcpuallocator", "unable to allocate", "insufficient available cpu ram", "your ram was full",
    "cublas_status_alloc_failed",
)  # fmt: skip
_GPU_GONE = (
    "no cuda-capable device", "device-side", "gpu is lost", "unspecified launch failure", "cuda driver",
    "cuda error", "no cuda gpus are available", "device is busy or unavailable", "cuda-capable device(s)",
    "invalid device ordinal", "cudnn_status", "cublas_status", "nvml",
)  # fmt: skip
_DAMAGED = ("pytorchstreamreader", "failed finding central directory", "invalid load key", "state_dict for")


def translate(error: BaseException, task: str) -> BaseException:
    """``error`` as the :class:`PipelineError` that it means; a full disk stays an ``OSError``."""
    if isinstance(error, PipelineError):
        return error
    text = f"{error}".strip()
    low = f"{type(error).__name__} {text}".casefold()
    if isinstance(error, MemoryError) or any(words in low for words in _MEMORY):
        return EngineFailed("engine.no_memory", f"task {task}: the memory did not suffice ({_short(text)})")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return error
    if isinstance(error, RuntimeError) and any(words in low for words in _GPU_GONE):
        # Only what computed on a GPU can lose it, so it was there.
        return PipelineError("environment.gpu_gone", f"the GPU does not answer: {_short(text)}")
    if isinstance(error, (EOFError, pickle.UnpicklingError)) or any(words in low for words in _DAMAGED):
        return EngineFailed(
            "engine.weights_missing",
            f"task {task}: weights cannot be read ({_short(text)})",
            f"Remove the model's folder in {weights.folder()} and fetch it again.",
        )
    if "option --fast" in low:
        return EngineFailed("engine.quality_unknown", f"task {task} has no quality fast")
    if isinstance(error, SystemExit) and "icen" in low:
        return EngineFailed("engine.licence_needed", f"task {task}: {_short(text)}")
    return EngineFailed(
        "engine.failed", f"TotalSegmentator, task {task}: {type(error).__name__}: {_short(text)}"
    )


def _short(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return (lines[0] if lines else "no more is known")[:300]
