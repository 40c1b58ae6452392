"""Which device is meant, in the package's words, and whether it is there."""

from __future__ import annotations

import re
from types import ModuleType

from ....core.errors import EngineFailed, PipelineError

WORDS = "auto, cpu, gpu, gpu:N, mps"


def resolve(wanted: str, had_gpus: int = 0) -> str:
    """``cpu``, ``gpu``, ``gpu:N`` or ``mps``.

    Only ``auto`` falls back to the CPU: who asks for a GPU and gets none would
    else wait for hours. Nor does ``auto`` fall back where ``had_gpus`` GPUs were there
    before: that is ``environment.gpu_gone``. Else raises ``engine.no_gpu`` or ``options.invalid``.
    """
    import torch

    word = (wanted or "auto").strip().casefold()
    if word == "cpu":
        return "cpu"
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if word == "auto":
        if had_gpus and not count:
            raise _gone(torch, count)
        return "gpu" if count else "cpu"
    if word == "mps":
        if not _mps(torch):
            raise EngineFailed("engine.no_gpu", "device mps was asked for, but there is no Apple GPU here")
        return "mps"
    match = re.fullmatch(r"gpu(?::(\d{1,3}))?", word)
    if match is None:
        raise PipelineError("options.invalid", f"device: {wanted!r} is not one of {WORDS}")
    number = int(match.group(1) or 0)
    if count <= number < had_gpus:
        raise _gone(torch, count)
    if number >= count:
        raise EngineFailed("engine.no_gpu", f"device {word} was asked for, but {_there(torch, count)}")
    return word if number else "gpu"


def _gone(torch: ModuleType, count: int) -> PipelineError:
    return PipelineError("environment.gpu_gone", f"a GPU was here and is gone: {_there(torch, count)}")


def facts() -> dict[str, object]:
    """``gpus``: how many; ``device``: what the words of the option come to."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return {"gpus": count, "device": {"auto": "gpu" if count else "cpu", "gpu:0": "gpu"}}


def _mps(torch: ModuleType) -> bool:
    backend = getattr(torch.backends, "mps", None)
    return bool(backend is not None and backend.is_available())


def _there(torch: ModuleType, count: int) -> str:
    if count:
        names = ", ".join(f"gpu:{n} ({torch.cuda.get_device_name(n)})" for n in range(count))
        return f"only {names} is there"
    built = "knows no CUDA" if torch.version.cuda is None else f"is for CUDA {torch.version.cuda}"
    return f"torch sees no GPU (torch {torch.__version__} {built})"


def describe() -> str:
    """The device that ``auto`` takes here, for people."""
    import torch

    if torch.cuda.is_available():
        return f"computes on the GPU {torch.cuda.get_device_name(0)}"
    if torch.version.cuda is None:
        return "computes on the CPU; this build of torch knows no GPU"
    return "computes on the CPU; torch sees no GPU"
