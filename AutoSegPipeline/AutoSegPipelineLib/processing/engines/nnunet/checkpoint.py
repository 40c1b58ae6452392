"""Reading a checkpoint without running what may be in it.

``torch.save`` writes a pickle, and a pickle may name any function to be called. ``weights_only`` makes
torch refuse every name that is not a tensor's; nnU-Net's own checkpoints need numpy's numbers besides.
"""

from __future__ import annotations

import pickle
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ....core.errors import EngineFailed, PipelineError

if TYPE_CHECKING:
    import torch

OLDEST_TORCH = (2, 6)  # before, weights_only could be got round (CVE-2025-32434)
_BLOCKED = re.compile(r"(?:GLOBAL|class|global)[: ]+`?([A-Za-z_][\w.]*)")
_UNSAFE = (
    "unsupported global",
    "unsupported class",
    "not an allowed global",
    "unsupported operand",
    "blocklist",
)
_DAMAGED = (
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    AttributeError,
    ImportError,
    TypeError,
    LookupError,
    ArithmeticError,
    struct.error,
)
_ALL_FROM_NUMPY = "?bBhHiIlLqQefd"  # numbers; never objects


@dataclass(frozen=True)
class Checkpoint:
    """What a prediction takes from a checkpoint; ``mirroring`` are axes, None for none."""

    weights: dict[str, torch.Tensor]
    trainer: str
    configuration: str
    mirroring: tuple[int, ...] | None


def read_checkpoint(path: Path, shown: str, trusted: bool = False) -> Checkpoint:
    """What nnU-Net saved, on the CPU.

    Raises ``engine.checkpoint_unsafe`` where it could run code and is not ``trusted``, and
    ``model.invalid`` where it cannot be read; ``shown`` is what messages call it.
    """
    import torch

    if not trusted:
        check_torch(torch.__version__)
    try:
        if trusted:
            found = torch.load(path, map_location="cpu", weights_only=False)
        else:
            with torch.serialization.safe_globals(_allowed()):
                found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        text = str(error)
        if not trusted and any(words in text.casefold() for words in _UNSAFE):
            raise unsafe(shown, text) from error
        raise _damaged(shown, error) from error
    except _DAMAGED as error:
        raise _damaged(shown, error) from error
    try:
        axes = found.get("inference_allowed_mirroring_axes")
        return Checkpoint(
            found["network_weights"],
            str(found["trainer_name"]),
            str(found["init_args"]["configuration"]),
            tuple(int(axis) for axis in axes) if axes else None,
        )
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise PipelineError("model.invalid", f"{shown} is no checkpoint of nnunetv2") from error


def check_torch(version: str) -> None:
    """Raise ``engine.not_available`` for a torch whose safe reading is not safe."""
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if numbers < OLDEST_TORCH:
        oldest = ".".join(map(str, OLDEST_TORCH))
        raise EngineFailed(
            "engine.not_available",
            f"torch {version} cannot read checkpoints safely; own models need torch {oldest} or later",
        )


def unsafe(shown: str, text: str) -> EngineFailed:
    """The error for a checkpoint that names what is not data."""
    # The help that torch adds speaks of these calls; what was refused stands last.
    names = _BLOCKED.findall(text.partition("WeightsUnpickler error")[2] or text)
    what = f" (it asks for {names[0]})" if names else ""
    return EngineFailed(
        "engine.checkpoint_unsafe", f"{shown} holds more than numbers and could run a program when read{what}"
    )


def _damaged(shown: str, error: Exception) -> PipelineError:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return PipelineError("model.invalid", f"{shown} cannot be read: {lines[0][:300]}")


def _allowed() -> list[object]:
    """numpy's scalars under the names of numpy 1 and 2, and what their pickles need."""
    import codecs

    import numpy as np

    scalar = np.float64(0).__reduce__()[0]  # its module moved with numpy 2
    return [
        (scalar, "numpy.core.multiarray.scalar"),
        (scalar, "numpy._core.multiarray.scalar"),
        np.dtype,
        *{type(np.dtype(letter)) for letter in _ALL_FROM_NUMPY},
        codecs.encode,
    ]
