"""rules.json: which rule takes a scan, and why; what is wrong in the file is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from AutoSegPipelineLib.core import rules
from AutoSegPipelineLib.core.errors import PipelineError

ROWS: list[dict[str, Any]] = [
    {
        "name": "heads",
        "when": {"modality": "CT", "body_part": ["HEAD*", "*neck*"]},
        "then": {"task": "head_glands_cavities"},
    },
    {"name": "quick", "when": {"file": "*_quick*", "door": ["inbox", "web"]}, "then": {"quality": "fastest"}},
    {"name": "lungs", "when": {"series_description": "*l[ou]ng*"}, "then": {"structures": "lung_left"}},
    {"name": "rest", "when": {}, "then": {"quality": "fast"}},
]


def facts(
    modality: str = "CT", part: str = "", series: str = "", label: str = "ct.nii.gz", door: str = "inbox"
) -> dict[str, tuple[str, ...]]:
    found = {"body_part": part, "series_description": series}
    return rules.facts_of(modality, found, label, "drop/" + label, door)


@pytest.mark.parametrize(
    ("known", "taken"),
    [
        (facts(part="HEADNECK"), "heads"),
        (facts(part="Neck"), "heads"),
        (facts("MR", part="HEAD"), "rest"),
        (facts(label="a_QUICK_one.nii"), "quick"),
        (facts(label="a_quick_one.nii", door="run"), "rest"),
        (facts(series="Lung 1.0 B60"), "lungs"),
        (facts(series="Ling"), "rest"),
        (facts(), "rest"),
    ],
)
def test_the_first_rule_whose_conditions_all_hold_is_taken(known: rules.Facts, taken: str) -> None:
    chosen = rules.choose(rules.parse_rules(ROWS, "rules.json"), known)
    assert chosen is not None and chosen.name == taken


def test_what_a_scan_does_not_say_matches_no_pattern_not_even_a_star() -> None:
    rows = [{"name": "any part", "when": {"body_part": "*"}, "then": {"quality": "fast"}}]
    assert rules.choose(rules.parse_rules(rows, "r"), facts()) is None
    assert rules.choose(rules.parse_rules(rows, "r"), facts(part="CHEST")) is not None


def test_every_rule_says_why_it_matches_or_not() -> None:
    outcomes = rules.judge(rules.parse_rules(ROWS, "r"), facts(part="CHEST"))
    why = {one.rule.name: [verdict.text for verdict in one.verdicts] for one in outcomes}
    assert why["heads"] == ["modality 'CT' matches CT", "body_part 'CHEST' does not match HEAD*, *neck*"]
    assert why["lungs"] == ["series_description is not known of this scan (wanted *l[ou]ng*)"]
    assert [one.rule.name for one in outcomes if one.chosen] == ["rest"]
    outcomes = rules.judge(rules.parse_rules(ROWS, "r"), facts(part="HEAD"))
    assert [(one.rule.name, one.chosen) for one in outcomes if one.matches] == [
        ("heads", True),
        ("rest", False),
    ]


def test_a_file_is_matched_by_its_name_and_by_its_path_below_the_inbox() -> None:
    for pattern in ("ct.nii.gz", "neuro/*", "*/ct.nii*", "NEURO/ct.nii.gz"):
        rows = [{"name": "x", "when": {"file": pattern}, "then": {"quality": "fast"}}]
        known = rules.facts_of("CT", {}, "ct.nii.gz", "neuro/ct.nii.gz", "inbox")
        assert rules.choose(rules.parse_rules(rows, "r"), known) is not None, pattern


def test_options_of_a_rule_are_checked_and_typed_like_everywhere() -> None:
    rows = [{"name": "x", "when": {}, "then": {"structures": "liver, spleen", "priority": "70"}}]
    (rule,) = rules.parse_rules(rows, "r")
    assert rule.then == {"structures": ["liver", "spleen"], "priority": 70}


@pytest.mark.parametrize(
    ("rows", "code", "said"),
    [
        ({"name": "x"}, "options.invalid", "a JSON list"),
        (["x"], "options.invalid", "rule 1: a rule is a JSON object"),
        ([{"when": {}, "then": {"quality": "fast"}}], "options.invalid", "rule 1: a rule has a name"),
        ([{"name": "a", "when": {}}], "options.invalid", "rule 'a': `then` is an object"),
        ([{"name": "a", "then": {"quality": "fast"}}], "options.invalid", "`when` is an object"),
        ([{"name": "a", "if": {}, "then": {}}], "options.unknown_key", "there is no key 'if'"),
        (
            [{"name": "a", "when": {"modalty": "CT"}, "then": {"quality": "fast"}}],
            "options.unknown_key",
            "did you mean 'modality'",
        ),
        ([{"name": "a", "when": {"file": []}, "then": {"quality": "fast"}}], "options.invalid", "a pattern"),
        ([{"name": "a", "when": {"file": 3}, "then": {"quality": "fast"}}], "options.invalid", "a pattern"),
        (
            [{"name": "a", "when": {}, "then": {"qualty": "fast"}}],
            "options.unknown_key",
            "did you mean 'quality'",
        ),
        ([{"name": "a", "when": {}, "then": {"quality": "slow"}}], "options.invalid", "rule 'a': quality"),
        (
            [{"name": "a", "when": {}, "then": {"assume_orientation": "RAS"}}],
            "options.invalid",
            "cannot be set by a rule",
        ),
        ([ROWS[3], ROWS[3]], "options.invalid", "two rules are called 'rest'"),
    ],
)
def test_a_wrong_rule_is_named(rows: Any, code: str, said: str) -> None:
    with pytest.raises(PipelineError) as caught:
        rules.parse_rules(rows, "rules.json")
    assert caught.value.code == code and said in caught.value.message
    assert caught.value.message.startswith("rules.json")


@pytest.mark.parametrize("text", ["[", '[{"name": "a", "name": "b"}]', "\xff"])
def test_a_file_that_is_no_json_is_an_error_and_an_absent_one_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rules.json"
    assert rules.read_rules(path) == ()
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(PipelineError, match=r"rules\.json is not valid JSON") as caught:
        rules.read_rules(path)
    assert caught.value.code == "options.unreadable"


def test_a_file_from_windows_editors_is_read(tmp_path: Path) -> None:
    (tmp_path / "rules.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(ROWS).encode())
    assert [rule.name for rule in rules.read_rules(tmp_path / "rules.json")] == [row["name"] for row in ROWS]
