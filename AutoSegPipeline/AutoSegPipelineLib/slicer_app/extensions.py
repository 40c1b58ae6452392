"""Which of Slicer's extensions are there, and the words for one that is missing."""

from __future__ import annotations

import importlib.util
import os
from typing import Any

import slicer

from ..core.errors import PipelineError

# Slicer's module -> the extension that brings it, as the Extensions Manager calls it.
EXTENSIONS = {
    "TotalSegmentator": "TotalSegmentator",
    "OpenAnatomyExport": "SlicerOpenAnatomy",
    "Decimation": "SurfaceToolbox",
}
_PACKAGES = ("torch", "totalsegmentator")
_GET = "In Slicer: View, Extensions Manager, install {extension}, restart Slicer."
_SET_UP = (
    "Press Install... under Installed and downloaded in the module AutoSeg Pipeline, or run "
    "TotalSegmentator once from its own module."
)


def has_module(name: str) -> bool:
    """Whether this Slicer has a module of this name."""
    return hasattr(slicer.modules, name.lower())


def missing_for(engine: bool, exporter: bool) -> PipelineError | None:
    """The first thing that the in-process engine or exporter lacks, and how to get it."""
    wanted = (["TotalSegmentator"] if engine else []) + (
        ["OpenAnatomyExport", "Decimation"] if exporter else []
    )
    for module in wanted:
        if not has_module(module):
            extension = EXTENSIONS[module]
            what = "engine slicer" if module == "TotalSegmentator" else "exporter openanatomy"
            return PipelineError(
                "engine.extension_missing",
                f"{what} needs Slicer's extension {extension}, which is not installed",
                _GET.format(extension=extension),
            )
    lacking = [name for name in _PACKAGES if engine and importlib.util.find_spec(name) is None]
    if lacking:
        return PipelineError(
            "engine.extension_missing",
            f"the extension TotalSegmentator has not installed its Python packages ({', '.join(lacking)})",
            _SET_UP,
        )
    return None


def version_of(module: str) -> str:
    """The revision that the Extensions Manager knows of the module's extension, else nothing."""
    manager: Any = getattr(slicer.app, "extensionsManagerModel", None)
    if manager is None:
        return ""
    metadata = manager().extensionMetadata(EXTENSIONS[module])
    return str(metadata.get("revision") or metadata.get("scmrevision") or "") if metadata else ""


def share_models() -> None:
    """Where the extension keeps its models in a folder of its own choice, our workers look there, too."""
    if not has_module("TotalSegmentator"):
        return
    # Slicer's getModuleLogic would build the extension's panel, which adds a node to the user's scene.
    logic = getattr(getattr(slicer.modules, "TotalSegmentatorWidget", None), "logic", None)
    if logic is None:
        from TotalSegmentator import TotalSegmentatorLogic

        logic = TotalSegmentatorLogic()
    chosen = getattr(logic, "totalSegmentatorWeightsPath", None)
    if chosen:
        os.environ["TOTALSEG_WEIGHTS_PATH"] = str(chosen)
