"""The catalogue of TotalSegmentator before 2.15, from ``map_to_binary`` and from what its code says.

These versions know classes and licences as data; the weights of a task and its qualities stand in
their code (:mod:`.written`). A task that is not found there offers every quality that its kind has in
some version, and what it lacks shows when the package refuses it, before anything is computed.
"""

from __future__ import annotations

from . import written
from .known_tasks import Catalogue, Known, Mode, default_first, package_version
from .registry import millimetres, numbers, parts

# Helpers in the table of classes that are no tasks of their own, and models never published.
_NO_TASKS = ("total_v1", "covid", "test", "total_highres_test")
_MR_TOO = ("brain_aneurysm",)  # its own message says so


def read() -> Catalogue:
    """Ask the package."""
    from totalsegmentator import map_to_binary

    licensed = getattr(map_to_binary, "commercial_models", {})
    settings, folders = written.settings(), written.folders()
    tasks = {}
    for name, classes in map_to_binary.class_map.items():
        if name in _NO_TASKS or name.endswith("_auxiliary"):
            continue
        own = settings.get(name) or {}
        modes = {quality: _mode(values) for quality, values in own.items()} or _guessed(name)
        normal = own.get("normal") or {}
        crop = normal.get("crop") or ()
        tasks[name] = Known(
            name=name,
            modality="MR" if name.endswith("_mr") or name in _MR_TOO else "CT",
            classes=dict(classes),
            modes=modes,
            licence=name in licensed,
            parts=parts(name),
            crop=(crop,) if isinstance(crop, str) else tuple(crop),
            crop_task=str(normal.get("crop_model") or ""),
            robust=bool(normal.get("robust_crop")),
        )
    return Catalogue(package_version(), default_first(tasks), folders, "class_map")


def _mode(values: dict[str, object]) -> Mode:
    return Mode(numbers(values["task_id"]), millimetres(values.get("resample")))


def _guessed(name: str) -> dict[str, Mode]:
    several = name.startswith(("total", "body"))
    return {quality: Mode() for quality in (("normal", "fast", "fastest") if several else ("normal",))}
