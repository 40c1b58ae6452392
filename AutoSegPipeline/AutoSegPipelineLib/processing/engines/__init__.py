"""The engines that this installation knows, and the choice among them."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from ...core.engines import ENGINES, EngineRow
from ...core.errors import EngineFailed
from ...core.specs import did_you_mean
from .base import Check, Engine, Task, describe, modalities, version_of, weights_of

__all__ = ["Check", "Engine", "Task", "choose", "describe", "engines", "version_of", "weights_of"]


def engines() -> dict[str, Engine]:
    """Every engine by name, the preferred one first, whether or not it can work here."""
    from .command import declared_engines

    known: list[Engine] = [*(_new(row) for row in ENGINES if row.engine), *declared_engines()]
    return {engine.name: engine for engine in sorted(known, key=lambda e: -e.rank)}


def _new(row: EngineRow) -> Engine:
    module, _, name = row.engine.rpartition(".")
    return cast(Engine, getattr(import_module(f"{__name__}.{module}"), name)())


def choose(name: str, modality: str = "", scan: str = "") -> Engine:
    """The engine called ``name``; ``auto`` is the best that works here and takes ``modality``.

    ``scan`` is what messages call the scan. Raises :class:`EngineFailed`
    ``engine.unknown``, ``engine.not_available`` (with what it lacks) or, for `auto`,
    ``engine.wrong_modality``.
    """
    known = engines()
    wanted = (name or "auto").strip().casefold()
    if wanted == "auto":
        return _best(known, modality, scan)
    if wanted not in known:
        words = ", ".join(["auto", *known])
        raise EngineFailed(
            "engine.unknown", f"there is no engine {name!r} (known: {words}){did_you_mean(wanted, known)}"
        )
    engine = known[wanted]
    check = engine.check()
    if not check.ok:
        raise EngineFailed("engine.not_available", f"engine {engine.name}: {_lack(check)}")
    return engine


def _best(known: dict[str, Engine], modality: str, scan: str) -> Engine:
    lacks = []
    for engine in known.values():
        if engine.rank < 0:
            continue
        check = engine.check()
        takes = modalities(engine)
        if not check.ok:
            lacks.append(f"{engine.name}: {_lack(check)}")
        elif not modality or modality in takes or "" in takes:
            return engine
        else:
            lacks.append(f"{engine.name} takes {' and '.join(sorted(takes))} only")
    code = "engine.wrong_modality" if modality else "engine.not_available"
    what = f"{scan} is {modality}: no" if scan and modality else "no"
    raise EngineFailed(
        code, f"{what} engine here can segment {modality or 'this'} ({'; '.join(lacks)})", _remedy(modality)
    )


def _remedy(modality: str) -> str | None:
    """How to get an engine for ``modality``; None where nothing that can be installed takes it."""
    commands = [f"`python3 autoseg.py install {row.install}`"
                for row in ENGINES if row.install and (not modality or modality in row.takes)]  # fmt: skip
    if not commands:
        return None
    return f"Install an engine that takes {modality or 'it'}: {' or '.join(commands)}."


def _lack(check: Check) -> str:
    if check.missing:
        return ", ".join(check.missing) + " is missing"
    return check.note or "it does not work here"
