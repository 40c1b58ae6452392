"""Environments: made once, again after an accident, removed when unused. Real ones, no network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import support.skeleton as support
from support.launcher import tiny_environment, wait_for

from launcher import trouble
from launcher.environment import Environment, Part
from launcher.installer import PipProgress

pytestmark = pytest.mark.usefixtures("offline")


@pytest.fixture
def missing(tmp_path: Path) -> Part:
    """A requirement that is not available."""
    (tmp_path / "missing.txt").write_text("tiny==3.0\n")
    return Part("missing", folder=tmp_path)


def test_an_installation_that_was_killed_is_made_anew(tmp_path: Path) -> None:
    said: list[str] = []
    environment = tiny_environment(tmp_path, said)
    code = (
        f"import sys; sys.path[:0] = {[str(support.ROOT)]!r}\n"
        "from pathlib import Path; from launcher.environment import Environment, Part\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "Environment(folder, Part('base', folder=folder / 'requirements'), print).ensure()\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
    wait_for(lambda: (environment.path / "pyvenv.cfg").exists())
    child.kill()
    child.wait()
    assert not environment.is_ready()
    environment.ensure()
    assert environment.is_ready()
    assert any("making it again" in line for line in said)
    assert any("is running; waiting" in line for line in said) or os.name == "nt"


def test_two_at_once_install_once_and_the_other_waits(tmp_path: Path, checkout: Path) -> None:
    command = [sys.executable, str(checkout / "autoseg.py"), "--venv", str(tmp_path), "list"]
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    errors = [child.communicate(timeout=300)[1] for child in both]
    assert [child.returncode for child in both] == [7, 7]
    assert sum("Installing into" in text for text in errors) == 1
    assert sum("is running; waiting" in text for text in errors) == 1


def test_other_pins_get_another_environment_and_the_old_one_goes_when_unused(tmp_path: Path) -> None:
    said: list[str] = []
    old = tiny_environment(tmp_path, said)
    old.ensure()
    held = old.hold()
    new = tiny_environment(tmp_path, said, "2.0")
    assert new.path != old.path and not new.is_ready()
    new.ensure()
    answer = subprocess.run(
        [str(new.python), "-I", "-c", "import tiny; print(tiny.VERSION)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() == "2.0"
    if os.name != "nt":
        assert old.path.exists(), "somebody runs from it"
        os.close(held)
        new._remove_older()
    assert not old.path.exists()
    # Its base Python is uninstalled: the environment is a dead link.
    config = new.path / "pyvenv.cfg"
    text = config.read_text()
    home = next(line for line in text.splitlines() if line.startswith("home"))
    config.write_text(text.replace(home, f"home = {tmp_path / 'uninstalled'}"))
    assert not new.is_ready()


def test_a_folder_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    environment = tiny_environment(tmp_path, [])
    environment.path.mkdir()
    (environment.path / "thesis.txt").write_text("years of work")
    with pytest.raises(trouble.Trouble, match="was not made by this program"):
        environment.ensure()
    assert (environment.path / "thesis.txt").exists()


def test_a_failed_installation_says_why_and_is_not_taken_for_whole(ready: Environment, missing: Part) -> None:
    with pytest.raises(trouble.Trouble, match="no ready-made package for this machine"):
        ready.ensure(missing)
    assert ready.is_ready() and not ready.is_ready(missing)


def test_without_a_network_it_says_so(
    ready: Environment, missing: Part, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(trouble.Trouble, match="cannot be reached"):
        ready.ensure(missing)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("ERROR: Could not install: [Errno 28] No space left on device", "The disk is full"),
        ("ProxyError('Cannot connect to proxy.')\nMax retries exceeded", "HTTPS_PROXY"),
        ("SSLError(SSLCertVerificationError(1, 'CERTIFICATE_VERIFY_FAILED'))", "PIP_CERT"),
        ("Failed to establish a new connection\nNo matching distribution found", "cannot be reached"),
        ("npm error code EAI_AGAIN", "cannot be reached"),
        ("ERROR: No matching distribution found for vtk", "glibc 2.34"),
        ("PermissionError: [Errno 13] Permission denied", "--venv DIR"),
    ],
)
def test_the_installers_words_become_advice(tmp_path: Path, output: str, said: str) -> None:
    assert said in trouble.explain(output, tmp_path / "environment")


def test_a_python_without_venv_is_told_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(trouble.Trouble, match="ensurepip") as caught:
        trouble.check_before(tmp_path / "environment")
    if sys.platform.startswith("linux"):
        assert f"python3.{sys.version_info[1]}-venv" in str(caught.value)


def test_too_small_a_disk_is_told_before_anything_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = shutil.disk_usage(tmp_path)._replace(free=10_000_000)
    monkeypatch.setattr("shutil.disk_usage", lambda path: full)
    with pytest.raises(trouble.Trouble, match="The disk is full"):
        trouble.check_before(tmp_path / "environment")


def test_pips_output_becomes_a_line_for_each_step() -> None:
    said: list[str] = []
    progress = PipProgress(3, said.append)
    for line in (
        "Looking in links: /somewhere",
        "Collecting vtk==9.7.2 (from -r base.txt (line 9))",
        "  Downloading vtk-9.7.2-cp311-cp311-manylinux_2_28_x86_64.whl.metadata (5.6 kB)",
        "  Downloading vtk-9.7.2-cp311-cp311-manylinux_2_28_x86_64.whl (139.6 MB)",
        "Processing /mirror/files/numpy-2.4.6-cp311-cp311-manylinux_2_28_x86_64.whl (from -r base.txt)",
        "WARNING: Retrying (Retry(total=4)) after connection broken",
        "WARNING: Retrying (Retry(total=3)) after connection broken",
        "Requirement already satisfied: click==8.5.1 in ./lib",
        "Installing collected packages: vtk, numpy",
    ):
        progress.feed(line)
    assert said == [
        "  [1/3] vtk 9.7.2",
        "        downloading 139.6 MB",
        "  [2/3] numpy 2.4.6",
        "  the network does not answer; trying again ...",
        "  [3/3] click 8.5.1",
        "  unpacking 2 packages ...",
    ]
