"""Names in other packages that are replaced for a while and put back."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator

_ABSENT = object()


@contextmanager
def replaced(pairs: list[tuple[object, str, object]]) -> Iterator[None]:
    """Set each attribute of each object, and set what it was before at the end."""
    before = [(owner, name, getattr(owner, name, _ABSENT)) for owner, name, _ in pairs]
    try:
        for owner, name, value in pairs:
            setattr(owner, name, value)
        yield
    finally:
        for owner, name, value in reversed(before):
            if value is _ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, value)
