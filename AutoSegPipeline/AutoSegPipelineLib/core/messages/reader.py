"""Dataclasses from JSON values and back: each field is checked once, where a message enters.

Understood are ``str``, ``int``, ``float``, ``bool``, ``object`` (any JSON value), ``Optional`` and
``Union``, ``List``, ``Dict`` with text keys, ``Tuple``, other dataclasses and ``TypedDict`` classes.
The classes spell these with ``Optional`` and not ``|``: Python 3.9 evaluates the annotations.

Keys that no field has are ignored, so that either side may be newer. A ``TypedDict`` keeps them.
"""

from __future__ import annotations

import dataclasses
import math
from functools import cache
from typing import (
    Any,
    Callable,
    Mapping,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from ..errors import PipelineError

M = TypeVar("M")
_Convert = Callable[[object, str], object]
_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


class ProtocolError(PipelineError):
    """A line or a message that is not of the protocol."""

    def __init__(self, message: str) -> None:
        super().__init__("worker.protocol", message)

    def __reduce__(self) -> tuple[type[ProtocolError], tuple[str]]:
        return (ProtocolError, (self.message,))


def read(kind: type[M], values: object, name: str = "") -> M:
    """The ``kind`` (a dataclass or ``TypedDict``) that the JSON ``values`` describe.

    ``name`` stands before the names of fields in errors. Raises :class:`ProtocolError`, which
    names the field, when a required one is missing or one has a value of another type.
    """
    hint: Any = kind
    converter: _Convert = _converter(hint)
    return cast(M, converter(values, name or kind.__name__))


def plain(message: object) -> dict[str, object]:
    """The JSON object of a dataclass, the inverse of :func:`read`."""
    values = _plain(message)
    if not isinstance(values, dict):
        raise TypeError(f"{type(message).__name__} is no dataclass")
    return values


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


@cache
def _converter(hint: Any) -> _Convert:
    """What checks a value against one annotation; made once for each."""
    if hint is object:
        return lambda value, name: value
    if hint in _WORDS:
        return _scalar(hint)
    if hint is type(None):
        return _nothing
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Union:
        return _one_of([_converter(one) for one in sorted(inner, key=lambda one: one is not type(None))])
    if origin is list:
        return _list(_converter(inner[0]))
    if origin is tuple:
        return _tuple([_converter(one) for one in inner if one is not ...], ... in inner)
    if origin is dict and inner[0] is str:
        return _dict(_converter(inner[1]))
    if dataclasses.is_dataclass(hint):
        return _dataclass(cast(type, hint))
    if hasattr(hint, "__required_keys__"):
        return _typed_dict(cast(type, hint))
    raise TypeError(f"a message cannot hold {hint!r}")


def _scalar(kind: type) -> _Convert:
    def convert(value: object, name: str) -> object:
        if type(value) is kind and not (isinstance(value, float) and not math.isfinite(value)):
            return value
        if kind is float and type(value) is int and abs(value) < 1 << 1000:
            return float(value)
        raise _wrong(name, _WORDS[kind], value)

    return convert


def _nothing(value: object, name: str) -> None:
    if value is not None:
        raise _wrong(name, "null", value)


def _one_of(choices: list[_Convert]) -> _Convert:
    def convert(value: object, name: str) -> object:
        for choice in choices[:-1]:
            try:
                return choice(value, name)
            except ProtocolError:
                pass  # the last choice says what was expected
        return choices[-1](value, name)

    return convert


def _list(item: _Convert) -> _Convert:
    def convert(value: object, name: str) -> object:
        if not isinstance(value, list):
            raise _wrong(name, "a list", value)
        return [item(one, f"{name}[{number}]") for number, one in enumerate(value)]

    return convert


def _tuple(items: list[_Convert], any_length: bool) -> _Convert:
    def convert(value: object, name: str) -> object:
        if not isinstance(value, (list, tuple)):
            raise _wrong(name, "a list", value)
        expected = items * len(value) if any_length else items
        if len(value) != len(expected):
            raise ProtocolError(f"{name} has {len(value)} values, not {len(expected)}")
        pairs = enumerate(zip(expected, value))
        return tuple(item(one, f"{name}[{number}]") for number, (item, one) in pairs)

    return convert


def _dict(item: _Convert) -> _Convert:
    def convert(value: object, name: str) -> object:
        return {key: item(one, f"{name}.{key}") for key, one in as_object(value, name).items()}

    return convert


def _dataclass(kind: type) -> _Convert:
    hints = get_type_hints(kind)
    fields = [(field.name, _converter(hints[field.name])) for field in dataclasses.fields(kind) if field.init]
    required = {field.name for field in dataclasses.fields(kind) if _is_required(field)}

    def convert(value: object, name: str) -> object:
        given = as_object(value, name)
        _require(required, given, name)
        return kind(**{key: item(given[key], f"{name}.{key}") for key, item in fields if key in given})

    return convert


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _typed_dict(kind: type) -> _Convert:
    fields = {key: _converter(hint) for key, hint in get_type_hints(kind).items()}
    required: frozenset[str] = kind.__required_keys__  # type: ignore[attr-defined]

    def convert(value: object, name: str) -> object:
        given = as_object(value, name)
        _require(required, given, name)
        return {
            key: fields[key](one, f"{name}.{key}") if key in fields else one for key, one in given.items()
        }

    return convert


def as_object(value: object, name: str) -> dict[str, object]:
    """``value``, which must be a JSON object; raises :class:`ProtocolError`."""
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise _wrong(name, "an object", value)
    return value


def _require(required: set[str] | frozenset[str], given: Mapping[str, object], name: str) -> None:
    missing = sorted(required - set(given))
    if missing:
        raise ProtocolError(f"{name}.{missing[0]} is missing")


def _wrong(name: str, wanted: str, value: object) -> ProtocolError:
    return ProtocolError(f"{name} is not {wanted}: {value!r:.80}")
