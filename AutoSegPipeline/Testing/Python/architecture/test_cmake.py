"""What Slicer packages is what the tree holds."""

from __future__ import annotations

import json
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


SITE = re.compile(r"https://(?:github|raw\.githubusercontent)\.com/([^/\s\"]+)/(SlicerAutoSegPipeline)\b")


def facts_of_the_extension() -> dict[str, str]:
    """The lines ``set(EXTENSION_... "...")`` as the Extensions Index reads them: without CMake."""
    text = (support.ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    return dict(re.findall(r'^set\(EXTENSION_(\w+) "([^"]*)"', text, re.M))


def test_the_pictures_that_the_extension_shows_are_in_the_tree() -> None:
    facts = facts_of_the_extension()
    assert set(facts) >= {"HOMEPAGE", "CONTRIBUTORS", "DESCRIPTION", "ICONURL", "SCREENSHOTURLS", "DEPENDS"}
    assert all(facts.values()) and "not a medical device" in facts["DESCRIPTION"]
    site = facts["HOMEPAGE"].replace("//github.com", "//raw.githubusercontent.com") + "/main/"
    for url in [facts["ICONURL"], *facts["SCREENSHOTURLS"].split()]:
        assert url.startswith(site), url
        # Names are compared as the site does it, in capitals too.
        path = support.ROOT / url[len(site) :]
        assert path.is_file() and path.name in [one.name for one in path.parent.iterdir()], url


def test_the_address_of_the_project_is_the_same_everywhere() -> None:
    found = {
        (path.relative_to(support.ROOT).as_posix(), match.groups())
        for path in support.project_files()
        if path.suffix
        in {".md", ".txt", ".py", ".cff", ".yml", ".yaml", ".toml", ".json", ".html", ".js", ".ui"}
        for match in SITE.finditer(path.read_text(encoding="utf-8"))
    }
    assert {place for place, _ in found} == {"CMakeLists.txt", "AutoSegPipeline.json"}
    assert len({site for _, site in found}) == 1


def test_the_entry_of_the_extensions_index_is_of_its_schema_and_of_this_project() -> None:
    data = (support.ROOT / "AutoSegPipeline.json").read_bytes()
    assert b"\r" not in data
    entry = json.loads(data)
    kinds = {
        "$schema": str, "category": str, "scm_url": str, "scm_revision": str, "scm_type": str,
        "enabled": bool, "build_dependencies": list, "dicom_support_rule": str,
        "build_subdirectory": str, "tier": int,
    }  # fmt: skip
    assert set(entry) <= set(kinds) and {"$schema", "category", "scm_url"} <= set(entry)
    assert all(isinstance(value, kinds[key]) for key, value in entry.items())
    assert entry["$schema"].endswith("/slicer-extension-catalog-entry-schema-v1.0.2.json#")
    assert 1 <= entry["tier"] <= 5 and entry["category"] == "Segmentation"
    facts = facts_of_the_extension()
    assert entry["scm_url"] == facts["HOMEPAGE"] + ".git"
    assert facts["DEPENDS"] == "NA" and entry["build_dependencies"] == []
    text = (support.ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    (project,) = re.findall(r"^project\((\w+)\)", text, re.M)
    names = {project, "AutoSegPipeline", support.MODULE.name, Path(entry["scm_url"]).stem[len("Slicer") :]}
    assert names == {"AutoSegPipeline"}


def test_the_repository_is_small() -> None:
    sizes = {path: path.stat().st_size for path in support.project_files()}
    assert max(sizes.values()) < 1_000_000 and sum(sizes.values()) < 20_000_000


def test_a_cmake_file_without_the_list_is_an_error() -> None:
    with pytest.raises(ValueError, match="MODULE_PYTHON_SCRIPTS"):
        listed("project(Other)", "MODULE_PYTHON_SCRIPTS")
