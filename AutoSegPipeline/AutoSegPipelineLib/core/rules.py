"""``rules.json``: which task and options a scan gets, by what is known of it.

An ordered list; the first rule whose conditions all hold gives its options::

    [
      {"name": "heads",
       "when": {"modality": "CT", "body_part": ["HEAD*", "*NECK*"]},
       "then": {"engine": "totalsegmentator", "task": "head_glands_cavities"}},
      {"name": "everything else", "when": {}, "then": {"quality": "fast"}}
    ]

A condition is one pattern or a list of which one must match: ``*`` any text, ``?`` one character,
``[abc]`` one of these; upper and lower case are the same. What a scan does not say matches no
pattern. Pure: nothing is read here but the file itself.
"""

from __future__ import annotations

import fnmatch
import json
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, Mapping

from . import specs
from .errors import PipelineError
from .files import unique_keys

CONDITIONS = {
    "modality": "CT or MR",
    "series_description": "what the scanner called the series (DICOM)",
    "body_part": "the body part examined (DICOM)",
    "file": "the file's or folder's name, or its path below the inbox",
    "door": "how it came in: inbox, submit, run, console, web, dicom",
}
# They decide how the scan is read, before a rule could know anything of it.
TOO_EARLY = ("assume_orientation", "min_slices", "modality")
MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class Condition:
    """``fact`` matches one of ``patterns``."""

    fact: str
    patterns: tuple[str, ...]

    def matched_by(self, values: Iterable[str]) -> bool:
        """Whether one of ``values`` matches one of the patterns."""
        plain = [_plain(value) for value in values]
        return any(
            fnmatch.fnmatchcase(value, _plain(pattern)) for value in plain for pattern in self.patterns
        )


@dataclass(frozen=True)
class Rule:
    """A row of the file, checked."""

    name: str
    when: tuple[Condition, ...]
    then: Mapping[str, object]


@dataclass(frozen=True)
class Verdict:
    """Whether one condition holds, and in words why: ``body_part 'CHEST' is none of HEAD*, *NECK*``."""

    holds: bool
    text: str


@dataclass(frozen=True)
class Outcome:
    """Whether one rule matches; ``chosen`` is the first that does."""

    rule: Rule
    matches: bool
    chosen: bool
    verdicts: tuple[Verdict, ...]


Facts = Mapping[str, Iterable[str]]


def facts_of(
    modality: str, facts: Mapping[str, object], label: str, source: str, door: str
) -> dict[str, tuple[str, ...]]:
    """What is known of one scan; empty texts are left out.

    ``facts`` are the inspection's; ``label`` is how its source called it, in an archive or folder with
    its path there; ``source`` is what was handed in: a name, or a path below the inbox.
    """
    names = [text.replace("\\", "/") for text in (label, source)]
    names += [name.rpartition("/")[2] for name in names]
    known = {
        "modality": (modality,),
        "series_description": (str(facts.get("series_description") or ""),),
        "body_part": (str(facts.get("body_part") or ""),),
        "file": tuple(dict.fromkeys(names)),
        "door": (door,),
    }
    return {name: tuple(value for value in values if value) for name, values in known.items()}


def judge(rules: Iterable[Rule], facts: Facts) -> list[Outcome]:
    """Every rule in order with its reasons."""
    found: list[Outcome] = []
    taken = False
    for rule in rules:
        verdicts = tuple(_verdict(condition, tuple(facts.get(condition.fact, ()))) for condition in rule.when)
        matches = all(verdict.holds for verdict in verdicts)
        found.append(Outcome(rule, matches, matches and not taken, verdicts))
        taken = taken or matches
    return found


def choose(rules: Iterable[Rule], facts: Facts) -> Rule | None:
    """The first rule that matches."""
    return next((outcome.rule for outcome in judge(rules, facts) if outcome.chosen), None)


