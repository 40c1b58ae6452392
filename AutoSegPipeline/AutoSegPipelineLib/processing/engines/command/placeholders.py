"""Words of a command with placeholders, and what a case puts into them. Pure; no shell ever sees them."""

from __future__ import annotations

import re
from typing import Callable, Iterable, Mapping, Sequence

#: What may stand in a word as ``{word}``; ``{{`` and ``}}`` are braces.
PLACES = ("input", "input_folder", "output", "output_folder", "folder", "modality", "run")
_TABLES = ("device", "quality")
_PATTERN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")
_BRACES = {"{{": "{", "}}": "}"}


def check_words(
    words: Sequence[str],
    error: Callable[[str], Exception],
    device: Mapping[str, Sequence[str]] | None,
    quality: Mapping[str, Sequence[str]] | None,
) -> None:
    """Raise ``error(why)`` for a placeholder that nothing fills.

    A table whose values are lists of words can only stand alone: it is as many arguments as it has words.
    None means that the command has no such placeholder.
    """
    tables = {"device": device, "quality": quality}
    for word in words:
        for name in placeholders(word):
            if name in _TABLES:
                table = tables[name]
                if table is None:
                    raise error(f"{{{name}}} has no meaning here: {word!r}")
                several = [key for key, value in table.items() if len(value) != 1]
                if several and word != f"{{{name}}}":
                    raise error(f"{name}: the words of {several[0]!r} need {{{name}}} as a word of its own")
            elif name not in PLACES:
                known = ", ".join(f"{{{one}}}" for one in (*PLACES, *_TABLES))
                raise error(
                    f"{{{name}}} is no placeholder (known: {known}; a brace is {{{{ or }}}}): {word!r}"
                )


def placeholders(word: str) -> Iterable[str]:
    """The names in braces."""
    return [match.group(1) for match in _PATTERN.finditer(word) if match.group(0) not in _BRACES]


def fill(words: Sequence[str], values: Mapping[str, Sequence[str]]) -> list[str]:
    """The arguments: every placeholder replaced by its value; one alone may become none or several."""
    filled: list[str] = []
    for word in words:
        alone = _PATTERN.fullmatch(word)
        if alone is not None and alone.group(0) not in _BRACES:
            filled += values[alone.group(1)]
            continue
        filled.append(_PATTERN.sub(lambda m: _BRACES.get(m.group(0)) or " ".join(values[m.group(1)]), word))
    return filled
