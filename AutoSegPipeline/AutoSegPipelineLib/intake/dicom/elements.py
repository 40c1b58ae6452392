"""Values of one DICOM data set, read from its bytes and not by pydicom's rules for them.

Files in use write decimal commas, pad with NUL, end a value with a backslash and give numbers
a representation of their own; what can be read without a doubt is read.
"""

from __future__ import annotations

import math
import re
import struct
import warnings
from typing import TYPE_CHECKING, Iterable

from ...formats.dicom_seg.errors import BROKEN, damaged

if TYPE_CHECKING:
    from pydicom import Dataset

_BINARY = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "UV": "Q", "SV": "q"}
_NUMBER = re.compile(r"([+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+))(?:[eEdD]([+-]?\d+))?")
_PADDING = " \0\t\r\n"


class BadValue(Exception):
    """A needed value that is no number; the words name tag, keyword and value."""


class Elements:
    """Reads values of ``data`` by keyword; what had to be mended or was not used is written down.

    By keyword, ``mended`` has the decimal string that should stand there, ``remarks`` words for a warning.
    """

    def __init__(self, data: Dataset, mended: dict[str, str], remarks: dict[str, str]) -> None:
        self._data = data
        self._mended = mended
        self._remarks = remarks

    def present(self, keyword: str) -> bool:
        """Whether the element is there with a value, or as a sequence with an item."""
        try:
            return bool(self._data.get(keyword))
        except BROKEN:
            return bool(self.code(keyword))

    def words(self, keyword: str) -> tuple[str, ...]:
        """The values without padding; a backslash at the end adds none."""
        parts = [part.strip(_PADDING) for part in self._raw(keyword).split("\\")]
        while parts and not parts[-1]:
            parts.pop()
        return tuple(parts)

    def code(self, keyword: str) -> str:
        """All values as one text, without padding; for codes and numbers, which are ASCII."""
        return "\\".join(self.words(keyword))

    def uid(self, keyword: str) -> str:
        """A UID, or ``""`` where there is none: words like ANONYMIZED or 0 name nothing (PS3.5, 9.1)."""
        return usable_uid(self.code(keyword))

    def prose(self, keyword: str) -> str:
        """Text in the data set's character set."""
        try:
            value = self._data.get(keyword)
        except BROKEN:  # a character set that is wrong fails in many ways
            return self.code(keyword)
        return "" if value is None else str(value).strip(_PADDING)

    def numbers(self, keyword: str, count: int) -> tuple[float, ...] | None:
        """``count`` finite numbers, ``None`` where there are none; raises :class:`BadValue`."""
        words = self.words(keyword)
        if not any(words):
            return None
        if len(words) != count:
            raise BadValue(f"{self._named(keyword)} has {len(words)} values instead of {count}")
        found = [self._number(keyword, word) for word in words]
        text = self._raw(keyword).rstrip(_PADDING)
        if "," in text or text.endswith("\\") or self._kind(keyword) not in ("DS", "IS"):
            self._mended[keyword] = "\\".join(_decimal(word, value) for word, value in zip(words, found))
        if "," in text:
            self._remarks[keyword] = f"{self._named(keyword)} was read with decimal commas"
        return tuple(found)

    def number(self, keyword: str) -> float | None:
        """One number, or ``None``; raises :class:`BadValue`."""
        found = self.numbers(keyword, 1)
        return None if found is None else found[0]

    def integer(self, keyword: str, default: int) -> int:
        """A needed integer, of which ``12.0`` is one; raises :class:`BadValue`."""
        words = self.words(keyword)
        return int(self._number(keyword, words[0])) if any(words) else default

    def spare(self, keyword: str) -> float | None:
        """A number that may be missing: one that cannot be read is left out, with a remark."""
        words = self.words(keyword)
        if not any(words):
            return None
        try:
            return self._number(keyword, words[0])
        except BadValue as error:
            self._remarks[keyword] = f"{error} and was not used"
            return None

    def _number(self, keyword: str, word: str) -> float:
        match = _NUMBER.fullmatch(word)
        if match is not None:
            value = float(match[1].replace(",", ".") + "e" + (match[2] or "0"))
            if math.isfinite(value):
                return value
        raise BadValue(f"{self._named(keyword)} is no number")

    def _named(self, keyword: str) -> str:
        """``PixelSpacing (0028,0030) "7,500"``, no longer than a line."""
        from pydicom.datadict import tag_for_keyword

        tag = tag_for_keyword(keyword) or 0
        text = "".join(letter if letter.isprintable() else "?" for letter in self.code(keyword)[:80])
        return f'{keyword} ({tag >> 16:04X},{tag & 0xFFFF:04X}) "{text}"'

    def _kind(self, keyword: str) -> str:
        """The value representation that the file gives, or implies by giving none."""
        from pydicom.datadict import dictionary_VR, tag_for_keyword

        tag = tag_for_keyword(keyword) or 0
        return str(getattr(self._data.get_item(tag), "VR", None) or dictionary_VR(tag))

    def _raw(self, keyword: str) -> str:
        """The values as text, divided by backslashes."""
        from pydicom.datadict import dictionary_VR, tag_for_keyword

        tag = tag_for_keyword(keyword)
        if tag is None or tag not in self._data:
            return ""
        element = self._data.get_item(tag)
        value: object = getattr(element, "value", None)
        if value is None:
            return ""
        if not isinstance(value, (bytes, bytearray)):
            many = not isinstance(value, str) and hasattr(value, "__iter__")
            return "\\".join(str(one) for one in value) if many else str(value)  # type: ignore[attr-defined]
        kind = self._kind(keyword)
        letter = _BINARY.get(dictionary_VR(tag)[:2] if kind == "UN" else kind[:2])
        if letter is None:
            return value.decode("latin-1")
        order = "<" if getattr(element, "is_little_endian", True) else ">"
        size = struct.calcsize(letter)
        count = len(value) // size
        return "\\".join(repr(one) for one in struct.unpack(f"{order}{count}{letter}", value[: count * size]))


def elements_of(path: str, keywords: Iterable[str]) -> Elements:
    """Some elements of a file, for what a decision may do without: a damaged file has none of them."""
    import pydicom

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            data = pydicom.dcmread(path, stop_before_pixels=True, force=True, specific_tags=list(keywords))
        except damaged():
            return Elements(pydicom.Dataset(), {}, {})
    return Elements(data, {}, {})


def usable_uid(text: str) -> str:
    """``text`` where it can name something: digits with dots, leading zeros allowed; else ``""``."""
    text = text.strip(_PADDING)
    return text if "." in text and re.search(r"\d", text) else ""


def _decimal(word: str, value: float) -> str:
    """A decimal string of at most 16 characters (PS3.5, 6.2)."""
    text = word.replace(",", ".")
    return text if len(text) <= 16 and "d" not in text.lower() else f"{value:.9g}"
