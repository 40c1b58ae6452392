"""What went wrong in a package that runs networks, as a coded error."""

from __future__ import annotations

import errno
import pickle

from ....core.errors import EngineFailed, PipelineError

# What third-party code raises; anything else is an error of ours and goes to the worker's job boundary.
FAILURES = (
    ArithmeticError, AssertionError, AttributeError, EOFError, ImportError, LookupError, MemoryError, OSError,
    RuntimeError, SystemExit, TypeError, ValueError, pickle.UnpicklingError,
)  # fmt: skip
_MEMORY = (
    "out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory",
    "defaultcpuallocator", "unable to allocate", "insufficient available cpu ram", "your ram was full",
    "cublas_status_alloc_failed", "bad_alloc",
)  # fmt: skip
_GPU_GONE = (
    "no cuda-capable device", "device-side", "gpu is lost", "unspecified launch failure", "cuda driver",
    "cuda error", "no cuda gpus are available", "device is busy or unavailable", "cuda-capable device(s)",
    "invalid device ordinal", "cudnn_status", "cublas_status", "nvml",
)  # fmt: skip
_DAMAGED = ("pytorchstreamreader", "failed finding central directory", "invalid load key", "state_dict for")


def translate(error: BaseException, engine: str, task: str, repair: str) -> BaseException:
    """``error`` as the :class:`PipelineError` that it means; a full disk stays an ``OSError``.

    ``engine`` is what people call the engine, ``repair`` what to do about damaged weights.
    """
    if isinstance(error, PipelineError):
        return error
    text = f"{error}".strip()
    low = f"{type(error).__name__} {text}".casefold()
    if is_out_of_memory(error):
        return EngineFailed("engine.no_memory", f"task {task}: the memory did not suffice ({short(text)})")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return error
    if isinstance(error, RuntimeError) and any(words in low for words in _GPU_GONE):
        # Only what computed on a GPU can lose it, so it was there.
        return PipelineError("environment.gpu_gone", f"the GPU does not answer: {short(text)}")
    if isinstance(error, (EOFError, pickle.UnpicklingError)) or any(words in low for words in _DAMAGED):
        return EngineFailed(
            "engine.weights_missing",
            f"task {task}: weights cannot be read ({short(text)})",
            repair,
        )
    return EngineFailed("engine.failed", f"{engine}, task {task}: {type(error).__name__}: {short(text)}")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` says that the memory, of the computer or of its GPU, did not suffice."""
    low = f"{type(error).__name__} {error}".casefold()
    return isinstance(error, MemoryError) or any(words in low for words in _MEMORY)


def short(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return (lines[0] if lines else "no more is known")[:300]
