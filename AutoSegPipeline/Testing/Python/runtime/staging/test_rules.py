"""Rules in the running pipeline: where they stand among the other options, and a file that goes wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from support.pipeline import Bench, write_scan


def write_rules(bench: Bench, *rows: dict[str, Any]) -> None:
    """rules.json in the bench's home, replaced as an editor does."""
    bench.home.root.mkdir(parents=True, exist_ok=True)
    part = bench.home.root / "rules.part"
    part.write_text(json.dumps(rows), encoding="utf-8")
    part.replace(bench.home.rules_file)


def test_a_rule_wins_over_the_settings_and_loses_to_files_and_callers(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "home", quality="fast", priority=10, detail=0.5, smoothing=True)
    then = {"quality": "fastest", "priority": 20, "detail": 0.2}
    write_rules(bench, {"name": "all", "when": {"file": "scan*", "door": "inbox"}, "then": then})
    with bench:
        beside = tmp_path / "scan.options.json"
        beside.write_text(json.dumps({"priority": 30}))
        bench.drop("plain.nii.gz", seed=1, compress=True)
        (other,) = bench.until_ended(1)
        beside.rename(bench.home.inbox / "scan.options.json")
        bench.drop("scan.nii.gz", seed=2, compress=True)
        bench.until_ended(2)
        job = next(one for one in bench.jobs() if one.name == "scan")
        shown = {name: job.options[name] for name in ("quality", "priority", "detail", "smoothing")}
        assert shown == {"quality": "fastest", "priority": 30, "detail": 0.2, "smoothing": True}
        assert job.staged["facts"]["rule"] == "all"
        assert other.options["quality"] == "fast" and "rule" not in other.staged["facts"]
        called = bench.pipeline.commands.submit(
            write_scan(tmp_path / "scan2.nii", 3), {"quality": "normal"}, door="inbox"
        )
        bench.until_ended(3)
        assert bench.job(called.id).options["quality"] == "normal"
        assert bench.job(called.id).options["detail"] == 0.2


def test_rules_that_go_wrong_meanwhile_leave_the_last_right_ones_and_the_case_says_so(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "home", watch=False)
    write_rules(bench, {"name": "all", "when": {}, "then": {"quality": "fastest"}})
    with bench:
        bench.pipeline.commands.submit(write_scan(tmp_path / "a.nii", 1))
        bench.until_ended(1)
        bench.home.rules_file.write_text("[{")
        second = bench.pipeline.commands.submit(write_scan(tmp_path / "b.nii", 2))
        bench.until_ended(2)
        job = bench.job(second.id)
        assert job.options["quality"] == "fastest"
        assert "options.old_rules" in [warning["code"] for warning in job.warnings]
        write_rules(bench, {"name": "all", "when": {}, "then": {"quality": "fast"}})
        third = bench.pipeline.commands.submit(write_scan(tmp_path / "c.nii", 3))
        bench.until_ended(3)
        assert bench.job(third.id).options["quality"] == "fast" and not bench.job(third.id).warnings


def test_a_pipeline_does_not_start_on_wrong_rules(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "home", watch=False)
    write_rules(bench, {"name": "a", "when": {}, "then": {"qualty": "fast"}})
    with pytest.raises(PipelineError, match="rule 'a'"):
        bench.pipeline.start()
    write_rules(bench, {"name": "a", "when": {}, "then": {"quality": "fast"}})
    with bench:
        assert bench.pipeline.ready
