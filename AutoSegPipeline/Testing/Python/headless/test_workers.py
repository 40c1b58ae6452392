"""Workers under another Python: found, started with its own packages only, and named where it is missing."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.settings import Settings
from AutoSegPipelineLib.core.slicer_python import installed, python_in, worker_python
from AutoSegPipelineLib.headless import doctor_engines, extras
from AutoSegPipelineLib.runtime.processes.child_command import child_environment
from support.headless import autoseg, write_scan


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o755)
    return path


@pytest.mark.parametrize(
    ("program", "given", "windows"),
    [
        ("Slicer-5.8.1-linux-amd64/bin/PythonSlicer", "Slicer-5.8.1-linux-amd64", False),
        ("Slicer-5.8.1-linux-amd64/bin/PythonSlicer", "Slicer-5.8.1-linux-amd64/bin", False),
        ("Slicer-5.8.1-linux-amd64/bin/PythonSlicer", "Slicer-5.8.1-linux-amd64/bin/PythonSlicer", False),
        ("Slicer.app/Contents/bin/PythonSlicer", "Slicer.app", False),
        ("Slicer.app/Contents/bin/PythonSlicer", ".", False),
        ("Slicer 5.8.1/bin/PythonSlicer.exe", "Slicer 5.8.1", True),
    ],
)
def test_pythonslicer_is_found_in_every_layout(
    tmp_path: Path, program: str, given: str, windows: bool
) -> None:
    path = touch(tmp_path / program)
    assert python_in(tmp_path / given, windows) == path
    assert python_in(tmp_path / given, not windows) is None


def test_slicers_are_found_on_the_path_and_in_the_usual_folders_the_newest_first(tmp_path: Path) -> None:
    old = touch(tmp_path / "home" / "Slicer-5.6.2-linux-amd64" / "bin" / "PythonSlicer")
    new = touch(tmp_path / "home" / "Slicer-5.10.0-linux-amd64" / "bin" / "PythonSlicer")
    touch(tmp_path / "home" / "SlicerNotes" / "readme")
    here = installed({"PATH": ""}, "linux", tmp_path / "home")
    assert [path for path in here if tmp_path in path.parents] == [new, old]
    app = touch(tmp_path / "home" / "Applications" / "Slicer.app" / "Contents" / "bin" / "PythonSlicer")
    assert app in installed({"PATH": ""}, "darwin", tmp_path / "home")
    exe = touch(tmp_path / "local" / "slicer.org" / "Slicer 5.8.1" / "bin" / "PythonSlicer.exe")
    assert installed({"PATH": "", "LOCALAPPDATA": str(tmp_path / "local")}, "win32", tmp_path) == [exe]
    if os.name != "nt":
        link = tmp_path / "bin" / "PythonSlicer"
        link.parent.mkdir()
        link.symlink_to(old)
        found = installed({"PATH": str(link.parent)}, "linux", tmp_path / "empty")
        assert found[0] == old


def test_one_of_the_two_settings_and_it_must_be_there(tmp_path: Path) -> None:
    assert worker_python("", "") is None
    assert worker_python(sys.executable, "") == sys.executable
    program = touch(tmp_path / "bin" / ("PythonSlicer.exe" if os.name == "nt" else "PythonSlicer"))
    assert worker_python("", str(tmp_path)) == str(program)
    for python, slicer, code in (
        ("x", "y", "request.invalid"),
        ("", str(tmp_path / "nowhere"), "worker.not_started"),
        (str(tmp_path / "nowhere"), "", "worker.not_started"),
    ):
        with pytest.raises(PipelineError) as caught:
            worker_python(python, slicer)
        assert caught.value.code == code


def test_another_python_gets_this_library_and_nothing_else_of_ours(tmp_path: Path) -> None:
    base = {"PYTHONPATH": "/ours/site-packages", "VIRTUAL_ENV": "/ours", "PYTHONHOME": "/x", "PATH": "/bin"}
    own = child_environment(tmp_path, base=base)
    assert "/ours/site-packages" in own["PYTHONPATH"]
    foreign = child_environment(tmp_path, base=base, foreign=True)
    assert [Path(path).name for path in foreign["PYTHONPATH"].split(os.pathsep)] == ["AutoSegPipeline"]
    assert not {"VIRTUAL_ENV", "PYTHONHOME"} & set(foreign) and foreign["PATH"] == "/bin"


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for Slicer's launcher is a shell script")
def test_a_case_runs_under_the_python_of_a_slicer(tmp_path: Path) -> None:
    launcher = tmp_path / "Slicer" / "bin" / "PythonSlicer"
    touch(launcher)
    # Like Slicer's launcher, it stays, and the real Python is its child.
    launcher.write_text(f'#!/bin/sh\necho "$@" >> "{tmp_path}/calls"\n"{sys.executable}" "$@"\n')
    scan = write_scan(tmp_path / "scan.nii.gz", 12.0)
    done = autoseg(
        "run", scan, "-o", tmp_path / "out", "--slicer", launcher.parents[1], "--formats", "gltf", "--json",
        "--engine", "tissue",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "processing.worker" in (tmp_path / "calls").read_text()
    assert "intake" not in (tmp_path / "calls").read_text()
    assert (tmp_path / "out" / "scan.gltf").exists()


def test_an_engine_that_is_not_installed_is_told_before_the_start_with_the_command(tmp_path: Path) -> None:
    if importlib.util.find_spec("totalsegmentator") is not None:
        pytest.skip("TotalSegmentator is installed in this environment")
    scan = write_scan(tmp_path / "scan.nii.gz", 12.0)
    for arguments in (
        ["run", scan, "-o", tmp_path / "out", "--engine", "totalsegmentator"],
        ["--home", tmp_path / "home", "serve", "-e", "TotalSegmentator"],
    ):
        done = autoseg(*arguments)
        assert done.returncode == 1 and "engine.not_available" in done.stderr
        assert "python3 autoseg.py install totalsegmentator" in done.stderr
    assert not (tmp_path / "out").exists() and not (tmp_path / "home").exists()


def test_a_slicer_that_is_not_there_is_told_before_the_start(tmp_path: Path) -> None:
    done = autoseg("--home", tmp_path / "home", "serve", "--slicer", tmp_path / "nowhere")
    assert done.returncode == 1 and "no PythonSlicer in" in done.stderr and "doctor" in done.stderr


def test_what_the_other_python_lacks_is_said_in_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.defaults(worker_python=sys.executable)
    row = extras.BY_NAME["totalsegmentator"]
    monkeypatch.setitem(extras.BY_NAME, row.name, replace(row, package="no_such_module_anywhere"))
    with pytest.raises(PipelineError, match="totalsegmentator is not installed for") as caught:
        extras.check_engine("totalsegmentator", settings)
    command = f"{sys.executable} -m pip install TotalSegmentator torch torchvision "
    assert command + "numpy scipy SimpleITK vtk pydicom" in caught.value.hint
    monkeypatch.setitem(extras.BY_NAME, row.name, replace(row, package="json"))
    monkeypatch.setitem(extras.WORKER_NEEDS, "vtk", "no_such_module_anywhere")
    with pytest.raises(PipelineError, match="a worker also needs vtk"):
        extras.check_engine("totalsegmentator", settings)
    assert "extension" in extras.hint_for(row, "/opt/Slicer/bin/PythonSlicer")
    with pytest.raises(PipelineError, match="does not work: exit code 3"):
        extras.ask(sys.executable, ["-c", "import sys; sys.exit(3)"])
    assert extras.ask(sys.executable, ["-c", "print('noise'); print('[1]')"]) == [1]


def test_no_gpu_in_use_is_said_loudly() -> None:
    found = {"torch": "2.14.1", "cuda": "13.0", "gpus": [], "works": False, "mps": False}
    without, broken = doctor_engines.judged(found, False), doctor_engines.judged(found, True)
    cpu_only = doctor_engines.judged({**found, "cuda": None}, True)
    for finding in (without, broken, cpu_only):
        assert finding.status == "warn" and finding.text.startswith("NO GPU IS USED")
    assert "install totalsegmentator --torch cuda" in cpu_only.fix and "driver" in broken.fix
    works = doctor_engines.judged({**found, "works": True, "gpus": ["RTX"]}, True)
    assert works.status == "ok" and "on the GPU: RTX" in works.text


def test_what_computes_networks_on_the_cpu_is_said_with_what_to_do() -> None:
    found = {"torch": True, "openvino": "2026.4.1", "bf16": False}
    for word in ("auto", "openvino"):
        finding = doctor_engines.judged_back_end(found, word, None)
        assert finding.status == "ok" and "OpenVINO 2026.4.1" in finding.text
    assert doctor_engines.judged_back_end(found, "torch", None).text.startswith("torch computes")
    coarse = doctor_engines.judged_back_end(found, "openvino-bf16", None)
    assert coarse.status == "warn" and "no bf16" in coarse.text
    assert "in bf16" in doctor_engines.judged_back_end({**found, "bf16": True}, "openvino-bf16", None).text
    without = {**found, "openvino": ""}
    assert doctor_engines.judged_back_end(without, "auto", None).status == "ok"
    asked = doctor_engines.judged_back_end(without, "openvino", "/other/python")
    assert asked.status == "warn" and asked.fix == "/other/python -m pip install openvino"


def test_doctor_tells_of_slicers_of_the_workers_python_and_fails_where_it_is_gone(tmp_path: Path) -> None:
    bad = autoseg(
        "--home", tmp_path, "doctor", "--no-self-test", "--json", env={"AUTOSEG_SLICER": "/nowhere"}
    )
    checks = {check["name"]: check for check in json.loads(bad.stdout)["checks"]}
    assert bad.returncode == 1 and checks["workers"]["status"] == "fail" and "slicer" in checks
    assert "engine" not in checks, "no worker of another Python is asked instead"
    good = autoseg(
        "--home",
        tmp_path,
        "doctor",
        "--no-self-test",
        "--json",
        env={"AUTOSEG_WORKER_PYTHON": sys.executable},
    )
    checks = {check["name"]: check for check in json.loads(good.stdout)["checks"]}
    assert sys.executable in checks["workers"]["text"] and "engine" in checks and "device" in checks
