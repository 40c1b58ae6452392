"""Study and series of a data set from its first bytes, for the association: nothing else is decoded there."""

from __future__ import annotations

import struct
import zlib

from .offered import DEFLATED, EXPLICIT_BIG, IMPLICIT_LITTLE

# The elements up to there are some KB; private ones before it may hold more.
HEAD = 1 << 16
STUDY, SERIES = 0x0020000D, 0x0020000E
# Representations whose length has four bytes (PS3.5, 7.1.2).
LONG = frozenset((b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"SQ", b"UC", b"UR", b"UT", b"UN", b"SV", b"UV"))
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_DEEPEST = 32


class NotFound(Exception):
    """The bytes do not say it; the complete file may."""


def uids_of(head: memoryview, syntax: str) -> tuple[str, str]:
    """(study instance UID, series instance UID); raises :class:`NotFound`."""
    if syntax == DEFLATED:
        try:
            head = memoryview(zlib.decompressobj(-zlib.MAX_WBITS).decompress(head, HEAD))
        except zlib.error as error:
            raise NotFound(str(error)) from error
    walk = _Walk(head, syntax == IMPLICIT_LITTLE, syntax == EXPLICIT_BIG)
    study = ""
    try:
        while True:
            tag, length = walk.element()
            if tag > SERIES:
                raise NotFound("no series instance UID")
            if tag == STUDY:
                study = walk.text(length)
            elif tag == SERIES:
                return study, walk.text(length)
            else:
                walk.skip(length)
    except (struct.error, UnicodeDecodeError) as error:
        raise NotFound(str(error)) from error


class _Walk:
    """Goes from element to element; struct.error where the bytes end."""

    def __init__(self, data: memoryview, implicit: bool, big: bool) -> None:
        self._data, self._implicit = data, implicit
        order = ">" if big else "<"
        self._tag = struct.Struct(order + "HH")
        self._short = struct.Struct(order + "H")
        self._long = struct.Struct(order + "L")
        self._place = 0

    def element(self) -> tuple[int, int]:
        """Tag and length of the element that begins here."""
        data, place = self._data, self._place
        group, number = self._tag.unpack_from(data, place)
        if self._implicit or group == 0xFFFE:
            self._place = place + 8
            return group << 16 | number, self._long.unpack_from(data, place + 4)[0]
        if bytes(data[place + 4 : place + 6]) in LONG:
            self._place = place + 12
            return group << 16 | number, self._long.unpack_from(data, place + 8)[0]
        self._place = place + 8
        return group << 16 | number, self._short.unpack_from(data, place + 6)[0]

    def text(self, length: int) -> str:
        value = bytes(self._data[self._place : self._place + length])
        if len(value) != length:
            raise NotFound("ends within a value")
        self._place += length
        return value.decode("ascii").strip("\0 ")

    def skip(self, length: int, depth: int = 0) -> None:
        """Go behind the value, which may be a sequence of undefined length."""
        if length != _UNDEFINED:
            self._place += length
            return
        if depth > _DEEPEST:
            raise NotFound("sequences too deep")
        while True:
            tag, inner = self.element()
            if tag == _SEQUENCE_END:
                return
            if tag != _ITEM:
                raise NotFound("a sequence without items")
            if inner == _UNDEFINED:
                self._item(depth)
            else:
                self._place += inner

    def _item(self, depth: int) -> None:
        while True:
            tag, length = self.element()
            if tag == _ITEM_END:
                return
            self.skip(length, depth + 1)
