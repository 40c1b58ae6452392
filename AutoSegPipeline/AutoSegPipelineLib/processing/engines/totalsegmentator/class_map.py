"""The catalogue of TotalSegmentator before 2.15, from ``map_to_binary`` alone.

These versions know classes and licences as data, but tell the weights of a task
and its qualities only while they run. So every task offers every quality, and
what a task lacks shows when the package refuses it, before anything is computed.
"""

from __future__ import annotations

from .catalogue import Catalogue, Known, Mode, default_first, package_version

# Helpers in the table of classes that are no tasks of their own, and models never published.
_NO_TASKS = ("total_v1", "covid", "test", "total_highres_test")


def read() -> Catalogue:
    """Ask the package."""
    from totalsegmentator import map_to_binary

    licensed = getattr(map_to_binary, "commercial_models", {})
    tasks = {}
    for name, classes in map_to_binary.class_map.items():
        if name in _NO_TASKS or name.endswith("_auxiliary"):
            continue
        modes = {quality: Mode() for quality in ("normal", "fast", "fastest")}
        if not name.startswith(("total", "body")):
            del modes["fast"], modes["fastest"]
        tasks[name] = Known(
            name=name,
            modality="MR" if name.endswith("_mr") else "CT",
            classes=dict(classes),
            modes=modes,
            licence=name in licensed,
        )
    return Catalogue(package_version(), default_first(tasks), {}, "class_map")
