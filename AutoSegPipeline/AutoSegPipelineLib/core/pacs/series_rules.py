"""Which series of a study are processed, by rules, with a reason for each that is not.

An ordered list; the first rule whose conditions all hold decides about a series::

    [
      {"name": "no reformats", "when": {"image_type": "*MPR*"}, "take": false},
      {"name": "thin axial slices",
       "when": {"modality": "CT", "orientation": "axial", "kernel": ["B3*", "Br*"],
                "thickness": {"at_most": 1.5}, "slices": {"at_least": 40}},
       "best": 1, "by": ["thickness", "-slices"]}
    ]

A text is matched by one pattern or one of a list (as in ``rules.json``), a number lies between
``at_least`` and ``at_most``. What a header does not say holds for no condition. ``best`` keeps so many
series of those that one rule takes in a study, ``by`` the smallest value of each fact in turn, or with
``-`` the largest. A series that no rule speaks of is not taken; without any rules each is. What can be no
scan is never taken. Pure: no file is read here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, Sequence, Union

from ..errors import PipelineError
from ..rules import Condition
from ..spec import did_you_mean
from .series_facts import NUMBERS, TEXTS, UNITS, SeriesFacts

USUAL_ORDER = ("thickness", "-slices", "number")
_KEYS = ("name", "when", "take", "best", "by")
_BOUNDS = ("at_least", "at_most")
_MOST_BEST = 1000


@dataclass(frozen=True)
class Range:
    """``fact`` lies between two numbers, both of them allowed."""

    fact: str
    at_least: float | None
    at_most: float | None


Wanted = Union[Condition, Range]


@dataclass(frozen=True)
class SeriesRule:
    """A row of ``choose``, checked; ``best`` is 0 where it takes all."""

    name: str
    when: tuple[Wanted, ...]
    take: bool = True
    best: int = 0
    by: tuple[str, ...] = USUAL_ORDER


@dataclass(frozen=True)
class Verdict:
    """Whether a series is taken, by which rule, and why not.

    ``code`` is ``taken``, ``no_scan``, ``left_by_rule``, ``no_rule`` or ``not_best``.
    """

    series: SeriesFacts
    code: str
    reason: str
    rule: str = ""

    @property
    def taken(self) -> bool:
        """Whether it is processed."""
        return self.code == "taken"

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "taken": self.taken, "code": self.code, "reason": self.reason, "rule": self.rule,
            "series": self.series.to_dict(),
        }  # fmt: skip


def choose_series(rules: Sequence[SeriesRule], study: Iterable[SeriesFacts]) -> list[Verdict]:
    """A verdict on each series of one study, in the order of their numbers."""
    ordered = sorted(study, key=lambda one: (one.number is None, one.number or 0, one.uid))
    verdicts = [_alone(rules, one) for one in ordered]
    for rule in rules:
        if rule.take and rule.best:
            _keep_best(rule, verdicts)
    return verdicts


def why_not(rule: SeriesRule, series: SeriesFacts) -> list[str]:
    """The conditions of ``rule`` that do not hold, in words; empty where all do."""
    return [text for text in (_missed(wanted, series) for wanted in rule.when) if text]


def _alone(rules: Sequence[SeriesRule], series: SeriesFacts) -> Verdict:
    """The verdict without a look at the other series of the study."""
    if series.no_scan:
        return Verdict(series, "no_scan", series.no_scan)
    missed = []
    for rule in rules:
        against = why_not(rule, series)
        if against:
            if rule.take:
                missed.append(f"rule {rule.name!r}: {'; '.join(against)}")
            continue
        if rule.take:
            return Verdict(series, "taken", f"rule {rule.name!r} takes it", rule.name)
        return Verdict(series, "left_by_rule", _left(rule, series), rule.name)
    if not rules:
        return Verdict(series, "taken", "there are no rules, so each scan is taken")
    return Verdict(series, "no_rule", "no rule takes it" + "".join(f"; {text}" for text in missed))


def _left(rule: SeriesRule, series: SeriesFacts) -> str:
    held = [f"{wanted.fact} {series.shown(wanted.fact)}" for wanted in rule.when]
    because = f", because of {', '.join(held)}" if held else ""
    return f"rule {rule.name!r} leaves it out{because}"


def _keep_best(rule: SeriesRule, verdicts: list[Verdict]) -> None:
    """Of the series that ``rule`` takes, only the best stay taken; changes ``verdicts``."""
    places = [place for place, one in enumerate(verdicts) if one.taken and one.rule == rule.name]
    places.sort(key=lambda place: _rank(rule, verdicts[place].series))
    kept = [verdicts[place].series for place in places[: rule.best]]
    for place in places[rule.best :]:
        series = verdicts[place].series
        verdicts[place] = Verdict(series, "not_best", _surpassed(rule, series, kept), rule.name)


def _rank(rule: SeriesRule, series: SeriesFacts) -> tuple[tuple[bool, float], ...]:
    """Smaller is better; what a header does not say comes last."""
    values = []
    for word in rule.by:
        value = series.amount(word.lstrip("-"))
        values.append((value is None, 0.0 if value is None else -value if word.startswith("-") else value))
    return tuple(values)


def _surpassed(rule: SeriesRule, series: SeriesFacts, kept: Sequence[SeriesFacts]) -> str:
    last = kept[-1]
    for word in rule.by:
        fact = word.lstrip("-")
        if series.amount(fact) != last.amount(fact):
            own, better = series.shown(fact) or "not stated", last.shown(fact)
            how = f"its {fact} is {own}, theirs {better}" if len(kept) > 1 else f"{fact} {own}, not {better}"
            break
    else:
        how = "it is equal in all that the rule compares"
    best = f"{last.name} is better" if len(kept) == 1 else f"{len(kept)} other series are better"
    return f"rule {rule.name!r} takes the best {rule.best} of the study, and {best} ({how})"


def _missed(wanted: Wanted, series: SeriesFacts) -> str:
    """Why a condition does not hold, or ``""``."""
    if isinstance(wanted, Condition):
        values = series.texts(wanted.fact)
        if wanted.matched_by(values):
            return ""
        patterns = ", ".join(wanted.patterns)
        if not values:
            return f"{wanted.fact} is not stated (wanted {patterns})"
        return f"{wanted.fact} {series.shown(wanted.fact)!r} does not match {patterns}"
    value, unit = series.amount(wanted.fact), UNITS[wanted.fact]
    if value is None:
        return f"{wanted.fact} is not stated"
    if wanted.at_least is not None and value < wanted.at_least:
        return f"{wanted.fact} {value:g}{unit} is below {wanted.at_least:g}{unit}"
    if wanted.at_most is not None and value > wanted.at_most:
        return f"{wanted.fact} {value:g}{unit} is above {wanted.at_most:g}{unit}"
    return ""


# --- the rows of dicom.json --------------------------------------------------------------------


def parse_series_rules(rows: object, origin: str) -> tuple[SeriesRule, ...]:
    """The rules of one entry; ``origin`` names it. Raises ``options.unknown_key`` and ``options.invalid``."""
    if not isinstance(rows, list):
        raise PipelineError("options.invalid", f"{origin}: choose is a JSON list of rules")
    rules: list[SeriesRule] = []
    for number, row in enumerate(rows, 1):
        rule = _rule(row, f"{origin}, rule {number}")
        if any(rule.name == other.name for other in rules):
            raise PipelineError("options.invalid", f"{origin}: two rules are called {rule.name!r}")
        rules.append(rule)
    return tuple(rules)


def _rule(row: object, here: str) -> SeriesRule:
    given = _object(row, here, _KEYS, "a rule")
    name = given.get("name")
    if not isinstance(name, str) or not name.strip():
        raise PipelineError("options.invalid", f"{here}: a rule has a name")
    here = f"{here} {name!r}"
    take, best = given.get("take", True), given.get("best", 0)
    if not isinstance(take, bool):
        raise PipelineError("options.invalid", f"{here}: take is true or false")
    if isinstance(best, bool) or not isinstance(best, int) or not 0 <= best <= _MOST_BEST:
        raise PipelineError("options.invalid", f"{here}: best is a number of series; 0 takes all")
    if not take and (best or "by" in given):
        raise PipelineError("options.invalid", f"{here}: a rule that takes nothing has no best and no by")
    if "by" in given and not best:
        raise PipelineError("options.invalid", f"{here}: by needs best, the number of series to keep")
    return SeriesRule(name, _conditions(given.get("when"), here), take, best, _order(given.get("by"), here))


def _object(value: object, here: str, keys: Iterable[str], what: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise PipelineError("options.invalid", f"{here}: {what} is a JSON object")
    known = tuple(keys)
    for key in value:
        if key not in known:
            near = did_you_mean(key, known)
            raise PipelineError(
                "options.unknown_key", f"{here}: there is no {key!r}{near}", f"Known: {', '.join(known)}."
            )
    return value


def _order(value: object, here: str) -> tuple[str, ...]:
    if value is None:
        return USUAL_ORDER
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, list) or not words:
        raise PipelineError("options.invalid", f"{here}: by is a list of facts")
    for word in words:
        if not isinstance(word, str) or word.lstrip("-") not in NUMBERS or word.startswith("--"):
            near = did_you_mean(str(word), NUMBERS)
            hint = f"Known: {', '.join(NUMBERS)}, each also with - before it."
            raise PipelineError("options.invalid", f"{here}: by cannot be {word!r}{near}", hint)
    return tuple(words)


def _conditions(value: object, here: str) -> tuple[Wanted, ...]:
    given = _object(value, here, (*TEXTS, *NUMBERS), "`when`")
    return tuple(
        _range(fact, wanted, here) if fact in NUMBERS else _patterns(fact, wanted, here)
        for fact, wanted in given.items()
    )


def _patterns(fact: str, value: object, here: str) -> Condition:
    given = [value] if isinstance(value, str) else value
    if isinstance(given, list) and given and all(isinstance(one, str) and one.strip() for one in given):
        return Condition(fact, tuple(given))
    raise PipelineError("options.invalid", f"{here}: {fact} is a pattern or a list of patterns")


def _range(fact: str, value: object, here: str) -> Range:
    if not isinstance(value, dict):
        raise PipelineError("options.invalid", f'{here}: {fact} needs {{"at_least": 1, "at_most": 2}}')
    given = _object(value, f"{here}, {fact}", _BOUNDS, fact)
    bounds: dict[str, float | None] = {}
    for name in _BOUNDS:
        number = given.get(name)
        if number is not None and (isinstance(number, bool) or not isinstance(number, (int, float))):
            raise PipelineError("options.invalid", f"{here}: {name} of {fact} is a number")
        bounds[name] = number
    low, high = bounds["at_least"], bounds["at_most"]
    if low is None and high is None:
        raise PipelineError("options.invalid", f"{here}: {fact} needs at_least, at_most or both")
    if low is not None and high is not None and low > high:
        raise PipelineError("options.invalid", f"{here}: {fact} has at_least above at_most")
    return Range(fact, low, high)
