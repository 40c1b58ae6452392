"""Complete folders of objects, de-identified and re-identified."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Iterable

from ...core.errors import PipelineError
from ...core.home import Home
from ...core.pacs.config import Privacy
from .deidentify import Changed, deidentify_file, reidentify_file
from .table import FILE, Pseudonyms


@dataclass
class Outcome:
    """What was written, and what was not: files with the reason."""

    written: list[Changed] = field(default_factory=list)
    left: list[tuple[Path, PipelineError]] = field(default_factory=list)

    @property
    def pseudonyms(self) -> list[str]:
        """Of the patients of what was written, each once."""
        return sorted({one.pseudonym for one in self.written})


def table_of(home: Home, privacy: Privacy) -> Pseudonyms:
    """The table that ``dicom.json`` names; made where it is missing. Close it."""
    path = Path(privacy.table) if privacy.table else home.state / FILE
    if not path.parent.is_dir():
        raise PipelineError("pacs.configuration", f"privacy.table: there is no folder {path.parent}")
    return Pseudonyms(path, privacy.prefix)


def deidentify_all(paths: Iterable[Path], folder: Path, table: Pseudonyms) -> Outcome:
    """Each file of ``paths`` (folders with all that lies in them) without its identity, below ``folder``."""
    return _each(paths, folder, lambda path: deidentify_file(path, folder, table))


def reidentify_all(paths: Iterable[Path], folder: Path, table: Pseudonyms, by: str) -> Outcome:
    """Each file with its identity; the table notes that ``by`` asked for it."""
    return _each(paths, folder, lambda path: reidentify_file(path, folder, table, by))


def _each(paths: Iterable[Path], folder: Path, change: Callable[[Path], Changed]) -> Outcome:
    files = files_in(paths)
    target = folder.resolve()
    outcome = Outcome()
    for path in files:
        if target in path.resolve().parents:  # written by an earlier call
            continue
        try:
            outcome.written.append(change(path))
        except PipelineError as error:
            if error.code == "dicom.no_anonymizer":
                raise
            outcome.left.append((path, error))
    return outcome


def files_in(paths: Iterable[Path]) -> list[Path]:
    """The files of ``paths`` in order, those of folders at any depth; links are not followed."""
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise PipelineError("input.missing", f"{path} is not there")
        inside = sorted(one for one in path.rglob("*") if one.is_file() and not one.is_symlink())
        found += inside if path.is_dir() else [path]
    return found
