"""Every written file is opened again before the case counts as done."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Sequence

from ..core.errors import PipelineError
from ..core.files import sha256
from ..core.messages.worker_messages import Output
from ..core.progress import Report
from ..core.result_formats import BY_KIND
from .export_data import ExportData
from .writers.load import load
from .writers.unsound import unsound

__all__ = ["verify_outputs"]


def verify_outputs(data: ExportData, outputs: Sequence[Output], report: Report) -> None:
    """Open each of ``outputs`` again; raises ``export.verification`` naming the file."""
    for number, output in enumerate(outputs):
        report.progress(number / len(outputs), f"checking {output.name}")
        path = data.case.out / output.name
        try:
            _check(data, output, path)
        except (OSError, EOFError, ValueError, KeyError, zlib.error, zipfile.BadZipFile) as error:
            raise unsound(path, f"cannot be read back: {error}") from error
        except PipelineError as error:
            if error.code == "export.verification":
                raise
            raise unsound(path, error.message) from error


def _check(data: ExportData, output: Output, path: Path) -> None:
    if path.stat().st_size != output.size or sha256(path) != output.sha256:
        raise unsound(path, "has other bytes than were written")
    load(BY_KIND[output.kind]).verify(path, data)
