"""Rules choose series of a study; each that is not taken has a reason that a person understands."""

from __future__ import annotations

import json
from typing import Any

import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.pacs.series_facts import NUMBERS, TEXTS, SeriesFacts
from AutoSegPipelineLib.core.pacs.series_rules import choose_series, parse_series_rules

THIN = {
    "name": "thin axial", "best": 1,
    "when": {
        "modality": "CT", "orientation": "axial", "thickness": {"at_most": 1.5}, "slices": {"at_least": 40},
    },
}  # fmt: skip


def series(number: int = 1, **values: Any) -> SeriesFacts:
    usual: dict[str, Any] = {
        "uid": f"1.2.{number}", "modality": "CT", "description": "THORAX", "orientation": "axial",
        "image_type": ("ORIGINAL", "PRIMARY", "AXIAL"), "kernel": "B30f", "contrast": "no", "slices": 300,
        "thickness": 1.0, "spacing": 1.0,
    }  # fmt: skip
    return SeriesFacts(**{**usual, **values, "number": number})


def reasons(rows: object, *study: SeriesFacts) -> dict[int | None, str]:
    """The reason of each series that is not taken, by series number."""
    rules = parse_series_rules(rows, "dicom.json")
    return {one.series.number: one.reason for one in choose_series(rules, study) if not one.taken}


def test_of_a_study_of_six_the_thin_axial_series_is_taken_and_each_other_says_why_not() -> None:
    mpr = {"name": "no reformats", "when": {"image_type": "*MPR*"}, "take": False}
    found = reasons(
        [mpr, THIN],
        series(1, no_scan="CT series 1 is a localizer"),
        series(2, thickness=5.0, slices=60),
        series(3),
        series(4, image_type=("DERIVED", "SECONDARY", "MPR")),
        series(5, modality="MR", orientation="coronal"),
        series(6, thickness=1.25, description="LUNG"),
    )
    assert found == {
        1: "CT series 1 is a localizer",
        2: "no rule takes it; rule 'thin axial': thickness 5 mm is above 1.5 mm",
        4: "rule 'no reformats' leaves it out, because of image_type DERIVED\\SECONDARY\\MPR",
        5: "no rule takes it; rule 'thin axial': modality 'MR' does not match CT; "
           "orientation 'coronal' does not match axial",
        6: "rule 'thin axial' takes the best 1 of the study, and CT series 3 THORAX is better "
           "(thickness 1.25 mm, not 1 mm)",
    }  # fmt: skip


@pytest.mark.parametrize(
    "fact, wanted, held, missed",
    [
        ("modality", "ct", "CT", "MR"),
        ("description", ["*lung*", "THX*"], "Lung 1.0", "LIVER"),
        ("protocol", "chest*", "CHEST_ROUTINE", "HEAD"),
        ("body_part", "CHEST", "CHEST", ""),
        ("kernel", "B[67]*", "B70f", "B30f"),
        ("image_type", "PRIMARY", ("ORIGINAL", "PRIMARY"), ("ORIGINAL", "SECONDARY")),
        ("image_type", "ORIGINAL\\PRIMARY*", ("ORIGINAL", "PRIMARY", "M"), ("DERIVED", "PRIMARY")),
        ("orientation", "axial", "axial", "oblique"),
        ("contrast", "yes", "yes", "no"),
        ("burned_in", ["no", "unknown"], "unknown", "yes"),
        ("manufacturer", "SIEMENS*", "Siemens Healthineers", "GE"),
        ("thickness", {"at_most": 1.5}, 1.5, 1.51),
        ("spacing", {"at_least": 0.5, "at_most": 2}, 0.5, 0.4),
        ("slices", {"at_least": 40}, 40, 39),
        ("number", {"at_most": 9}, 9, None),
    ],
)
def test_each_fact_can_be_asked_for(fact: str, wanted: object, held: Any, missed: Any) -> None:
    rules = parse_series_rules([{"name": "r", "when": {fact: wanted}}], "dicom.json")
    taken, left = SeriesFacts(**{"uid": "1.2", fact: held}), SeriesFacts(**{"uid": "1.3", fact: missed})
    verdicts = {one.series.uid: one for one in choose_series(rules, [taken, left])}
    assert verdicts["1.2"].taken
    assert verdicts["1.3"].code == "no_rule"
    assert fact in verdicts["1.3"].reason


