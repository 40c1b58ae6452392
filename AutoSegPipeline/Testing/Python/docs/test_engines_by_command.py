"""The page about engines by command: declarations that are right, every field, every placeholder."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest
import support.docs as docs
from AutoSegPipelineLib.processing.engines.command.declaration import Declaration, declaration
from AutoSegPipelineLib.processing.engines.command.placeholders import PLACES

PAGE = (docs.DOCS / "engines-by-command.md").read_text(encoding="utf-8")
BLOCKS = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE, re.S)]
GIVEN = [field.name for field in fields(Declaration) if field.name not in ("name", "folder", "fingerprint")]


@pytest.mark.parametrize(("name", "given"), [pair for block in BLOCKS for pair in block.items()])
def test_every_declaration_of_the_page_is_right(name, given, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(Path, "is_file", lambda path: True)  # tables lie where the reader put them
    found = declaration(name, given, tmp_path)
    assert found.command and found.fingerprint


def test_the_page_describes_every_field_and_no_other():
    table = PAGE[PAGE.index("## Fields") : PAGE.index("Relative paths in")]
    assert sorted(re.findall(r"^\| `(\w+)` \|", table, re.M)) == sorted(GIVEN)


def test_the_page_describes_every_placeholder():
    table = PAGE[PAGE.index("| placeholder |") : PAGE.index("## How a program runs")]
    named = set(re.findall(r"`\{(\w+)\}`", table))
    assert named == {*PLACES, "device", "quality"}


def test_the_defaults_that_the_page_states_are_those_of_the_program():
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| ([^|]+) \|$", PAGE, re.M))
    plain = declaration("x", {"command": ["x", "{input}"]}, Path())
    assert (float(rows["time_limit_minutes"]), float(rows["space_limit_gb"])) == (
        plain.time_limit_minutes, plain.space_limit_gb
    )  # fmt: skip
    assert rows["input"] == f"`{plain.input}`" and rows["writes"] == f"`{plain.writes}`"
