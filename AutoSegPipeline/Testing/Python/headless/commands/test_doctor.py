"""`doctor` and the pipeline's log."""

from __future__ import annotations

import errno
import json
import logging
import re
from pathlib import Path

import pytest
import support.skeleton as support
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.messages.worker_messages import EngineRow
from AutoSegPipelineLib.core.own_models import LACKING
from AutoSegPipelineLib.core.settings import Settings
from AutoSegPipelineLib.headless import doctor, doctor_cases, doctor_engines, flags
from AutoSegPipelineLib.headless.program import VARIABLE
from AutoSegPipelineLib.headless.session import Session
from AutoSegPipelineLib.runtime.logs import LIBRARY, NAME, log_to, stop_logging
from support.engines import TISSUE, engine
from support.headless import autoseg
from support.model_record import record


def test_a_healthy_machine_passes_with_a_case_through_the_whole_pipeline(tmp_path: Path) -> None:
    done = autoseg("--home", tmp_path / "home", "doctor", "--json", timeout=120)
    found = json.loads(done.stdout)
    checks = {check["name"]: check for check in found["checks"]}
    assert found["ok"] and done.returncode == 0, found
    expected = {
        "autoseg",
        "python",
        "sqlite",
        "packages",
        "settings",
        "folders",
        "pipeline",
        "disk",
        "memory",
    }
    assert expected | {"gpu", "priority", "picture", "engine", "self-test"} <= set(checks)
    assert "both lungs right" in checks["self-test"]["text"]
    assert not (tmp_path / "home").exists()


def test_what_is_wrong_is_told_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = autoseg(
        "--home",
        tmp_path / "home",
        "--inbox",
        tmp_path / "file" / "in",
        "doctor",
        "--no-self-test",
        env={"AUTOSEG_DETIAL": "1", "AUTOSEG_DETAIL": "7"},
    )
    assert done.returncode == 1
    for text in (
        "AUTOSEG_DETAIL: detail: '7' is above 1",
        "did you mean 'AUTOSEG_DETAIL'",
        "Not a directory",
        "->",
    ):
        assert text in done.stdout


def test_a_missing_package_is_named_with_what_it_costs(monkeypatch) -> None:
    monkeypatch.setattr(
        doctor, "_PACKAGES", {"no-such-a": "", "no-such-b": "something is slower", "numpy": ""}
    )
    found = [(finding.status, finding.fix) for finding in doctor._packages()]
    assert found == [
        ("FAIL", "python -m pip install no-such-a"),
        ("warn", "python -m pip install no-such-b"),
        ("ok", ""),
    ]


def test_a_full_disk_fails_and_a_nearly_full_one_warns(tmp_path: Path, monkeypatch) -> None:
    session = Session({"home": tmp_path})
    for free, status in ((100 << 20, "FAIL"), (2000 << 20, "warn"), (50 << 30, "ok")):
        monkeypatch.setattr(doctor, "free_bytes", lambda folder, free=free: free)
        assert {finding.status for finding in doctor._disk(session, Settings.defaults())} == {status}


def test_lungs_of_the_wrong_size_fail_the_self_test(tmp_path: Path) -> None:
    path = tmp_path / "x.statistics.json"
    outputs = [{"name": path.name, "path": str(path)}]
    truth = {"lung_left": 500.0, "lung_right": 600.0}
    for left, fine in ((510.0, True), (400.0, False)):
        rows = [{"name": "lung_left", "volume_ml": left}, {"name": "lung_right", "volume_ml": 600.0}]
        path.write_text(json.dumps({"structures": rows}))
        if fine:
            assert "both lungs right" in doctor_cases._judged({"outputs": outputs}, truth)
        else:
            with pytest.raises(Exception, match="lung_left: 400 ml measured, 500 ml drawn"):
                doctor_cases._judged({"outputs": outputs}, truth)


def test_a_worker_that_does_not_start_is_a_failure_with_its_last_words(monkeypatch) -> None:
    broken = ["-c", "import AutoSegPipelineLib.not_there"]
    monkeypatch.setattr(doctor_cases, "module_arguments", lambda module: broken)
    (finding,) = doctor_cases.engines(None, Settings.defaults())
    assert finding.status == "FAIL" and "AutoSegPipelineLib" in finding.text


