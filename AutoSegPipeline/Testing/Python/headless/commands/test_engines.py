"""``engines list``, ``show`` and ``check``, with a program that the home declares."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from support.headless import autoseg


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose file declares one program, by a command that exists."""
    folder = tmp_path / "home"
    folder.mkdir()
    declared = {
        "command": [sys.executable, "tool.py", "{input}"],
        "modality": "MR",
        "names": {"1": "Left kidney"},
    }
    (folder / "engines.json").write_text(json.dumps({"mine": declared}), encoding="utf-8")
    return folder


def test_a_declared_program_is_listed_and_shown_with_its_command(home):
    done = autoseg("--home", home, "engines", "list", "--json")
    assert done.returncode == 0, done.stderr
    engines = {engine["name"]: engine for engine in json.loads(done.stdout)["engines"]}
    assert engines["mine"]["ok"] and engines["tissue"]["ok"]
    assert engines["mine"]["tasks"][0]["classes"] == ["left_kidney"]
    table = autoseg("--home", home, "engines", "list").stdout
    assert "mine" in table and "MR" in table and "works" in table
    shown = autoseg("--home", home, "engines", "show", "mine").stdout
    assert "tool.py {input}" in shown and str(home / "engines.json") in shown and "left_kidney" in shown
    near = autoseg("--home", home, "engines", "show", "tisue")
    assert near.returncode == 1 and "did you mean 'tissue'" in near.stderr


def test_check_names_every_mistake_and_says_nothing_of_a_file_that_is_not_there(home, tmp_path):
    good = autoseg("--home", home, "engines", "check")
    assert good.returncode == 0 and good.stdout.startswith("mine: ")
    document = json.loads((home / "engines.json").read_text(encoding="utf-8"))
    document["gone"] = {"command": ["no-such-program-here", "{input}"]}
    document["wrong"] = {"command": ["x", "{inptu}"]}
    (home / "engines.json").write_text(json.dumps(document), encoding="utf-8")
    done = autoseg("--home", home, "engines", "check", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 1 and found["engines"] == ["mine"]
    assert len(found["mistakes"]) == 2 and "no-such-program-here" in " ".join(found["mistakes"])
    absent = autoseg("--home", tmp_path / "other", "engines", "check")
    assert absent.returncode == 0 and "does not exist" in absent.stdout


def test_doctor_lists_a_declared_program_that_lacks_something(home):
    (home / "engines.json").write_text(json.dumps({"mine": {"command": ["gone-program", "{input}"]}}))
    done = autoseg("--home", home, "doctor", "--no-self-test", "--json")
    (finding,) = [one for one in json.loads(done.stdout)["checks"] if one["text"].startswith("mine")]
    assert finding["status"] == "warn" and "gone-program is not there" in finding["text"]
    (home / "engines.json").write_text("{", encoding="utf-8")
    broken = autoseg("--home", home, "doctor", "--no-self-test", "--json")
    failed = [one for one in json.loads(broken.stdout)["checks"] if one["status"] == "fail"]
    assert any("engines.json cannot be read" in one["text"] for one in failed)


def test_a_private_home_has_the_users_own_programs(home, tmp_path):
    """`run` and the like work in a home of their own; the file stays the user's."""
    from AutoSegPipelineLib.core.home import Home
    from AutoSegPipelineLib.core.settings import settings_of

    own = settings_of(Home.at(home), {}, {})
    assert own["engines_file"] == str(home / "engines.json")
    assert settings_of(Home.at(home), {"engines_file": str(tmp_path / "x.json")}, {})[
        "engines_file"
    ].endswith("x.json")
