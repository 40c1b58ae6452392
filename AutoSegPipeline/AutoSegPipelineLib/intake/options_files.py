"""Options that lie beside a scan: ``NAME.options.json`` and the nearest folder's ``options.json``."""

from __future__ import annotations

import json
import os
from typing import Any, Mapping

from ..core.errors import PipelineError
from ..core.files import unique_keys
from ..core.safe_open import open_input
from ..core.specs import parse_options
from .case_names import FOLDER_OPTIONS, OPTIONS_ENDING, without_endings

MOST_BYTES = 1 << 20


def read_options(path: str, name: str = "") -> dict[str, object]:
    """The options in ``path``, checked and as their specs' types.

    Raises ``options.unreadable`` (no JSON object, too large), ``options.unknown_key``
    (naming the nearest key), ``options.invalid``, ``input.link``, ``input.unreadable``.
    ``name`` is what messages call the file.
    """
    name = name or os.path.basename(path)
    with open_input(path, name=name) as stream:
        data = stream.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise PipelineError("options.unreadable", f"{name} is too large for options.")
    try:
        given = json.loads(data.decode("utf-8-sig"), object_pairs_hook=unique_keys)
    except (ValueError, RecursionError) as error:
        raise PipelineError("options.unreadable", f"{name} is not valid JSON: {error}.") from None
    if not isinstance(given, dict):
        raise PipelineError("options.unreadable", f"{name} holds no JSON object.")
    return dict(parse_options(given, name))


def scan_options_path(path: str) -> str | None:
    """``NAME.options.json`` beside a scan: for ``ct.nii.gz`` both ``ct`` and ``ct.nii.gz`` count as NAME."""
    folder, name = os.path.split(path)
    for stem in dict.fromkeys([name, without_endings(name)]):
        found = os.path.join(folder, stem + OPTIONS_ENDING)
        if os.path.lexists(found):
            return found
    return None


def folder_options_path(root: str, path: str) -> str | None:
    """The nearest ``options.json`` from the scan's folder up to ``root``, both included."""
    root = os.path.abspath(root)
    folder = os.path.dirname(os.path.abspath(path))
    while folder == root or folder.startswith(root.rstrip(os.sep) + os.sep):
        found = os.path.join(folder, FOLDER_OPTIONS)
        if os.path.lexists(found):
            return found
        if folder == root:
            return None
        folder = os.path.dirname(folder)
    return None


class Layers:
    """Options files that came with a folder or archive, by the names that their source gave them.

    ``resolved`` are the options without any of them; ``caller`` is the layer that
    wins over files (None: files are found, but hold for nothing here).
    """

    def __init__(self, resolved: Mapping[str, object], caller: Mapping[str, object] | None) -> None:
        self._resolved = resolved
        self._caller = caller
        self._paths: dict[str, str] = {}
        self._relatives: dict[str, str] = {}
        self._names: dict[str, str] = {}

    def add(self, label: str, path: str, relative: str) -> None:
        """The file at ``path`` is called ``label`` by its source (with slashes), ``relative`` in the job."""
        self._paths[label] = path
        self._relatives[path] = relative
        self._names[path] = os.path.basename(label)

    def relatives(self, *paths: str | None) -> list[str]:
        """Names in the job, so that a case of many can be tried again with its options files."""
        return [self._relatives[path] for path in paths if path in self._relatives]

    def nearest(self, label: str) -> str | None:
        """``options.json`` of the scan's folder, or of the nearest one above that has it."""
        folder = label
        while folder:
            folder = folder.rpartition("/")[0]
            found = self._paths.get(f"{folder}/{FOLDER_OPTIONS}" if folder else FOLDER_OPTIONS)
            if found:
                return found
        return None

    def of_series(self, label: str) -> str | None:
        """``SERIES.options.json`` beside the folder SERIES in which the slice ``label`` lies."""
        return self._paths.get(label.rpartition("/")[0] + OPTIONS_ENDING)

    def options(self, *paths: str | None) -> dict[str, Any]:
        """All options with the files at ``paths``, the strongest last. Raises as :func:`read_options`."""
        found = dict(self._resolved)
        if self._caller is not None:
            for path in paths:
                found.update(read_options(path, self._names.get(path, "")) if path else {})
            found.update(self._caller)
        return found


def options_for(root: str, path: str) -> dict[str, object]:
    """Options of the files for the scan at ``path`` below the inbox ``root``.

    ``{"scan_file", "scan", "folder_file", "folder"}``: where each layer lies
    (``None``: nowhere) and what it says. Raises as :func:`read_options`.
    """
    scan, folder = scan_options_path(path), folder_options_path(root, path)
    return {
        "scan_file": scan,
        "scan": read_options(scan) if scan else {},
        "folder_file": folder,
        "folder": read_options(folder) if folder else {},
    }
