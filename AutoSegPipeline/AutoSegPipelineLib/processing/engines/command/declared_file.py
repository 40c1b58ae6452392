"""``engines.json``: read again where it changed; a mistake in one program hides no other."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from ....core.engines import DECLARED
from ....core.errors import PipelineError
from ....core.files import unique_keys
from ..ownership import check_owner
from .declaration import Declaration, declaration

_MOST_BYTES = 1 << 20


@dataclass
class Declared:
    """The programs of a file, and what is wrong with the others: name (empty: the file) -> error."""

    engines: list[Declaration] = field(default_factory=list)
    errors: dict[str, PipelineError] = field(default_factory=dict)


def declared_file() -> Path | None:
    """The file that this process was given in its environment, by the pipeline or the administrator."""
    path = os.environ.get(DECLARED.environment, "")
    return Path(path) if path else None


def read_declared(path: Path | None) -> Declared:
    """Every declaration in the file, and every mistake; an absent file declares none. Raises nothing."""
    found = Declared()
    if path is None:
        return found
    try:
        document = _document(path)
    except FileNotFoundError:
        return found
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        found.errors[""] = PipelineError("engine.declaration_invalid", f"{path} cannot be read: {why}")
        return found
    except PipelineError as error:
        found.errors[""] = error
        return found
    for name, given in document.items():
        try:
            found.engines.append(declaration(name, given, path.parent))
        except PipelineError as error:
            found.errors[name] = error
    return found


def _document(path: Path) -> dict[str, object]:
    """The object in the file; raises also for one that others than the administrator may write."""
    # What is checked is what is read: the open file, not its name. Opening a pipe must not wait for a writer.
    number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with open(number, encoding="utf-8-sig") as stream:
        state = os.fstat(number)
        if not stat.S_ISREG(state.st_mode) or state.st_size > _MOST_BYTES:
            raise PipelineError("engine.declaration_invalid", f"{path} is no file of declarations")
        check_owner(path, state, "engine.declaration_invalid", "the programs are not run")
        document = json.load(stream, object_pairs_hook=unique_keys)
    if not isinstance(document, dict):
        raise PipelineError("engine.declaration_invalid", f"{path} is not a JSON object: name -> declaration")
    return document