def test_every_fact_is_tested_above_and_is_a_field() -> None:
    marks: Any = test_each_fact_can_be_asked_for
    rows = marks.pytestmark[0].args[1]
    assert {row[0] for row in rows} == {*TEXTS, *NUMBERS}
    assert {*TEXTS, *NUMBERS} < set(SeriesFacts("1.2").to_dict())


def test_the_order_says_what_is_best_and_what_is_not_stated_comes_last() -> None:
    rows = [{"name": "most", "when": {}, "best": 1, "by": ["-slices", "thickness"]}]
    found = reasons(rows, series(1, slices=None), series(2, slices=50), series(3, slices=400))
    assert sorted(found) == [1, 2]
    assert "slices not stated, not 400" in found[1]
    assert "slices 50, not 400" in found[2]


def test_two_of_three_are_kept_and_a_tie_is_broken_by_the_number() -> None:
    rows = [{"name": "two", "when": {}, "best": 2}]
    found = reasons(rows, series(3), series(1), series(2))
    assert list(found) == [3]
    assert found[3] == (
        "rule 'two' takes the best 2 of the study, and 2 other series are better (its number is 3, theirs 2)"
    )


def test_the_best_of_one_rule_does_not_push_out_what_another_takes() -> None:
    rows = [
        {"name": "lung", "when": {"kernel": "B7*"}, "best": 1},
        {"name": "soft", "when": {"kernel": "B3*"}, "best": 1},
    ]
    assert list(reasons(rows, series(1, kernel="B70"), series(2, kernel="B30"), series(3, kernel="B30"))) == [
        3
    ]


def test_without_rules_every_scan_is_taken_and_nothing_else() -> None:
    assert list(reasons([], series(1), series(2, no_scan="SR series 2 is a structured report"))) == [2]


def test_a_rule_of_no_conditions_takes_no_report_either() -> None:
    assert list(reasons([{"name": "all", "when": {}}], series(1, no_scan="a report"), series(2))) == [1]


def test_facts_survive_json_and_a_later_versions_keys() -> None:
    facts = series(4, no_scan="x")
    kept = json.loads(json.dumps({**facts.to_dict(), "of_tomorrow": 1}))
    assert SeriesFacts.of(kept) == facts


@pytest.mark.parametrize(
    "rows, says",
    [
        ({}, "list of rules"),
        ([1], "JSON object"),
        ([{"when": {}}], "has a name"),
        ([{"name": "a", "when": {}}, {"name": "a", "when": {}}], "two rules are called 'a'"),
        ([{"name": "a"}], "`when` is a JSON object"),
        ([{"name": "a", "when": {"modalty": "CT"}}], "did you mean 'modality'?"),
        ([{"name": "a", "when": {"modality": []}}], "a pattern or a list"),
        ([{"name": "a", "when": {"thickness": 1}}], "at_least"),
        ([{"name": "a", "when": {"thickness": {}}}], "needs at_least, at_most or both"),
        ([{"name": "a", "when": {"thickness": {"at_mots": 1}}}], "did you mean 'at_most'?"),
        ([{"name": "a", "when": {"slices": {"at_least": "9"}}}], "is a number"),
        ([{"name": "a", "when": {"slices": {"at_least": 9, "at_most": 1}}}], "at_least above at_most"),
        ([{"name": "a", "when": {}, "take": "no"}], "take is true or false"),
        ([{"name": "a", "when": {}, "take": False, "best": 1}], "takes nothing"),
        ([{"name": "a", "when": {}, "best": -1}], "best is a number"),
        ([{"name": "a", "when": {}, "by": ["slices"]}], "by needs best"),
        ([{"name": "a", "when": {}, "best": 1, "by": ["slice"]}], "did you mean 'slices'?"),
        ([{"name": "a", "when": {}, "best": 1, "by": []}], "list of facts"),
        ([{"name": "a", "whne": {}}], "did you mean 'when'?"),
    ],
)
def test_what_is_no_rule_is_refused_by_name(rows: object, says: str) -> None:
    with pytest.raises(PipelineError, match=r"dicom\.json, entry X") as caught:
        parse_series_rules(rows, "dicom.json, entry X")
    assert says in caught.value.message
    assert caught.value.code in ("options.invalid", "options.unknown_key")
