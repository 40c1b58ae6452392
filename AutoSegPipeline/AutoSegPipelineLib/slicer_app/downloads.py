"""What was downloaded for this module, and how each part of it is removed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path

from ..core.engines import BACK_END_PACKAGE, ENGINES, EngineRow
from ..core.home import Home
from ..processing.engines.networks.back_ends import kept
from .package_install import packages_folder
from .panel.texts import _

_MB = 1 << 20
_ENGINES = f"{__name__.split('.')[0]}.processing.engines"


@dataclass(frozen=True)
class Download:
    """Either a ``folder`` to remove or Python ``packages`` to uninstall."""

    title: str
    size: int  # bytes; 0: not known
    folder: Path | None = None
    packages: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """For people: what, where, how much."""
        where = str(self.folder) if self.folder else ", ".join(self.packages)
        size = f", {max(1, self.size // _MB)} MB" if self.size else ""
        return f"{self.title} ({where}{size})"


def look(home: Home) -> list[Download]:
    """Everything that is there now."""
    found = []
    own = packages_folder(home)
    if own.is_dir():
        found.append(Download(_("Packages of the full web server and PACS"), size_of(own), own))
    for row in ENGINES:
        weights = _weights_folder(row)
        if weights is not None and weights.is_dir() and any(weights.iterdir()):
            title = _("Trained models of {engine}").format(engine=row.shown)
            found.append(Download(title, size_of(weights), weights))
        there = tuple(name for name in row.pip if is_installed(name))
        if there:
            title = _("Python packages of {engine} in Slicer").format(engine=row.shown)
            found.append(Download(title, 0, None, there))
    if is_installed(BACK_END_PACKAGE):
        found.append(Download(_("OpenVINO in Slicer"), 0, None, (BACK_END_PACKAGE,)))
    converted = kept.folder()
    if converted.is_dir() and any(converted.iterdir()):
        found.append(Download(_("Networks converted for OpenVINO"), size_of(converted), converted))
    return found


def _weights_folder(row: EngineRow) -> Path | None:
    if not row.weights_folder:
        return None
    module, _dot, name = row.weights_folder.rpartition(".")
    found: Path = getattr(import_module(f"{_ENGINES}.{module}"), name)()
    return found


def is_installed(name: str) -> bool:
    """Whether Slicer's Python has the package."""
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def size_of(folder: Path) -> int:
    """Bytes of the files below ``folder``; one that vanishes meanwhile does not count."""
    total = 0
    for place, _folders, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except OSError:
                continue
    return total
