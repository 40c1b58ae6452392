"""What a contributor and a citing author find at the root of the repository."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import support.skeleton as support
from AutoSegPipelineLib import __version__
from support.programs import package

DECISIONS = support.ROOT / "docs" / "decisions"
RECORDS = sorted(DECISIONS.glob("[0-9]*.md"))
yaml = package("yaml", before=(3, 15))


def document(path: str) -> dict:
    return yaml.safe_load((support.ROOT / path).read_text(encoding="utf-8"))


def test_the_citation_names_this_version_and_the_works_it_builds_on() -> None:
    found = document("CITATION.cff")
    assert (found["cff-version"], found["license"], str(found["version"])) == (
        "1.2.0",
        "Apache-2.0",
        __version__,
    )
    assert found["authors"] and len(found["references"]) >= 3
    assert all(re.fullmatch(r"10\.\d{4,9}/\S+", one["doi"]) for one in found["references"])


def test_the_hooks_before_a_commit_run_files_that_exist() -> None:
    (repository,) = document(".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    for hook in repository["hooks"]:
        words = hook["entry"].split()
        assert words[0] == "python" and hook["language"] == "system"
        assert words[1] == "-m" or (support.ROOT / words[1]).is_file(), hook["entry"]


@pytest.mark.parametrize("name", ["bug_report", "feature_request"])
def test_a_form_of_an_issue_has_what_the_site_asks_for(name: str) -> None:
    form = document(f".github/ISSUE_TEMPLATE/{name}.yml")
    assert form["name"] and form["description"] and form["body"]
    assert {field["type"] for field in form["body"]} <= {"markdown", "textarea", "input"}
    labels = [field["attributes"].get("label") for field in form["body"] if field["type"] != "markdown"]
    assert all(labels) and len(labels) == len(set(labels))


def test_the_bug_form_warns_of_patients_data() -> None:
    assert (
        "patients' data"
        in document(".github/ISSUE_TEMPLATE/bug_report.yml")["body"][0]["attributes"]["value"]
    )


def test_there_are_ten_decisions_and_the_list_names_each() -> None:
    assert len(RECORDS) >= 10
    listed = (DECISIONS / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in RECORDS if path.name not in listed] == []


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_decision_says_context_decision_and_consequences(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert [word for word in ("Context", "Decision", "Consequences") if f"## {word}" not in text] == []
