"""The error of a result file that was opened again and is not what was written."""

from __future__ import annotations

from pathlib import Path

from ...core.errors import PipelineError


def unsound(path: Path, why: str) -> PipelineError:
    """``export.verification`` about the file ``path``."""
    return PipelineError("export.verification", f"{path.name}: {why}")
