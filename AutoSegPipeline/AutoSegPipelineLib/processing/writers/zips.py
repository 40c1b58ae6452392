"""Archives of one file per structure: safe names and the same bytes each time."""

from __future__ import annotations

import re
import unicodedata
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .unsound import unsound

if TYPE_CHECKING:
    from ..export_data import ExportData

DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}


def file_names(names: Sequence[str]) -> list[str]:
    """For each name one that every file system takes, different from the others whatever the case."""
    taken: set[str] = set()
    found = []
    for name in names:
        plain = unicodedata.normalize("NFC", name)
        plain = re.sub(r"[^\w.+-]+", "_", plain).strip("._")[:60] or "structure"
        if plain.split(".")[0].casefold() in DEVICES:
            plain = "_" + plain
        candidate, number = plain, 2
        while candidate.casefold() in taken:
            candidate, number = f"{plain}-{number}", number + 1
        taken.add(candidate.casefold())
        found.append(candidate)
    return found


def verify_archive(path: Path, ending: str, data: ExportData) -> None:
    """Raise ``export.verification`` unless the archive is sound and holds a file for each surface."""
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
        names = archive.namelist()
    if damaged is not None:
        raise unsound(path, f"{damaged} inside it is damaged")
    for name in file_names([surface.segment.name for surface in data.surfaces]):
        if name + ending not in names:
            raise unsound(path, f"lacks {name}{ending}")


def add_entry(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    """Add ``data`` under ``name`` with a fixed date, so that equal contents make equal archives."""
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o600 << 16
    archive.writestr(entry, data)
