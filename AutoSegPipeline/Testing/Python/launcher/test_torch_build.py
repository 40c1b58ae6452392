"""Words for torch's builds, and who is offered the extra."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from support import slicer_core

from launcher import checks, extras
from launcher.environment import Environment, Part
from launcher.extra_table import NNUNET, TOTALSEGMENTATOR
from launcher.torch_build import Declined, pair, parse_torch


def test_the_words_of_torch_become_what_pip_is_told() -> None:
    torch, vision = pair()
    assert parse_torch("cuda", "linux").requirements == (torch, vision)
    assert parse_torch("cpu", "linux").requirements == (f"{torch}+cpu", f"{vision}+cpu")
    for system in ("darwin", "win32"):
        assert parse_torch("cpu", system).requirements == (torch, vision)
    own = parse_torch(f"{torch}+cu130 --index-url https://x.example/a", "linux")
    assert own.requirements == (f"{torch}+cu130", f"{vision}+cu130")
    assert own.options == ("--extra-index-url", "https://x.example/a"), "the usual index is still needed"
    assert parse_torch("torch>=2.4,<2.6").requirements == ("torch>=2.4,<2.6", "torchvision")
    both = parse_torch("torch==2.5 torchvision==0.20 --pre --find-links=/w")
    assert both.requirements == ("torch==2.5", "torchvision==0.20")
    assert both.options == ("--pre", "--find-links", "/w")
    assert parse_torch("cuda --extra-index-url u", "win32").options == ("--extra-index-url", "u")


@pytest.mark.parametrize(
    ("text", "system", "said"),
    [
        ("cuda", "darwin", "no CUDA on macOS"),
        ("cuda", "win32", "--extra-index-url URL"),
        ("numpy", "linux", "no requirement of torch"),
        ("--pre", "linux", "needs cpu, cuda or a requirement"),
        ("cpu --index-url", "linux", "needs a value"),
        ("'", "linux", "quot"),
    ],
)
def test_a_build_that_cannot_be_is_explained(text: str, system: str, said: str) -> None:
    with pytest.raises(Declined, match=said):
        parse_torch(text, system)


@pytest.mark.parametrize(
    ("line", "wants"),
    [
        ("serve -e totalsegmentator", True),
        ("run a.nii --engine=TotalSegmentator -o x", True),
        ("serve", False),
        ("serve -e tissue", False),
        ("list --engine totalsegmentator", False),
        ("serve --engine totalsegmentator --slicer /opt/Slicer", False),
        ("run --worker-python=p -e totalsegmentator", False),
    ],
)
def test_only_commands_that_compute_here_are_offered_it(line: str, wants: bool) -> None:
    assert extras.wanted_extras(line.split(), {}) == ([TOTALSEGMENTATOR] if wants else [])
    assert extras.wanted_extras(["serve"], {"AUTOSEG_ENGINE": "totalsegmentator"}) == [TOTALSEGMENTATOR]


def test_each_engine_of_a_case_is_offered() -> None:
    line = "run a.nii -e totalsegmentator:total:fast,nnunet:teeth -o x"
    assert extras.wanted_extras(line.split(), {}) == [TOTALSEGMENTATOR, NNUNET]


def test_a_marker_of_an_earlier_version_has_no_extras(tmp_path: Path) -> None:
    (tmp_path / "base.txt").write_text("tiny==1.0\n")
    environment = Environment(tmp_path, Part("base", folder=tmp_path), print)
    environment.path.mkdir()
    (environment.path / "autoseg-ready.json").write_text('{"format": 1, "parts": {}}')
    assert environment.extras() == {}
    environment.set_extra("totalsegmentator", {"torch": "cpu", "fingerprint": "x"})
    assert environment.extras() == {"totalsegmentator": {"torch": "cpu", "fingerprint": "x"}}
    environment.set_extra("totalsegmentator", None)
    assert environment.extras() == {}


def test_the_tests_own_environment_is_left_out_where_it_is_given_unwanted_or_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "AUTOSEG_TEST_TOTALSEGMENTATOR"
    monkeypatch.setenv(name, "no")
    assert checks._totalsegmentator(tmp_path) == {name: ""}
    monkeypatch.setenv(name, sys.executable)
    assert checks._totalsegmentator(tmp_path) == {}
    monkeypatch.delenv(name)
    monkeypatch.delenv("CI", raising=False)
    assert checks._totalsegmentator(tmp_path) == {name: ""}, "a person's disk is not filled unasked"
    monkeypatch.setenv("CI", "true")
    monkeypatch.setattr(checks, "_NEW_GB", 10**6)
    assert checks._totalsegmentator(tmp_path) == {}
    monkeypatch.setenv(name, "yes")
    assert checks._totalsegmentator(tmp_path) == {}
    (tmp_path / "totalsegmentator-2.6-cp39-x").mkdir()
    assert not checks._room(tmp_path, 10**6, "totalsegmentator")
    (tmp_path / "totalsegmentator-cp311-x").mkdir()
    assert checks._room(tmp_path, 10**6, "totalsegmentator")


def test_a_small_disk_leaves_the_environments_of_slicer_out_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("AUTOSEG_TEST_SLICER_CORE", "AUTOSEG_TEST_PYTHON39", "AUTOSEG_TEST_TOTALSEGMENTATOR_26")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AUTOSEG_TEST_TOTALSEGMENTATOR", "yes")
    full = shutil.disk_usage(tmp_path)._replace(free=3_000_000_000)
    monkeypatch.setattr("shutil.disk_usage", lambda path: full)
    told: list[str] = []
    monkeypatch.setattr(checks, "say", told.append)
    assert checks._slicer_environments(tmp_path) == dict.fromkeys(names, "")
    assert [line.split(" ")[2] for line in told] == ["4", "4", "11"]
    assert not list(tmp_path.iterdir())
    monkeypatch.setenv(names[0], "")
    with pytest.raises(pytest.skip.Exception, match="no room"):
        slicer_core.slicer_python()
