"""The documentation says what the program does: tables, codes, commands, links and examples."""

from __future__ import annotations

import ast
import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import pytest
import support.docs as docs
from AutoSegPipelineLib import __version__
from AutoSegPipelineLib.core import crash_points, result_formats, specs, states
from AutoSegPipelineLib.core.errors import CODES
from AutoSegPipelineLib.core.job import Job
from support.headless import clean_environment, write_scan

README = docs.ROOT / "README.md"
CHANGELOG = docs.ROOT / "CHANGELOG.md"
PAGES = [
    "accounts-and-security.md",
    "architecture.md",
    "command-line.md",
    "errors.md",
    "folders-and-recovery.md",
    "python-api.md",
    "results.md",
    "settings.md",
    "slicer.md",
    "totalsegmentator.md",
]
EXAMPLE = re.compile(r"<!-- test -->\n```python\n(.*?)```", re.S)
PRINTED = re.compile(r"^ *print\(.*\)  # (.+)$")
ROW = re.compile(r"^\| `([a-z]+\.[a-z_]+)` \| (.+?) \| (.+?) \|$", re.M)


def text_of(name: str) -> str:
    return (docs.DOCS / name).read_text(encoding="utf-8")


# --- tables -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAGES)
def test_generated_parts_are_what_the_program_says(name: str) -> None:
    page = text_of(name)
    found = docs.parts(page)
    stale = [part for part, text in found.items() if text != docs.GENERATED[part]().strip()]
    assert stale == [], "write them anew with: python AutoSegPipeline/Testing/Python/support/docs.py"


def test_every_generated_part_stands_on_some_page() -> None:
    standing = {part for page in docs.pages() for part in docs.parts(page.read_text(encoding="utf-8"))}
    assert set(docs.GENERATED) - standing == set()


def test_every_setting_is_documented_with_its_flag_environment_name_and_default() -> None:
    page = text_of("settings.md")
    for spec in specs.BY_NAME.values():
        row = next((line for line in page.splitlines() if line.startswith(f"| `{spec.name}` |")), "")
        assert f"`{spec.flag}`" in row and f"`{spec.environment}`" in row and spec.help in row, spec.name


def test_every_error_code_has_a_meaning_and_the_programs_own_advice() -> None:
    rows = {code: (meaning, advice) for code, meaning, advice in ROW.findall(text_of("errors.md"))}
    assert set(CODES) - set(rows) == set()
    for code, advice in CODES.items():
        meaning, told = rows[code]
        assert told == advice.replace("|", "/"), code
        assert len(meaning) > 10, code


def test_no_code_stands_in_the_table_that_nothing_raises() -> None:
    said: set[str] = set()
    for path in (docs.LIBRARY_PARENT / "AutoSegPipelineLib").rglob("*.py"):
        if path.name != "errors.py":
            nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            said.update(node.value for node in nodes if isinstance(getattr(node, "value", None), str))
    assert set(CODES) - said == set()


def test_every_warning_is_documented_and_no_code_is_invented() -> None:
    documented = {code for code, _, _ in ROW.findall(text_of("errors.md"))} - set(CODES)
    assert documented == docs.warning_codes()


def test_every_field_of_a_job_is_documented() -> None:
    page = text_of("python-api.md")
    table = page[page.index("## The job") :]
    fields = {field.name for field in dataclasses.fields(Job)} & set(Job().to_dict())
    named = set(re.findall(r"`([a-z_]+)`", "\n".join(re.findall(r"^\| (.+?) \|", table, re.M))))
    assert fields - named == set()
    assert named - fields == set()


def test_every_result_file_is_documented() -> None:
    page = text_of("results.md")
    for known in result_formats.FORMATS:
        row = next(line for line in page.splitlines() if line.startswith(f"| `{known.kind}` |"))
        assert all(f"`NAME{ending}`" in row for ending in known.endings), known.kind


def test_every_column_of_the_statistics_is_documented() -> None:
    from AutoSegPipelineLib.processing.writers.statistics import COLUMNS

    page = text_of("results.md")
    first_cells = " ".join(re.findall(r"^\| (`[^|]+) \|", page, re.M))
    for column in COLUMNS:
        axis = re.sub(r"^([ijk])_(min|max)$|^centroid_([xyz])_|^([xyz])_", "", column)
        assert f"`{column}`" in first_cells or axis != column, column


def test_the_states_and_the_durable_steps_are_those_of_the_program() -> None:
    page = text_of("architecture.md")
    assert set(states.TRANSITIONS) == set(states.ALL)
    for step in (*crash_points.STAGING, *crash_points.HANDOVER, *crash_points.PUBLISHING):
        assert f"`{step}`" in page, step


# --- commands -----------------------------------------------------------------------------


def test_every_command_has_a_section_with_an_example() -> None:
    page = text_of("command-line.md")
    sections = dict(re.findall(r"^### `(autoseg [a-z ]+)`\n(.*?)(?=^##|\Z)", page, re.M | re.S))
    known = {f"autoseg {name}" for name, _, _ in docs.commands()}
    assert set(sections) == known
    for title, section in sections.items():
        examples = re.findall(
            r"^" + re.escape(title) + r"\b.*$", re.sub(r"```text.*?```", "", section, flags=re.S), re.M
        )
        assert examples, f"{title} has no example"


