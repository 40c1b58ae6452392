"""Changing ``settings.json`` of a home, as the panel does it."""

from __future__ import annotations

from pathlib import Path
from typing import Mapping

from ..core import specs
from ..core.files import write_json
from ..core.settings import read_settings_file


def change_settings(path: Path, values: Mapping[str, object]) -> None:
    """Write ``values`` by name, None takes one out; what stands there otherwise stays.

    Raises ``options.*`` and ``request.unknown_setting`` before anything is written.
    """
    written = read_settings_file(path)
    for name, value in values.items():
        spec = specs.find(name, "panel")
        if value is None:
            written.pop(name, None)
        elif spec.option:
            written[name] = specs.parse_options({name: value}, "panel")[name]
        else:
            written[name] = spec.parse(value, "panel")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_json(path, written)
