"""Options that lie beside a scan: ``NAME.options.json`` and the nearest folder's ``options.json``."""

from __future__ import annotations

import json
import os
from typing import Any

from ..core.errors import PipelineError
from ..core.specs import parse_options
from .names import FOLDER_OPTIONS, OPTIONS_ENDING, without_endings
from .opening import open_input

MOST_BYTES = 1 << 20


def read_options(path: str) -> dict[str, Any]:
    """The options in ``path``, checked and as their specs' types.

    Raises ``options.unreadable`` (no JSON object, too large), ``options.unknown_key``
    (naming the nearest key), ``options.invalid``, ``input.link``, ``input.unreadable``.
    """
    name = os.path.basename(path)
    with open_input(path) as stream:
        data = stream.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise PipelineError("options.unreadable", f"{name} is too large for options.")
    try:
        given = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise PipelineError("options.unreadable", f"{name} is not valid JSON: {error}.") from None
    if not isinstance(given, dict):
        raise PipelineError("options.unreadable", f"{name} holds no JSON object.")
    return dict(parse_options(given, name))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} is there twice")
        found[key] = value
    return found


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


def options_for(root: str, path: str) -> dict[str, Any]:
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
