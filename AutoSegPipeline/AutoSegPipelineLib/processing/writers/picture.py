"""``NAME.png``: the picture of the case."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ...core.progress import Report
from .load import NotWritten
from .unsound import unsound

if TYPE_CHECKING:
    from ..export_data import ExportData


def write(path: Path, data: ExportData, report: Report) -> None:
    """Copy what was drawn. Raises OSError, NotWritten where nothing could be drawn."""
    if data.picture is None:
        raise NotWritten
    shutil.copyfile(data.picture, path)


def verify(path: Path, data: ExportData) -> None:
    """The PNG begins and ends as one."""
    content = path.read_bytes()
    if not content.startswith(b"\x89PNG\r\n\x1a\n") or content[-8:-4] != b"IEND":
        raise unsound(path, "is not a complete PNG")
