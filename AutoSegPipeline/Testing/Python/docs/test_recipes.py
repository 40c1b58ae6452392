"""Each recipe of docs/recipes.md, followed word for word on a copy of the library."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import support.docs as docs
import support.skeleton as skeleton
from support.headless import clean_environment, write_scan

PAGE = docs.DOCS / "recipes.md"
SECTION = re.compile(r"^## (.+?)\n(.*?)(?=^## |\Z)", re.M | re.S)
STEP = re.compile(r"<!-- (new|below|run)(?:: ([^:]+?))?(?:: (.+?))? -->\n```\w*\n(.*?)```", re.S)
PROMISE = re.compile(r"<!-- (prints|file): (.+?)(?:: (.+?))? -->")
RECIPES = dict(SECTION.findall(PAGE.read_text(encoding="utf-8")))


def change(library: Path, kind: str, file: str, anchor: str, text: str) -> None:
    """One step of a recipe in a copy of the library."""
    path = library / file
    if kind == "new":
        assert not path.exists(), f"{file} exists already"
        path.parent.mkdir(exist_ok=True)  # a new room
        path.write_text(text, encoding="utf-8")
        return
    old = path.read_text(encoding="utf-8")
    assert old.count(anchor) == 1, f"{file} does not have once: {anchor}"
    path.write_text(old.replace(anchor, f"{anchor}\n{text.rstrip()}"), encoding="utf-8")


def test_the_page_has_the_recipes() -> None:
    assert set(RECIPES) >= {"A setting", "A result format", "A door", "An engine", "A command"}


@pytest.mark.parametrize("title", RECIPES)
def test_a_recipe_works_as_it_is_written(title: str, tmp_path: Path) -> None:
    library = tmp_path / "program" / "AutoSegPipelineLib"
    shutil.copytree(skeleton.LIBRARY, library, ignore=shutil.ignore_patterns("__pycache__"))
    write_scan(tmp_path / "scan.nii.gz")
    variables = {**clean_environment(AUTOSEG_HOME=str(tmp_path / "home")), "PYTHONPATH": str(library.parent)}
    printed, ran = "", 0
    for kind, file, anchor, text in STEP.findall(RECIPES[title]):
        if kind != "run":
            change(library, kind, file, anchor, text)
            continue
        for line in text.splitlines():
            words = shlex.split(line)
            assert words[0] == "autoseg"
            command = [sys.executable, "-m", "AutoSegPipelineLib.headless", *words[1:]]
            done = subprocess.run(
                command, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=120, check=False
            )
            assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
            printed += done.stdout
            ran += 1
    promises = PROMISE.findall(RECIPES[title])
    assert ran and promises
    for kind, what, content in promises:
        found = printed if kind == "prints" else (tmp_path / what).read_text(encoding="utf-8")
        assert (what if kind == "prints" else content) in found
