"""``rules``: which rule chooses the options of a scan, and why."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from ...core import rules as book
from ...core.engine_list import wanted_engines
from ...core.engines import ENGINES, OWN_MODELS
from ...core.errors import PipelineError, from_dict
from ...core.messages.found_cases import FoundCase, Inspected
from ...core.messages.intake_messages import Inspect, Limits
from ...core.messages.reader import plain
from ...core.settings import resolve_options
from ...core.specs import did_you_mean
from ..extras import read_tasks
from ..flags import common, shown_value
from ..output import safe
from ..session import Session, check_name
from .jobs import as_json

_ALWAYS_SHOWN = ("engine", "task", "quality", "structures")


@click.group("rules")
def rules() -> None:
    """Which task and options a scan gets, by rules.json in the home.

    The file is a list; the first rule whose conditions all hold gives its options:

    \b
      [{"name": "heads",
        "when": {"modality": "CT", "body_part": ["HEAD*", "*NECK*"]},
        "then": {"engine": "totalsegmentator", "task": "head_glands_cavities"}}]

    \b
    Conditions: modality, series_description, body_part, file, door. Patterns: * ? [abc],
    upper and lower case alike. A flag and an options.json win over a rule, a rule over the settings.

    \b
    Examples:
      autoseg rules check
      autoseg rules test chest.dcm
    """


@rules.command("check")
@as_json
@common()
@click.pass_obj
def check_rules(session: Session, as_json: bool) -> int:
    """Check rules.json; 0 when it is right or not there."""
    path = session.home.rules_file
    found = book.read_rules(path)
    if as_json:
        session.output.document({"file": str(path), "rules": [_document(rule) for rule in found]})
    elif not path.exists():
        session.output.say(f"There are no rules ({safe(str(path))} does not exist).")
    else:
        for rule in found:
            session.output.say(f"{safe(rule.name)}: {safe(_when(rule))} -> {safe(_then(rule.then))}")
        session.output.say(f"{len(found)} rule{'s' if len(found) != 1 else ''}, all valid.")
    unknown = _unknown_tasks(session, found)
    for text in unknown:
        session.output.note(f"error: {safe(text)}", "red")
    return 1 if unknown else 0


def _unknown_tasks(session: Session, found: tuple[book.Rule, ...]) -> list[str]:
    """Tasks of rules that no engine here has; nothing where an engine that may have them is not installed."""
    wanted = [
        (rule, one.name, task)
        for rule in found
        for one in wanted_engines(rule.then.get("engine"))
        if (task := str(one.options(rule.then).get("task") or ""))
    ]
    if not wanted:
        return []
    try:
        known = read_tasks(session.settings())
    except PipelineError as error:
        session.output.note(f"Tasks were not checked: {safe(error.message)}", "yellow")
        return []
    # Own models are known without the package; there may be none.
    absent = [row for row in ENGINES if row.package and row.name != OWN_MODELS and not known.get(row.name)]
    if absent:
        names = " and ".join(row.shown for row in absent)
        verb = "are" if len(absent) > 1 else "is"
        session.output.note(f"Tasks were not checked: {names} {verb} not installed.", "yellow")
    usual = [task for name, tasks in known.items() if name != OWN_MODELS for task in tasks]
    unknown = []
    for rule, engine, task in wanted:
        if known.get(engine) or engine == OWN_MODELS:
            unknown += _lacking(rule, f"engine {engine!r}", task, known.get(engine, []))
        elif not absent:
            unknown += _lacking(rule, "no engine", task, usual)
    return unknown


def _lacking(rule: book.Rule, who: str, tasks: str, known: list[str]) -> list[str]:
    """What is to say of those ``tasks`` of ``rule`` that are not among ``known``."""
    # Several tasks in one case, each with a quality of its own: total:fast,body
    names = [word.partition(":")[0].strip() for word in tasks.split(",")]
    has = "has a task" if who == "no engine" else "has no task"
    return [
        f"rule {rule.name!r}: {who} {has} {task!r}{did_you_mean(task.casefold(), known)}"
        for task in names
        if task.casefold() not in [one.casefold() for one in known]
    ]


@rules.command("test")
@click.argument("path", metavar="FILE|FOLDER", type=click.Path(path_type=Path))
@click.option("--door", default="inbox", show_default=True, help="Pretend that it came in this way.")
@as_json
@common()
@click.pass_obj
def test_rules(session: Session, path: Path, door: str, as_json: bool) -> int:
    """Say which rule a scan would get, and why each other does not match.

    The scan is read as the pipeline would read it, and left as it is.
    Exit code 1: no scan in it can be taken.
    """
    check_name(path)
    found = book.read_rules(session.home.rules_file)
    answer = _inspect(session, path)
    documents = [_judge(session, found, case, path, door) for case in answer.cases]
    if as_json:
        session.output.document(
            {"cases": documents, "refusals": [plain(refusal) for refusal in answer.refusals]}
        )
        return 0 if documents else 1
    for document in documents:
        _show(session, document)
    for refusal in answer.refusals:
        session.output.error(from_dict(refusal.error))
    return 0 if documents else 1


def _inspect(session: Session, path: Path) -> Inspected:
    from ...intake.inspect import inspect

    if not path.exists():
        raise PipelineError("input.missing", f"{path} does not exist")
    settings = session.settings()
    with tempfile.TemporaryDirectory(prefix="autoseg-rules-") as work:
        options = resolve_options(settings)
        return inspect(Inspect(str(path), work, options, limits=Limits.of(settings)))


def _judge(
    session: Session, found: tuple[book.Rule, ...], case: FoundCase, path: Path, door: str
) -> dict[str, Any]:
    """The document of one case: facts, every rule with its reasons, the options that would hold."""
    facts = book.facts_of(case.modality, case.facts, case.label, path.name, door)
    outcomes = book.judge(found, facts)
    chosen = next((outcome.rule for outcome in outcomes if outcome.chosen), None)
    options = resolve_options(session.settings(), chosen.then if chosen else {})
    shown = [name for name in options if name in _ALWAYS_SHOWN or (chosen and name in chosen.then)]
    return {
        "label": case.label,
        "facts": {name: list(values) for name, values in facts.items()},
        "rule": chosen.name if chosen else None,
        "rules": [
            {"name": one.rule.name, "matches": one.matches, "why": [verdict.text for verdict in one.verdicts]}
            for one in outcomes
        ],
        "options": {name: options[name] for name in shown},
    }


def _show(session: Session, document: dict[str, Any]) -> None:
    out = session.output
    out.say(safe(document["label"]), "bold")
    for name, values in document["facts"].items():
        out.say(f"  {name}: {safe(', '.join(values)) or 'not known'}")
    chosen = document["rule"]
    for rule in document["rules"]:
        takes = rule["name"] == chosen
        word = "chosen" if takes else "would match too" if rule["matches"] else "no"
        line = Text("  rule ").append(safe(rule["name"]), style="bold").append(": ")
        out.out.print(line.append(word, style="green" if takes else "dim"), soft_wrap=True)
        for why in rule["why"] or ["no condition: matches every scan"]:
            out.say(f"      {safe(why)}", "dim")
    if chosen is None:
        out.say("  no rule matches; the settings hold")
    out.say(f"  options: {safe(_then(document['options']))}")
    out.note("  An options.json beside the scan, or a flag, would win over them.")


def _when(rule: book.Rule) -> str:
    words = [f"{one.fact} is {' or '.join(one.patterns)}" for one in rule.when]
    return " and ".join(words) or "every scan"


def _then(options: Any) -> str:
    return " ".join(f"{name}={shown_value(value) or '(default)'}" for name, value in options.items())


def _document(rule: book.Rule) -> dict[str, Any]:
    when = {condition.fact: list(condition.patterns) for condition in rule.when}
    return {"name": rule.name, "when": when, "then": dict(rule.then)}
