"""What Slicer packages is what the tree holds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import support.skeleton as support
from list_library import listed, resources, scripts, written

CMAKE = support.MODULE / "CMakeLists.txt"
ADVICE = "run: python3 AutoSegPipeline/Testing/list_library.py"


def test_every_library_file_is_listed_for_slicer() -> None:
    names = listed(CMAKE.read_text(encoding="utf-8"), "MODULE_PYTHON_SCRIPTS")
    assert sorted(names) == sorted(scripts()), ADVICE


def test_every_resource_is_listed_for_slicer() -> None:
    names = listed(CMAKE.read_text(encoding="utf-8"), "MODULE_PYTHON_RESOURCES")
    assert sorted(names) == sorted(resources()), ADVICE


def test_a_file_that_is_not_listed_is_noticed_and_then_listed(tmp_path: Path) -> None:
    room = tmp_path / "AutoSegPipelineLib" / "core"
    room.mkdir(parents=True)
    (room / "new.py").write_text("")
    (room / "table.csv").write_text("")
    text = CMAKE.read_text(encoding="utf-8")
    assert listed(text, "MODULE_PYTHON_SCRIPTS") != scripts(tmp_path)
    fresh = written(text, tmp_path)
    assert listed(fresh, "MODULE_PYTHON_SCRIPTS") == ["AutoSegPipeline.py", "AutoSegPipelineLib/core/new.py"]
    assert listed(fresh, "MODULE_PYTHON_RESOURCES") == ["AutoSegPipelineLib/core/table.csv"]


def test_the_pictures_that_the_extension_shows_are_in_the_tree() -> None:
    text = (support.ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    facts = dict(re.findall(r'^set\(EXTENSION_(\w+) "([^"]*)"', text, re.M))
    assert set(facts) >= {"HOMEPAGE", "CONTRIBUTORS", "DESCRIPTION", "ICONURL", "SCREENSHOTURLS", "DEPENDS"}
    assert all(facts.values()) and "not a medical device" in facts["DESCRIPTION"]
    site = "${PROJECT_ADDRESS}/raw/main/"
    for url in [facts["ICONURL"], *facts["SCREENSHOTURLS"].split()]:
        assert url.startswith(site), url
        # Names are compared as the site does it, in capitals too.
        path = support.ROOT / url[len(site) :]
        assert path.is_file() and path.name in [one.name for one in path.parent.iterdir()], url


def test_the_address_of_the_project_stands_in_one_place() -> None:
    name = re.compile(r"(?:github|githubusercontent|gitlab)\.com/[^/\s]+/AutoSegPipeline\b", re.I)
    found = [
        path.relative_to(support.ROOT).as_posix()
        for path in support.project_files()
        if path.suffix
        in {".md", ".txt", ".py", ".cff", ".yml", ".yaml", ".toml", ".json", ".html", ".js", ".ui"}
        for _ in name.findall(path.read_text(encoding="utf-8"))
    ]
    assert found == ["CMakeLists.txt"]


def test_a_cmake_file_without_the_list_is_an_error() -> None:
    with pytest.raises(ValueError, match="MODULE_PYTHON_SCRIPTS"):
        listed("project(Other)", "MODULE_PYTHON_SCRIPTS")
