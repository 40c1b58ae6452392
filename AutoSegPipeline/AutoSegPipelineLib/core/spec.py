"""One setting or option: its type, its limits, how text becomes its value."""

from __future__ import annotations

import difflib
import math
import re
from dataclasses import dataclass
from typing import Any

from .errors import PipelineError


@dataclass(frozen=True)
class Spec:
    """One setting or option: its type, limits and help. ``unit`` is for people."""

    name: str
    kind: str  # bool, int, float, choice, text, list
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    unit: str = ""
    option: bool = False
    pattern: str = ""  # what a text, or each of a list, must look like, and in words
    shape: str = ""

    @property
    def flag(self) -> str:
        """``--settle-seconds``."""
        return "--" + self.name.replace("_", "-")

    @property
    def environment(self) -> str:
        """``AUTOSEG_SETTLE_SECONDS``."""
        return "AUTOSEG_" + self.name.upper()

    def text(self, value: Any) -> str:
        """``value`` as an environment variable holds it; :meth:`parse` reads it again."""
        return _text_of(value)

    def parse(self, value: Any, origin: str) -> Any:
        """``value`` (text or JSON) as this spec's type; ``origin`` names it in errors."""
        try:
            return _PARSERS[self.kind](self, value)
        except (TypeError, ValueError) as error:
            raise PipelineError(
                "options.invalid", f"{origin}: {self.name}: {error}", f"{self.name}: {self.help}"
            ) from None


def _text_of(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ",".join(value) if isinstance(value, (list, tuple)) else str(value)


def _bool(spec: Spec, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in ("1", "true", "yes", "on"):
        return True
    if text in ("0", "false", "no", "off"):
        return False
    raise ValueError(f"{value!r} is neither true nor false")


def _number(spec: Spec, value: Any) -> float:
    if isinstance(value, bool):
        raise ValueError(f"{value!r} is not a number")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is not a finite number")
    if spec.minimum is not None and number < spec.minimum:
        raise ValueError(f"{value!r} is below {spec.minimum:g}")
    if spec.maximum is not None and number > spec.maximum:
        raise ValueError(f"{value!r} is above {spec.maximum:g}")
    return number


def _int(spec: Spec, value: Any) -> int:
    number = _number(spec, value)
    if number != int(number):
        raise ValueError(f"{value!r} is not a whole number")
    return int(number)


def _choice(spec: Spec, value: Any) -> str:
    return _one_of(str(value).strip(), spec.choices)


def _one_of(text: str, choices: tuple[str, ...]) -> str:
    for choice in choices:
        if text.casefold() == choice.casefold():
            return choice
    raise ValueError(f"{text!r} is not one of {', '.join(choices)}{did_you_mean(text, choices)}")


def _text(spec: Spec, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not text")
    text = value.strip()
    if spec.pattern and not re.fullmatch(spec.pattern, text, re.IGNORECASE):
        near = did_you_mean(text.casefold(), spec.shape.split(", "))
        raise ValueError(f"{value!r} is not one of {spec.shape}{near}")
    return text


def _list(spec: Spec, value: Any) -> list[str]:
    items = value.split(",") if isinstance(value, str) else list(value)
    cleaned = [str(item).strip() for item in items if str(item).strip()]
    if spec.choices:
        cleaned = [_one_of(item, spec.choices) for item in cleaned]
    for item in cleaned:
        if spec.pattern and not re.fullmatch(spec.pattern, item, re.IGNORECASE):
            raise ValueError(f"{item!r} is not {spec.shape}")
    return list(dict.fromkeys(cleaned))


_PARSERS = {
    "bool": _bool,
    "int": _int,
    "float": _number,
    "choice": _choice,
    "text": _text,
    "list": _list,
}


def did_you_mean(word: str, known: Any) -> str:
    """``; did you mean 'X'?`` for the nearest of ``known``, or nothing."""
    near = difflib.get_close_matches(str(word), [str(k) for k in known], n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""
