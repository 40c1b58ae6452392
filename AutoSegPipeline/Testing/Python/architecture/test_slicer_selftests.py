"""The script of Slicer's self-tests: which runs count as passed. Slicer and its display are stand-ins."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import support.skeleton as support

pytestmark = pytest.mark.skipif(os.name == "nt", reason="slicer_selftests.sh is a script of bash")
PASSED = "Ran 5 tests in 1.0s\n\nOK\n"


def run(tmp_path: Path, prints: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """The script with a Slicer that prints this and ends with ``code``."""
    tools, slicer = tmp_path / "tools", tmp_path / "slicer"
    for folder in (tools, slicer):
        folder.mkdir()
    (tmp_path / "says").write_text(prints)
    for path, text in (
(tools / "xvfb-run", '[ "$1" = -a ] && shift\n[ "$1" = -s ] && shift 2\nexec "$@"'),
        (slicer / "Slicer", f"cat '{tmp_path / 'says'}'\nexit {code}"),
    ):  # fmt: skip
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    script = support.ROOT / ".ci" / "slicer_selftests.sh"
    path = os.pathsep.join([str(tools), os.environ["PATH"]])
    return subprocess.run(
        ["bash", str(script), str(slicer)], capture_output=True, text=True, check=False,
        env={**os.environ, "PATH": path}, timeout=60,
    )  # fmt: skip


def test_a_run_in_which_every_test_passed_has_passed(tmp_path: Path) -> None:
    assert run(tmp_path, PASSED).returncode == 0


def test_a_run_without_a_module_is_not_complete_and_says_which(tmp_path: Path) -> None:
    line = "test_a_dicom_result (slicer_scene_test.SceneTest) ... skipped 'this Slicer lacks DICOMLib'"
    done = run(tmp_path, f"{line}\nRan 5 tests in 1.0s\n\nOK (skipped=1)\n")
    assert done.returncode == 1
    assert "not complete" in done.stderr and "lacks DICOMLib" in done.stderr


@pytest.mark.parametrize(
    ("prints", "code"), [(PASSED, 1), (PASSED + "Traceback (most recent call last):\n", 0)]
)
def test_a_failure_or_a_printed_error_has_not_passed(prints: str, code: int, tmp_path: Path) -> None:
    assert run(tmp_path, prints, code).returncode != 0


def test_only_the_test_that_needs_an_absent_module_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    import types
    import unittest

    slicer = types.ModuleType("slicer")
    slicer.modules = types.SimpleNamespace(decimation=object())  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "slicer", slicer)
    from support.slicer_needs import needs

    class Tests(unittest.TestCase):
        @needs("Decimation")
        def test_one(self) -> None:
            pass

        @needs("Decimation", "OpenAnatomyExport", "NoSuchPackage")
        def test_two(self) -> None:
            raise AssertionError

    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(Tests).run(result)
    assert (result.testsRun, len(result.skipped), result.wasSuccessful()) == (2, 1, True)
    assert result.skipped[0][1] == "this Slicer lacks OpenAnatomyExport, NoSuchPackage"
