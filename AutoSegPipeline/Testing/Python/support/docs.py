"""Tables of the documentation that follow from the program; ``python support/docs.py`` writes them anew.

A generated part stands in ``docs/*.md`` between ``<!-- generated: NAME -->`` and
``<!-- end of NAME -->``; the tests compare it with what this module makes.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import Any, Callable, Iterator

HERE = Path(__file__).resolve().parent
LIBRARY_PARENT = HERE.parents[2]
ROOT = LIBRARY_PARENT.parent
DOCS = ROOT / "docs"
if __name__ == "__main__":
    sys.path[0] = str(LIBRARY_PARENT)  # this folder's names would hide others (qt)
elif str(LIBRARY_PARENT) not in sys.path:
    sys.path.insert(0, str(LIBRARY_PARENT))

from AutoSegPipelineLib.core import result_formats, specs, states  # noqa: E402
from AutoSegPipelineLib.core.cohort.columns import COLUMNS  # noqa: E402
from AutoSegPipelineLib.core.errors import CODES  # noqa: E402
from AutoSegPipelineLib.core.job import FIELDS  # noqa: E402


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in lines)


# --- settings -----------------------------------------------------------------------------


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    if isinstance(value, (list, tuple)):
        return "`" + ",".join(value) + "`" if value else "empty"
    if isinstance(value, float):
        return f"`{value:g}`"
    return f"`{value}`" if value != "" else "empty"


def _kind(spec: specs.Spec) -> str:
    if spec.choices:
        words = ", ".join(f"`{choice}`" for choice in spec.choices if choice)
        return f"some of {words}" if spec.kind == "list" else f"one of {words}"
    words = {
        "bool": "true or false",
        "int": "whole number",
        "float": "number",
        "list": "list",
        "text": "text",
    }
    kind = words[spec.kind]
    if spec.minimum is not None and spec.maximum is not None:
        kind += f", {spec.minimum:.12g} to {spec.maximum:.12g}"
    return kind + (f" {spec.unit}" if spec.unit else "")


def _flag(spec: specs.Spec) -> str:
    from AutoSegPipelineLib.headless.flags import _SHORT

    words = [_SHORT[spec.name]] if spec.name in _SHORT else []
    words.append(spec.flag)
    if spec.kind == "bool":
        words.append(f"--no-{spec.flag[2:]}")
    return " ".join(f"`{word}`" for word in words)


def _specs(chosen: tuple[specs.Spec, ...]) -> str:
    head = ["name", "flag", "environment", "value", "default", "what it does"]
    rows = [
        [f"`{s.name}`", _flag(s), f"`{s.environment}`", _kind(s), _value(s.default), s.help] for s in chosen
    ]
    return table(head, rows)


def options_table() -> str:
    """Every case option."""
    return _specs(specs.OPTIONS)


def settings_table() -> str:
    """Every setting of the pipeline."""
    return _specs(specs.SETTINGS)


# --- formats ------------------------------------------------------------------------------


def formats_table() -> str:
    """Every result format with its files."""
    rows = []
    for one in result_formats.FORMATS:
        files = ", ".join(f"`NAME{ending}`" for ending in one.endings)
        default = "always" if one.always else "yes" if one.default else "on request"
        rows.append([f"`{one.kind}`", files, default, one.help])
    return table(["kind (word of `--formats`)", "file", "default", "in short"], rows)


# --- the job ------------------------------------------------------------------------------


def job_table() -> str:
    """Every public field of a job."""
    rows = [
        [f"`{one.name}`", f"{one.help}{', or None' if one.optional else ''}"] for one in FIELDS if one.public
    ]
    return table(["field", "what it is"], rows)


def columns_table() -> str:
    """Every column of the table over all cases."""
    return table(["column", "what it is"], [[f"`{one.name}`", one.help] for one in COLUMNS])


# --- states -------------------------------------------------------------------------------


def states_table() -> str:
    """Every state and where a job may go from it."""
    rows = [
        [f"`{state}`", ", ".join(f"`{n}`" for n in states.ALL if n in states.TRANSITIONS[state])]
        for state in states.ALL
    ]
    return table(["state", "next"], rows)


# --- the HTTP API -------------------------------------------------------------------------

_KNOWN_ELSEWHERE = ("/api/v1/session", "/api/v1/account", "/api/v1/users", "/api/v1/audit", "/api/v1/links")


def document() -> dict[str, Any]:
    """The OpenAPI document."""
    import tempfile

    from AutoSegPipelineLib.core.home import Home
    from AutoSegPipelineLib.core.settings import Settings
    from AutoSegPipelineLib.web.app import make_app
    from AutoSegPipelineLib.web.config import WebConfig
    from AutoSegPipelineLib.web.context import WebContext

    with tempfile.TemporaryDirectory() as folder:
        home = Home.at(Path(folder))
        home.create()
        context = WebContext.of(WebConfig.of(home, Settings.defaults()))
        try:
            return dict(make_app(context).openapi())
        finally:
            context.close()


def routes_table() -> str:
    """Every address of the API but those of accounts, which have a page of their own."""
    from AutoSegPipelineLib.web.gate.access import TABLE

    roles = {row.replace(":path}", "}"): access for row, access in TABLE.items()}
    rows = []
    for path, methods in sorted(document()["paths"].items()):
        for method, operation in methods.items():
            if path.startswith(_KNOWN_ELSEWHERE) or method in ("options", "head"):
                continue
            access = roles[f"{method.upper()} {path}"]
            who = (access.role or "all") + (", link" if access.share else "")
            text = re.sub(r"``([^`]+)``", r"`\1`", operation["description"].split("\n")[0])
            rows.append([f"`{method.upper()} {path}`", who, text])
    return table(["request", "who", "what"], rows)


# --- commands -----------------------------------------------------------------------------


def commands() -> Iterator[tuple[str, Any, Any]]:
    """(``config show``, its click command, its context) for every command, groups themselves left out."""
    import click
    from AutoSegPipelineLib.headless.cli import cli

    def walk(group: click.Group, parent: click.Context, before: str) -> Iterator[tuple[str, Any, Any]]:
        for name in group.list_commands(parent):
            command = group.get_command(parent, name)
            assert command is not None
            context = click.Context(command, info_name=name, parent=parent)
            if isinstance(command, click.Group):
                yield from walk(command, context, f"{before}{name} ")
            else:
                yield f"{before}{name}", command, context

    yield from walk(cli, click.Context(cli, info_name="autoseg"), "")


def own_flags(command: Any) -> list[Any]:
    """The options of a command that are neither case options, settings, nor those of every command."""
    found = []
    for param in command.params:
        every = param.name in ("home", "inbox", "results", "state", "verbose", "quiet", "help")
        if param.param_type_name == "option" and not every and param.name not in specs.BY_NAME:
            found.append(param)
    return found


def _synopsis(command: Any, context: Any) -> str:
    pieces = [piece for piece in command.collect_usage_pieces(context) if piece != "[OPTIONS]"]
    return " ".join([f"{context.command_path} [OPTIONS]", *pieces])


def command_part(name: str, command: Any, context: Any) -> str:
    """Synopsis, help and own options of one command."""
    first = (command.help or "").split("\n\n")[0].replace("\n", " ").strip()
    lines = ["```text", _synopsis(command, context), "```", "", first]
    rows = []
    for param in own_flags(command):
        flags = ", ".join(f"`{flag}`" for flag in param.opts)
        metavar = "" if param.is_flag else f" `{param.make_metavar(context)}`"
        rows.append([flags + metavar, param.help or ""])
    if rows:
        lines += ["", table(["option", "what it does"], rows)]
    return "\n".join(re.sub(r" +", " ", line) if line.startswith("|") else line for line in lines)


# --- warnings -----------------------------------------------------------------------------

_CODE = re.compile(r"[a-z]+\.[a-z_]+\Z")


def warning_codes() -> set[str]:
    """Codes of warnings and alarms in the library's sources that are no row of ``CODES``."""
    found: set[str] = set()
    for path in (LIBRARY_PARENT / "AutoSegPipelineLib").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            found.update(_codes_of(node))
    return found - set(CODES)


