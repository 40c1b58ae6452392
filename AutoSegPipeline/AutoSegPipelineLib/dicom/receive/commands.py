"""DIMSE command sets: Implicit VR Little Endian, group 0000 alone (PS3.7, 6.3 and Annex E)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

SUCCESS = 0x0000
OUT_OF_RESOURCES = 0xA700
NOT_UNDERSTOOD = 0xC000
CLASS_NOT_SUPPORTED = 0x0122
UNKNOWN_OPERATION = 0x0211

STORE_REQUEST, ECHO_REQUEST = 0x0001, 0x0030
NO_DATA_SET = 0x0101
_RESPONSE = 0x8000
_COMMENT_LENGTH = 64

_SOP_CLASS, _FIELD, _MESSAGE, _ANSWERED, _DATA_SET = 0x0002, 0x0100, 0x0110, 0x0120, 0x0800
_STATUS, _COMMENT, _SOP_INSTANCE = 0x0900, 0x0902, 0x1000
_ELEMENT = struct.Struct("<HHL")
_SHORT = struct.Struct("<H")
_PDU = struct.Struct(">BxLLBB")
_P_DATA = 4


@dataclass(frozen=True)
class Request:
    """A request as it came; UIDs are empty where it names none."""

    field: int
    message: int
    sop_class: str
    sop_instance: str
    has_data: bool


def read_request(data: bytes) -> Request:
    """The request in a command set; raises ValueError."""
    found: dict[int, bytes] = {}
    place = 0
    while place < len(data):
        if place + _ELEMENT.size > len(data):
            raise ValueError("a command set that ends within an element")
        group, element, length = _ELEMENT.unpack_from(data, place)
        place += _ELEMENT.size
        if group or length > len(data) - place:
            raise ValueError("a command set with an element that cannot be there")
        found[element] = data[place : place + length]
        place += length
    return Request(
        _number(found, _FIELD), _number(found, _MESSAGE), _uid(found, _SOP_CLASS), _uid(found, _SOP_INSTANCE),
        _number(found, _DATA_SET) != NO_DATA_SET,
    )  # fmt: skip


def response(context: int, request: Request, status: int, comment: str = "") -> bytes:
    """The complete PDU that answers ``request``."""
    elements = [
        _text(_SOP_CLASS, request.sop_class, b"\0"),
        _value(_FIELD, _SHORT.pack(request.field | _RESPONSE)),
        _value(_ANSWERED, _SHORT.pack(request.message)),
        _value(_DATA_SET, _SHORT.pack(NO_DATA_SET)),
        _value(_STATUS, _SHORT.pack(status)),
    ]
    if comment:
        plain = "".join(one if " " <= one <= "~" and one != "\\" else "?" for one in comment)
        elements.append(_text(_COMMENT, plain[:_COMMENT_LENGTH], b" "))
    if request.field == STORE_REQUEST:
        elements.append(_text(_SOP_INSTANCE, request.sop_instance, b"\0"))
    body = b"".join(elements)
    command = _value(0, struct.pack("<L", len(body))) + body
    return _PDU.pack(_P_DATA, len(command) + 6, len(command) + 2, context, 3) + command


def _number(found: dict[int, bytes], element: int) -> int:
    if len(found.get(element, b"")) != _SHORT.size:
        raise ValueError(f"a command set without (0000,{element:04x})")
    return int(_SHORT.unpack(found[element])[0])


def _uid(found: dict[int, bytes], element: int) -> str:
    return found.get(element, b"").rstrip(b"\0 ").decode("ascii", "replace")


def _value(element: int, value: bytes) -> bytes:
    return _ELEMENT.pack(0, element, len(value)) + value


def _text(element: int, text: str, padding: bytes) -> bytes:
    value = text.encode("ascii", "replace")
    return _value(element, value + padding if len(value) % 2 else value)
