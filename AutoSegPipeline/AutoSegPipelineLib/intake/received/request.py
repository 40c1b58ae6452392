"""What an upload is to become: case options and a few words of its own, checked before bytes are taken."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Iterable

from ...core.errors import PipelineError
from ...core.files import unique_keys
from ...core.spec import did_you_mean
from ...core.specs import OPTION_NAMES, parse_options
from ..case_names import safe_stem

# Beside the case options; ``csrf`` belongs to the page's own form.
WORDS = ("options", "name", "expect", "batch", "csrf", "csrf_token")
EXPECTED = ("scan", "segmentation")
_BATCH = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


@dataclass
class UploadRequest:
    """``name`` is the stem of the results, ``expect`` a scan or a finished segmentation."""

    options: dict[str, Any] = field(default_factory=dict)
    name: str = ""
    expect: str = "scan"
    batch: str = ""

    def add(self, pairs: Iterable[tuple[str, str]], origin: str, strict: bool = True) -> None:
        """Take names and values of a query, a form or tus metadata.

        Raises ``options.unknown_key`` with the nearest name, ``options.invalid``, ``request.invalid``.
        Without ``strict`` names that are no option are passed over.
        """
        for name, value in pairs:
            if name == "options":
                self.options.update(_json_options(value, origin))
            elif name == "name":
                self.name = safe_stem(value) if value.strip() else ""
            elif name == "expect":
                self.expect = _expected(value, origin)
            elif name == "batch":
                self.batch = batch_id(value)
            elif name not in WORDS and (strict or name in OPTION_NAMES):
                # An empty field of a form means that nothing was chosen.
                given = {name: value} if value.strip() or name not in OPTION_NAMES else {}
                self.options.update(parse_options(given, origin))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"options": self.options, "name": self.name, "expect": self.expect, "batch": self.batch}


def batch_id(value: str) -> str:
    """``value`` if it can name a batch. Raises ``request.invalid``."""
    if not 8 <= len(value) <= 64 or not _BATCH.issuperset(value):
        raise PipelineError("request.invalid", "batch: give 8 to 64 letters, digits, - or _", status=422)
    return value


def read_json_options(text: str, origin: str) -> dict[str, Any]:
    """Options from JSON text. Raises ``options.unreadable`` and as :func:`~...core.specs.parse_options`."""
    try:
        given = json.loads(text, object_pairs_hook=unique_keys)
    except (ValueError, RecursionError) as error:
        raise PipelineError("options.unreadable", f"{origin} is not valid JSON: {error}") from None
    if not isinstance(given, dict):
        raise PipelineError("options.unreadable", f"{origin} holds no JSON object")
    return dict(parse_options(given, origin))


def _json_options(value: str, origin: str) -> dict[str, Any]:
    return read_json_options(value, f"{origin}: options") if value.strip() else {}


def _expected(value: str, origin: str) -> str:
    text = value.strip().lower()
    if text not in EXPECTED:
        raise PipelineError(
            "request.invalid",
            f"{origin}: expect is one of {', '.join(EXPECTED)}{did_you_mean(text, EXPECTED)}",
            status=422,
        )
    return text
