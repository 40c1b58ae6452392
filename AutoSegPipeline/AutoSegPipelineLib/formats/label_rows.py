"""The rows of a label table while it is read, and what they mean in the end."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Sequence

from ..core.errors import PipelineError
from ..core.segmentation import Code, Colour

# BIDS writes n/a for what a row does not say.
NOTHING = ("n/a", "na", "none", "nan")


@dataclass(frozen=True)
class Entry:
    """One row: label ``value``, ``name`` and, where given, the sRGB colour in 0..1.

    ``region`` are the labels whose union the structure is (nnU-Net); then ``value`` is 0.
    ``codes`` are what the table states of its meaning, by the field of
    :class:`~..core.segmentation.Segment`.
    """

    value: int
    name: str
    colour: Colour | None = None
    region: tuple[int, ...] = ()
    codes: tuple[tuple[str, Code], ...] = ()


@dataclass(frozen=True)
class RawColour:
    """Red, green and blue as written; ``most`` is the largest that they may be, 0 where the table decides."""

    channels: tuple[float, float, float]
    most: float
    line: int


class Rows:
    """Collects rows and makes errors that name the line."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._rows: list[tuple[Entry, RawColour | None]] = []
        self._by_value: dict[int, str] = {}

    def error(self, line: int, why: str) -> PipelineError:
        """What is wrong, with the line where there is one."""
        place = f"{self.name}, line {line}" if line else self.name
        return PipelineError("export.bad_table", f"{place}: {why}")

    def add(
        self,
        line: int,
        value: str,
        name: str,
        colour: RawColour | None = None,
        codes: Sequence[tuple[str, Code]] = (),
    ) -> None:
        """A row; background, a repeated row and a row without a name (``n/a``) are passed by."""
        if not re.fullmatch(r"\d+(\.0*)?", value.strip()):
            raise self.error(line, f"{value.strip()!r} is not a label value (a whole number)")
        number, text = int(float(value)) if "." in value else int(value), " ".join(name.split())
        if number == 0 or text.casefold() in NOTHING:
            return
        if not text:
            raise self.error(line, f"label {number} has no name")
        known = self._by_value.get(number)
        if known is None:
            self._by_value[number] = text
            self._rows.append((Entry(number, text, codes=tuple(codes)), colour))
        elif known != text:
            raise self.error(line, f"label {number} is there twice")

    def add_region(self, name: str, values: Sequence[int], colour: RawColour | None = None) -> None:
        """A structure that is the union of the labels ``values``."""
        text = " ".join(name.split())
        if text:
            self._rows.append((Entry(0, text, region=tuple(sorted({*values}))), colour))

    def entries(self) -> list[Entry]:
        """The rows with their colours. Raises ``export.bad_table`` for one that is out of range."""
        given = [colour for _, colour in self._rows if colour is not None]
        free = [max(colour.channels) for colour in given if not colour.most]
        # A table where nothing is above 1 counts from 0 to 1: as 0 to 255 it would be all black.
        scale = 1.0 if free and 0 < max(free) <= 1.0 else 255.0
        return [
            entry if colour is None else replace(entry, colour=self._scaled(colour, scale))
            for entry, colour in self._rows
        ]

    def _scaled(self, colour: RawColour, scale: float) -> Colour:
        most = colour.most or scale
        if max(colour.channels) > most or min(colour.channels) < 0:
            text = " ".join(format(channel, "g") for channel in colour.channels)
            raise self.error(colour.line, f"the colour {text} is outside 0 to 255")
        red, green, blue = (channel / most for channel in colour.channels)
        return (red, green, blue)


def channels(rows: Rows, line: int, parts: Sequence[str]) -> RawColour:
    """Three numbers as a colour."""
    try:
        red, green, blue = (float(part) for part in parts)
    except ValueError:
        raise rows.error(line, f"{' '.join(parts)!r} is not a colour") from None
    return RawColour((red, green, blue), 0.0, line)


def colour_of(rows: Rows, line: int, text: str) -> RawColour | None:
    """``#rrggbb``, ``#rrggbbaa``, ``#rgb``, ``0xrrggbb``, ``r g b``, ``rgba(...)``; None for nothing."""
    text = text.strip()
    if not text or text.casefold() in NOTHING:
        return None
    match = re.fullmatch(r"(?:#|0x)?([0-9a-f]{6})(?:[0-9a-f]{2})?", text, re.IGNORECASE)
    short = re.fullmatch(r"#([0-9a-f]{3})[0-9a-f]?", text, re.IGNORECASE)
    if match or short:
        digits = match.group(1) if match else "".join(2 * c for c in short.group(1)) if short else ""
        red, green, blue = (float(int(digits[n : n + 2], 16)) for n in (0, 2, 4))
        return RawColour((red, green, blue), 255.0, line)
    parts = re.findall(r"[\d.]+", text)
    if len(parts) not in (3, 4) or re.search(r"[a-zA-Z]", re.sub(r"^rgba?", "", text)):
        raise rows.error(line, f"{text!r} is not a colour (#rrggbb or r g b from 0 to 255)")
    return channels(rows, line, parts[:3])
