"""The catalogue of TotalSegmentator 2.15 and later, from ``registry`` and ``map_tasks_config``."""

from __future__ import annotations

from typing import Any

from .known_tasks import Catalogue, Known, Mode, default_first, package_version

_MODES = {"normal": "default", "fast": "fast", "fastest": "fastest"}


def read() -> Catalogue:
    """Ask the package; a task whose weights it cannot name is left out."""
    from totalsegmentator import map_tasks_config, registry

    folders = {
        number: str(info["foldername"])
        for number, info in map_tasks_config.TASK_ID_WEIGHTS_CONFIGS.items()
        if isinstance(number, int)
    }
    tasks = {}
    for name in registry.TASKS:
        config = map_tasks_config.TASK_CONFIGS.get(name)
        known = config and _known(name, config, registry)
        if known and all(number in folders for mode in known.modes.values() for number in mode.models):
            tasks[name] = known
    return Catalogue(package_version(), default_first(tasks), folders, "registry")


def _known(name: str, config: dict[str, Any], registry: Any) -> Known:
    modes = {}
    for quality, theirs in _MODES.items():
        mode = config["sub_modes"].get(theirs) if "sub_modes" in config else config
        # A task without modes computes the same whatever is asked for.
        if mode is not None and ("sub_modes" in config or quality == "normal"):
            modes[quality] = Mode(numbers(mode["task_id"]), millimetres(mode.get("resample")))
    crop = config.get("crop") or ()
    return Known(
        name=name,
        modality=registry.task_modality(name),
        classes=dict(registry.get_task_classes(name)),
        modes=modes,
        licence=bool(registry.requires_license(name) or config.get("commercial")),
        parts=parts(name),
        crop=(crop,) if isinstance(crop, str) else tuple(crop),
        crop_task=str(config.get("crop_model") or ""),
        robust=bool(config.get("robust_crop")),
        extra=(305,) if name == "vertebrae_pp_refined" else (),
    )


def numbers(task_id: Any) -> tuple[int, ...]:
    """One or several models."""
    return tuple(task_id) if isinstance(task_id, (list, tuple)) else (task_id,)


def millimetres(resample: Any) -> float | None:
    """The edge of a cube as large as a voxel; None: as the scan."""
    if resample is None:
        return None
    edges = [float(resample)] * 3 if isinstance(resample, (int, float)) else [float(mm) for mm in resample]
    return round(float((edges[0] * edges[1] * edges[2]) ** (1 / 3)), 6)


def parts(name: str) -> dict[int, frozenset[str]]:
    """Which structures each model of a task finds, where the package splits it."""
    from totalsegmentator import map_to_binary as maps

    tables = {
        "total": ("class_map_5_parts", "map_taskid_to_partname_ct"),
        "total_v3": ("class_map_5_parts_total_v3", "map_taskid_to_partname_ct_v3"),
        "total_mr": ("class_map_parts_mr", "map_taskid_to_partname_mr"),
        "headneck_muscles": ("class_map_parts_headneck_muscles", "map_taskid_to_partname_headneck_muscles"),
    }
    if name not in tables or not all(hasattr(maps, table) for table in tables[name]):
        return {}
    classes, numbers = (getattr(maps, table) for table in tables[name])
    return {number: frozenset(classes[part].values()) for number, part in numbers.items() if part in classes}
