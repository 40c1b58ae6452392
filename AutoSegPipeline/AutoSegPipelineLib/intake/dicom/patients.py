"""Whether instances name two patients; what an anonymiser emptied contradicts nothing."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Iterable

from ...core.messages.found_cases import FoundCase, Refusal

_WORD = re.compile(r"\w+")
_SHORTEST = 3


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


def words_of(name: str, *others: str) -> frozenset[str]:
    """What names a patient in a text: words of the name, number, day of birth; short ones name nobody."""
    words = {word.casefold() for word in _WORD.findall(name.replace("_", " "))}
    words.update(other.strip().casefold() for other in others)
    return frozenset(word for word in words if len(word) >= _SHORTEST)


def without_words(text: str, words: Iterable[str], instead: str = "***") -> str:
    """``text`` without the patient: sites write him into descriptions and call files and folders by him."""
    longest_first = sorted(words, key=len, reverse=True)
    if not longest_first:
        return text
    pattern = "|".join(re.escape(word) for word in longest_first)
    return re.sub(rf"(?i)(?<![^\W_])(?:{pattern})(?![^\W_])", instead, text)


def take_out(words: frozenset[str], cases: Iterable[FoundCase], refusals: Iterable[Refusal]) -> None:
    """Take ``words`` out of what cases and refusals say: files and folders are called as patients are."""
    for case in cases:
        for warning in case.warnings:
            warning["message"] = without_words(warning["message"], words)
        for key, value in case.facts.items():
            if isinstance(value, str):
                case.facts[key] = without_words(value, words)
            elif isinstance(value, list):
                texts = [one if not isinstance(one, str) else without_words(one, words) for one in value]
                case.facts[key] = texts
    for refusal in refusals:
        refusal.error = {key: without_words(text, words) for key, text in refusal.error.items()}


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