def _codes_of(node: ast.AST) -> Iterator[str]:
    values: list[Any] = []
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values)
        values = [v for k, v in pairs if isinstance(k, ast.Constant) and k.value == "code"]
    elif isinstance(node, ast.Call):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name in ("warn", "_warn", "AlarmRaised"):
            values = list(node.args)
    for value in values:
        text = value.value if isinstance(value, ast.Constant) else None
        if isinstance(text, str) and _CODE.match(text):
            yield text


# --- pages --------------------------------------------------------------------------------

GENERATED: dict[str, Callable[[], str]] = {
    "options": options_table,
    "settings": settings_table,
    "formats": formats_table,
    "job": job_table,
    "states": states_table,
    "table columns": columns_table,
    "routes": routes_table,
    **{f"autoseg {n}": lambda n=n, c=c, x=x: command_part(n, c, x) for n, c, x in commands()},
}
_PART = re.compile(r"<!-- generated: (?P<name>[^>]+?) -->\n(?P<text>.*?)<!-- end of (?P=name) -->", re.S)


def parts(page: str) -> dict[str, str]:
    """Name and text of each generated part of a page."""
    return {found["name"]: found["text"].strip() for found in _PART.finditer(page)}


def renewed(page: str) -> str:
    """The page with every generated part as it should be."""

    def part(found: re.Match[str]) -> str:
        name = found["name"]
        return f"<!-- generated: {name} -->\n{GENERATED[name]()}\n<!-- end of {name} -->"

    return _PART.sub(part, page)


def pages() -> list[Path]:
    """The documentation, README included where it is."""
    readme = ROOT / "README.md"
    return [*sorted(DOCS.glob("*.md")), *([readme] if readme.exists() else [])]


def main() -> None:
    """Write every generated part anew."""
    for path in pages():
        text = path.read_text(encoding="utf-8")
        new = renewed(text)
        if new != text:
            path.write_text(new, encoding="utf-8", newline="\n")
            print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