def test_every_option_that_is_named_exists() -> None:
    known = {"--help", "-h", "--version", "--venv", "--json", "--torch"}
    every = [param for _, command, _ in docs.commands() for param in command.params]
    for param in every:
        known.update(param.opts, param.secondary_opts)
    # Of other programs: git, pip, systemd and the like are named in code blocks only.
    for page in docs.pages():
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
        named = set(re.findall(r"(?<![\w-])(--[a-z][a-z-]+)", text))
        assert named - known == set(), page.name


CALL = re.compile(
    r"(?:^|/|python3 )autoseg(?:\.py)? +"
    r"(?P<name>(?:(?:config|rules|weights|users|tokens|links|dicom|models|engines|bundle) )?[a-z]+)\b"
    r"(?P<rest>.*)"
)


def _calls(text: str) -> list[str]:
    """Lines of code blocks, and code within sentences."""
    blocks = re.findall(r"```\w*\n(.*?)```", text, re.S)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.S))
    return [line.split("  #")[0] for line in [*"\n".join(blocks).splitlines(), *spans]]


def test_every_call_of_autoseg_is_one_that_it_understands() -> None:
    import click
    from AutoSegPipelineLib.headless.cli import cli

    by_name = {name: command for name, command, _ in docs.commands()}
    known_names = {"test", "install", "config", *by_name}
    calls = 0
    for page in docs.pages():
        text = page.read_text(encoding="utf-8")
        added = set(re.findall(r'^    name = "(\w+)"$', text, re.M))  # by a recipe, whose own test calls it
        for line in _calls(text):
            found = CALL.search(line)
            if found is None:
                continue
            calls += 1
            assert found["name"] in known_names | added, f"{page.name}: {line}"
            command = by_name.get(found["name"])
            if command is None:
                continue
            context = click.Context(command, info_name=found["name"], parent=click.Context(cli))
            known = {flag for p in command.get_params(context) for flag in (*p.opts, *p.secondary_opts)}
            given = re.findall(r"(?<!\S)(--?[a-z][a-z-]*)", re.split(r"\s[|>]\s", found["rest"])[0])
            assert set(given) <= known, f"{page.name}: {line}"
    assert calls > 40


def test_every_method_of_the_slicer_module_that_is_named_exists() -> None:
    tree = ast.parse((docs.LIBRARY_PARENT / "AutoSegPipeline.py").read_text(encoding="utf-8"))
    logic = next(node for node in tree.body if getattr(node, "name", "") == "AutoSegPipelineLogic")
    known = {node.name for node in logic.body if isinstance(node, ast.FunctionDef)}
    for page in docs.pages():
        named = set(re.findall(r"\blogic\.(\w+)\(", page.read_text(encoding="utf-8")))
        assert named <= known, page.name


# --- links, README, changelog -------------------------------------------------------------


def _anchor(heading: str) -> str:
    """As GitHub makes it."""
    plain = re.sub(r"[^\w\- ]", "", heading.strip().lower().replace("`", ""))
    return plain.replace(" ", "-")


@pytest.mark.parametrize("path", docs.pages(), ids=lambda path: path.name)
def test_every_link_leads_to_a_file_and_a_heading_that_exist(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://")):
            continue
        file, _, anchor = target.partition("#")
        aim = (path.parent / file).resolve() if file else path
        assert aim.exists(), f"{path.name}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", aim.read_text(encoding="utf-8"), re.M)
            assert anchor in [_anchor(heading) for heading in headings], f"{path.name}: {target}"


def test_the_readme_names_every_command() -> None:
    text = README.read_text(encoding="utf-8")
    for name in {name.split()[0] for name, _, _ in docs.commands()}:
        assert re.search(rf"(autoseg(\.py)? {name}\b|`{name}`)", text), name


def test_every_page_is_reached_from_the_readme() -> None:
    text = README.read_text(encoding="utf-8")
    assert [name for name in PAGES if f"docs/{name}" not in text] == []


def test_readme_and_pages_say_for_research_not_a_medical_device() -> None:
    for page in docs.pages():
        assert "for research, not a medical device" in page.read_text(encoding="utf-8").lower(), page.name


def test_the_changelog_speaks_of_this_version() -> None:
    assert "0.1.0" in CHANGELOG.read_text(encoding="utf-8") and __version__.startswith("0.1.0")


# --- examples -----------------------------------------------------------------------------


def _run(source: str, folder: Path) -> list[str]:
    script = folder / "example.py"
    script.write_text(source, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)], cwd=folder, env=clean_environment(PYTHONUTF8="1"), timeout=150,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()


def test_the_examples_run_and_print_what_stands_behind_them(tmp_path: Path) -> None:
    """All marked blocks as one session: the API first, then what reads its results in `out/`."""
    write_scan(tmp_path / "scan.nii.gz")
    pages = ["python-api.md", "results.md"]
    blocks = [block for name in pages for block in EXAMPLE.findall(text_of(name))]
    if README.exists():
        blocks += EXAMPLE.findall(README.read_text(encoding="utf-8"))
    source = "\n".join(blocks)
    expected = [found[1] for line in source.splitlines() if (found := PRINTED.match(line))]
    assert len(blocks) >= 8 and len(expected) >= 12
    assert _run(source, tmp_path) == expected
