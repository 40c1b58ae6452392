"""What was decided about series is kept for a while, the last decision for each."""

from __future__ import annotations

from pathlib import Path

from AutoSegPipelineLib.core.pacs.series_facts import SeriesFacts
from AutoSegPipelineLib.core.pacs.series_rules import Verdict
from AutoSegPipelineLib.core.pacs.store import PacsStore
from AutoSegPipelineLib.core.pacs.verdicts import KEEP_DAYS
from support.held_clock import HeldClock


def verdict(number: int, code: str = "no_rule", study: str = "1.2") -> Verdict:
    facts = SeriesFacts(f"{study}.{number}", study, "CT", "THORAX", image_type=("A", "B"), number=number)
    return Verdict(facts, code, f"because {number}", "" if code == "no_rule" else "r")


def test_the_verdicts_of_a_study_come_back_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    clock = HeldClock(1000.0)
    store = PacsStore(tmp_path / "dicom.sqlite", clock)
    given = [verdict(10), verdict(9, "taken"), verdict(11, "not_best")]
    store.verdicts.note("THIN", [*given, verdict(1, study="1.3")])
    found = store.verdicts.of_study("1.2")
    assert [one.verdict for one in found] == [given[1], given[0], given[2]]
    assert {(one.entry, one.at) for one in found} == {("THIN", 1000.0)}
    assert store.verdicts.count_left_out() == 3
    assert store.verdicts.studies("1.2") == ["1.2"]
    assert sorted(store.verdicts.studies("1.")) == ["1.2", "1.3"]
    store.close()


def test_a_later_decision_replaces_the_earlier_and_old_ones_are_forgotten(tmp_path: Path) -> None:
    clock = HeldClock(1000.0)
    store = PacsStore(tmp_path / "dicom.sqlite", clock)
    store.verdicts.note("THIN", [verdict(1), verdict(2)])
    clock.at += KEEP_DAYS * 86400
    store.verdicts.note("THIN", [verdict(1, "taken")])
    assert [one.verdict.code for one in store.verdicts.of_study("1.2")] == ["taken", "no_rule"]
    clock.at += 1
    store.verdicts.note("THIN", [])
    assert [one.verdict.code for one in store.verdicts.of_study("1.2")] == ["taken"]
    assert store.verdicts.left_out() == []
    store.close()
