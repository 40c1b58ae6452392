"""What the option ``device`` means for a declared program: words of its command, and which GPUs it sees."""

from __future__ import annotations

import shutil
import subprocess
from functools import lru_cache

from ....core.errors import EngineFailed
from .declaration import Declaration

_CPU, _GPU = "cpu", "gpu"
_USUAL = {"cpu": ("cpu",), "gpu": ("cuda",), "mps": ("mps",)}
_SECONDS = 15.0


def resolve(declared: Declaration, wanted: str) -> str:
    """``cpu``, ``gpu``, ``gpu:N`` or ``mps``; ``auto`` is a GPU that is here and that the program takes.

    Raises ``engine.no_gpu`` for a device that the declaration does not have.
    """
    word = (wanted or "auto").strip().casefold()
    known = _known(declared)
    if word == "auto":
        usual = _CPU if _CPU in known else known[0]
        return _GPU if _GPU in known and has_gpu() else usual
    kind = word.partition(":")[0]
    if kind not in known:
        text = f"{declared.name} is not declared for device {word} (field device: {', '.join(known)})"
        raise EngineFailed("engine.no_gpu", text)
    return word


def words(declared: Declaration, device: str) -> tuple[str, ...]:
    """What ``{device}`` becomes."""
    kind = device.partition(":")[0]
    if not declared.device:
        return _USUAL[kind]
    return tuple(declared.device.get(kind, declared.device.get("auto", ())))


def variables(device: str) -> dict[str, str]:
    """What keeps CUDA to that device, whatever the program does."""
    if device == _CPU:
        return {"CUDA_VISIBLE_DEVICES": ""}
    kind, _, number = device.partition(":")
    return {"CUDA_VISIBLE_DEVICES": number} if kind == _GPU and number else {}


def _known(declared: Declaration) -> tuple[str, ...]:
    """A program whose command has no ``{device}`` chooses itself, among what it sees."""
    if declared.device:
        return tuple(word for word in declared.device if word != "auto") or (_CPU,)
    return tuple(_USUAL) if "{device}" in declared.uses else (_CPU, _GPU)


@lru_cache(maxsize=1)
def has_gpu() -> bool:
    """Whether NVIDIA's driver lists a GPU."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return False
    try:
        done = subprocess.run(
            [program, "-L"], capture_output=True, text=True, errors="replace", timeout=_SECONDS,
            stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and "GPU" in done.stdout
