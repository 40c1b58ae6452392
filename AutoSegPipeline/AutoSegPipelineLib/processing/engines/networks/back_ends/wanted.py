"""Which back end the settings ask for, and whether it is here. Imports nothing heavy."""

from __future__ import annotations

import os
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Mapping

from .....core.engines import BACK_END, BACK_END_PACKAGE

if TYPE_CHECKING:
    from openvino import Model

AUTO, TORCH, OPENVINO, OPENVINO_F32, OPENVINO_BF16 = (
    "auto", "torch", "openvino", "openvino-f32", "openvino-bf16",
)  # fmt: skip
F32, BF16X2, BF16 = "f32", "bf16x2", "bf16"  # precisions: 24, 16 and 8 bits of mantissa
INSTALL = "python3 autoseg.py install openvino"
_TELEMETRY = "openvino_telemetry"


def wanted(variables: Mapping[str, str] | None = None) -> str:
    """The setting ``back_end``: ``auto``, ``torch``, ``openvino``, ``openvino-f32`` or ``openvino-bf16``."""
    given = (os.environ if variables is None else variables).get(BACK_END.environment)
    return str(BACK_END.parse(given, BACK_END.environment)) if given else str(BACK_END.default)


def openvino_version() -> str:
    """The version that is installed; empty for none."""
    try:
        return metadata.version(BACK_END_PACKAGE)
    except metadata.PackageNotFoundError:
        return ""


def facts() -> dict[str, object]:
    """``back_end``: what may compute networks on the CPU in place of torch; nothing where nothing may."""
    version = openvino_version()
    if not version or wanted() == TORCH:
        return {}
    precision = {OPENVINO_BF16: f" {BF16}", OPENVINO_F32: f" {F32}"}.get(wanted(), "")
    return {"back_end": f"openvino {version}{precision}"}


def openvino() -> ModuleType:
    """The module, without its usage statistics: a package of its own sends them, even on import.

    Raises ImportError, and OSError where a library of its own is missing.
    """
    if OPENVINO not in sys.modules:
        sys.modules.setdefault(_TELEMETRY, None)  # type: ignore[arg-type]  # as if it were not there
    import openvino

    return openvino


def read_network(path: Path) -> Model:
    """The network in a file, which may be removed afterwards. Raises RuntimeError for a broken one."""
    core = openvino().Core()
    core.set_property({"ENABLE_MMAP": "NO"})  # Windows could not remove a file in use
    return core.read_model(path)
