"""Where a value comes from: flag > AUTOSEG_* > settings.json > default; and case options."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping

from . import specs
from .engines import DECLARED
from .errors import PipelineError
from .files import read_json
from .home import Home


@dataclass(frozen=True)
class Settings:
    """Resolved values by name (options too, as the last defaults of cases) and their origins."""

    values: Mapping[str, object]
    origins: Mapping[str, str]

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    @classmethod
    def defaults(cls, **changes: object) -> Settings:
        """The defaults with ``changes``; for callers and tests without files."""
        return resolve(changes, {}, {})

    def changed(self, origin: str = "asked for", **changes: object) -> Settings:
        """These with other values for some settings. Raises ``options.*`` for a wrong one."""
        parsed = {name: specs.find(name, origin).parse(value, origin) for name, value in changes.items()}
        return Settings({**self.values, **parsed}, {**self.origins, **dict.fromkeys(parsed, origin)})


def read_settings_file(path: Path) -> dict[str, object]:
    """The object in ``settings.json``; an absent file is an empty one."""
    try:
        found = read_json(path)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise PipelineError("options.unreadable", f"{path} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise PipelineError("options.unreadable", f"{path} is not a JSON object")
    return found


def resolve(
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    written: Mapping[str, object],
    written_origin: str = "settings.json",
) -> Settings:
    """Every setting and option with its origin; an unknown or wrong one is an error that names it."""
    known = {spec.environment: spec for spec in specs.BY_NAME.values()}
    values: dict[str, object] = {}
    origins: dict[str, str] = {}
    for spec in specs.BY_NAME.values():
        values[spec.name] = list(spec.default) if spec.kind == "list" else spec.default
        origins[spec.name] = "default"

    def take(spec: specs.Spec, value: object, origin: str) -> None:
        parsed = specs.parse_options({spec.name: value}, origin, True) if spec.option else None
        values[spec.name] = parsed[spec.name] if parsed else spec.parse(value, origin)
        origins[spec.name] = origin

    for name, value in written.items():
        take(specs.find(name, written_origin), value, written_origin)
    for variable in environ:
        if variable.upper() in known:
            take(known[variable.upper()], environ[variable], variable.upper())
    for name, value in flags.items():
        if value is not None:
            take(specs.find(name, "command line"), value, specs.BY_NAME[name].flag)
    return Settings(values, origins)


def settings_of(home: Home, given: Mapping[str, object], environ: Mapping[str, str]) -> Settings:
    """The settings of ``home``: ``given`` > ``environ`` > its settings.json > default.

    The file of declared engines is named in full, so that a private home has those of the user's own.
    """
    path = home.settings_file
    found = resolve(given, environ, read_settings_file(path), str(path))
    declared = found[DECLARED.name] or home.engines_file
    return Settings({**found.values, DECLARED.name: os.path.abspath(declared)}, found.origins)


def resolve_options(settings: Settings, *layers: Mapping[str, object]) -> dict[str, object]:
    """All options of one case: the first of ``layers`` that has one wins, then the settings.

    Callers pass caller, ``NAME.options.json``, folder's ``options.json`` and rule in this order,
    each already through :func:`.specs.parse_options`.
    """
    resolved = {name: settings[name] for name in specs.OPTION_NAMES}
    for layer in reversed(layers):
        resolved.update(layer)
    return resolved
