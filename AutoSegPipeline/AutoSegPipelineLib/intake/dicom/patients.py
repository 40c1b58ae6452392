"""Whether instances name two patients; what an anonymiser emptied contradicts nothing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Iterable


@dataclass(frozen=True)
class Patient:
    """Who an instance says it shows, as hashes; ``""`` where it says nothing."""

    id: str = ""
    issuer: str = ""
    name: str = ""
    birth: str = ""

    @classmethod
    def of(cls, identity: str, issuer: str, name: str, birth: str) -> Patient:
        """From the words of the header."""
        return cls(_hash(identity), _hash(issuer), _hash(name.strip("^ ").casefold()), _hash(birth))

    @property
    def key(self) -> str:
        """One word for the patient; names are spelled in many ways and only count without an identifier."""
        return _hash(f"{self.id} {self.issuer}") if self.id else _hash(f"{self.name} {self.birth}".strip())


def two_patients(patients: Iterable[Patient]) -> bool:
    """Whether ``patients`` contradict each other."""
    every = set(patients)
    if _several(one.id for one in every) or _several(one.issuer for one in every):
        return True
    if all(one.id for one in every):
        return False
    return _several(one.name for one in every) or _several(one.birth for one in every)


def _several(words: Iterable[str]) -> bool:
    return len({word for word in words if word}) > 1


def _hash(text: str) -> str:
    text = text.strip()
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16] if text else ""