def test_the_log_is_json_lines_rotated_by_size(tmp_path: Path) -> None:
    handler = log_to(tmp_path, megabytes=1, files=2)
    log = logging.getLogger(f"{LIBRARY}.test")
    try:
        try:
            raise ValueError("ü")
        except ValueError:
            log.exception("it %s", "failed")
        for _ in range(40):
            log.info("x" * 100_000)
    finally:
        stop_logging(handler)
    assert sorted(path.name for path in tmp_path.iterdir()) == [NAME, NAME + ".1", NAME + ".2"]
    lines = [json.loads(line) for path in tmp_path.iterdir() for line in path.read_text().splitlines()]
    assert all(set(line) >= {"at", "level", "logger", "message"} for line in lines)
    handler = log_to(tmp_path / "x", 1, 1)
    stop_logging(handler)


def test_the_trace_of_an_error_is_in_the_log(tmp_path: Path) -> None:
    handler = log_to(tmp_path, 1, 1)
    try:
        try:
            raise ValueError("ü")
        except ValueError:
            logging.getLogger(f"{LIBRARY}.test").exception("it failed")
    finally:
        stop_logging(handler)
    line = json.loads((tmp_path / NAME).read_text())
    assert (line["level"], line["message"]) == ("error", "it failed")
    assert "ValueError: ü" in line["trace"]


def test_a_full_disk_costs_the_line_and_not_the_work(tmp_path: Path, capsys) -> None:
    handler = log_to(tmp_path, 1, 1)
    try:

        def full(record: logging.LogRecord) -> bool:
            raise OSError(errno.ENOSPC, "full")

        handler.shouldRollover = full  # type: ignore[method-assign]
        logging.getLogger(f"{LIBRARY}.test").info("lost")
    finally:
        stop_logging(handler)
    assert handler.lost == 1
    assert capsys.readouterr().err == ""


def test_doctor_looks_for_every_package_that_a_case_or_the_page_needs() -> None:
    listed = (support.ROOT / "requirements" / "package.txt").read_text(encoding="utf-8")
    needed = set(re.findall(r"^[A-Za-z][\w-]*", listed, re.M))
    # The command line does not start without the first two; a line about memory names the third.
    assert needed - {"click", "rich", "psutil"} == set(doctor._PACKAGES)


def test_a_model_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    settings = Settings.defaults(models_dir=str(tmp_path))
    record(tmp_path, "teeth")
    assert list(doctor_engines.broken_models(settings)) == []
    (record(tmp_path, "jaw") / "model.json").write_text("{", encoding="utf-8")
    (finding,) = doctor_engines.broken_models(settings)
    assert finding.status == "warn" and str(tmp_path / "jaw") in finding.text
    assert "models remove" in finding.fix


def test_what_the_launcher_sets_is_no_unknown_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "python3 autoseg.py")
    monkeypatch.setenv("AUTOSEG_PROGRAMM", "a slip")
    found = [one.split()[0] for one in flags.unknown_environment()]
    assert "AUTOSEG_PROGRAMM" in found and VARIABLE not in found


def test_nnunet_without_a_model_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def row(missing: list[str], note: str) -> EngineRow:
        return {**engine("nnunet", ok=False, missing=missing, note=note, title="nnU-Net", version="2.8")}

    def finding(missing: list[str], note: str) -> tuple[str, str]:
        monkeypatch.setattr(doctor_cases, "describe", lambda *_: [row(missing, note), TISSUE])
        found = next(iter(doctor_cases.engines(None, Settings.defaults(engines_file=""))))
        return found.text, found.fix

    text, fix = finding([LACKING], "no model was added to /models")
    assert text.startswith("nnunet 2.8: nnU-Net") and text.endswith("no model was added to /models")
    assert "models add" in fix and "install" not in fix
    text, fix = finding(["the Python package nnunetv2"], "not installed")
    assert text == "nnunet: not installed" and "install nnunet" in fix


def test_another_python_that_lacks_what_a_worker_needs_is_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def describe(*_: object) -> list[EngineRow]:
        raise PipelineError("worker.not_started", "ModuleNotFoundError: No module named 'scipy'")

    monkeypatch.setattr(doctor_cases, "describe", describe)
    (own,) = doctor_cases.engines(None, Settings.defaults())
    (other,) = doctor_cases.engines("/opt/python", Settings.defaults())
    assert "autoseg.py" in own.fix
    assert "/opt/python -m pip install numpy scipy" in other.fix