def _verdict(condition: Condition, values: tuple[str, ...]) -> Verdict:
    patterns = ", ".join(condition.patterns)
    if not values:
        return Verdict(False, f"{condition.fact} is not known of this scan (wanted {patterns})")
    shown = " or ".join(repr(value) for value in values)
    if condition.matched_by(values):
        return Verdict(True, f"{condition.fact} {shown} matches {patterns}")
    return Verdict(False, f"{condition.fact} {shown} does not match {patterns}")


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold().strip()


# --- the file --------------------------------------------------------------------------------


def read_rules(path: Path) -> tuple[Rule, ...]:
    """The rules in ``path``; none where there is no such file.

    Raises ``options.unreadable``, ``options.unknown_key`` and ``options.invalid``, naming the rule.
    """
    try:
        with open(path, "rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise PipelineError("options.unreadable", f"{path} cannot be read: {error.strerror}") from error
    if len(data) > MOST_BYTES:
        raise PipelineError("options.unreadable", f"{path} is too large for rules")
    try:
        rows = json.loads(data.decode("utf-8-sig"), object_pairs_hook=unique_keys)
    except (ValueError, RecursionError) as error:
        raise PipelineError("options.unreadable", f"{path} is not valid JSON: {error}") from None
    return parse_rules(rows, path.name)


def parse_rules(rows: object, origin: str) -> tuple[Rule, ...]:
    """The rules of a parsed file; raises as :func:`read_rules`."""
    if not isinstance(rows, list):
        raise PipelineError("options.invalid", f"{origin}: rules are a JSON list of objects")
    rules: list[Rule] = []
    for number, row in enumerate(rows, 1):
        rule = _rule(row, origin, number)
        if any(rule.name == other.name for other in rules):
            raise PipelineError("options.invalid", f"{origin}: two rules are called {rule.name!r}")
        rules.append(rule)
    return tuple(rules)


def _rule(row: object, origin: str, number: int) -> Rule:
    here = f"{origin}, rule {number}"
    if not isinstance(row, dict):
        raise PipelineError("options.invalid", f"{here}: a rule is a JSON object")
    for key in row:
        if key not in ("name", "when", "then"):
            near = specs.did_you_mean(key, ("name", "when", "then"))
            raise PipelineError("options.unknown_key", f"{here}: there is no key {key!r}{near}")
    name = row.get("name")
    if not isinstance(name, str) or not name.strip():
        raise PipelineError("options.invalid", f"{here}: a rule has a name")
    here = f"{origin}, rule {name!r}"
    return Rule(name, _conditions(row.get("when"), here), _options(row.get("then"), here))


def _conditions(when: object, here: str) -> tuple[Condition, ...]:
    if not isinstance(when, dict):
        raise PipelineError("options.invalid", f"{here}: `when` is an object; {{}} matches every scan")
    found = []
    for fact, patterns in when.items():
        if fact not in CONDITIONS:
            near = specs.did_you_mean(fact, CONDITIONS)
            raise PipelineError(
                "options.unknown_key",
                f"{here}: there is no condition {fact!r}{near}",
                f"Conditions: {', '.join(CONDITIONS)}.",
            )
        given = [patterns] if isinstance(patterns, str) else patterns
        texts = isinstance(given, list) and bool(given) and all(isinstance(one, str) for one in given)
        if not texts or not all(one.strip() for one in given):
            raise PipelineError("options.invalid", f"{here}: {fact} is a pattern or a list of patterns")
        found.append(Condition(fact, tuple(given)))
    return tuple(found)


def _options(then: object, here: str) -> dict[str, object]:
    if not isinstance(then, dict) or not then:
        raise PipelineError("options.invalid", f"{here}: `then` is an object of at least one option")
    for name in TOO_EARLY:
        if name in then:
            raise PipelineError(
                "options.invalid",
                f"{here}: {name} cannot be set by a rule",
                f"{name} is needed to read the scan; give it in an options.json or as a setting.",
            )
    return specs.parse_options(then, here)
