"""The repository names nothing that belongs to the machine it was written on, nor a package registry."""

from __future__ import annotations

import ast
import re
from typing import Iterator

import support.skeleton as support

# Put together from pieces, so that this file does not hold what it looks for.
HOSTS = [
    "pypi" + ".org",
    "python" + "hosted.org",
    "registry." + "npmjs",
    "conda." + "anaconda.org",
    "npmjs" + ".org",
]
PLACES = [r"(?<![\w.])/work" + r"/", r"(?<![\w.])\.\./shared" + r"/", r"/opt/" + r"dev\b"]
PLACES += [r"/root" + r"/", r"C:\\\\?Users\\\\?[A-Z]\w+" + r"\\"]
PATTERN = re.compile("|".join([re.escape(host) for host in HOSTS] + PLACES))
TEXT = {
    ".py",
    ".md",
    ".txt",
    ".toml",
    ".yml",
    ".yaml",
    ".json",
    ".html",
    ".css",
    ".js",
    ".cfg",
    ".csv",
    ".sh",
    "",
}


def test_no_file_names_a_registry_or_a_workplace() -> None:
    found = []
    for path in support.project_files():
        if path.suffix not in TEXT:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if PATTERN.search(line):
                found.append(f"{path.relative_to(support.ROOT).as_posix()}:{number}: {line.strip()[:100]}")
    assert found == []


def test_the_pattern_finds_what_it_is_for() -> None:
    for text in (
        HOSTS[0],
        "https://registry." + "npmjs" + ".org/x",
        "cd /work" + "/main",
        "see ../shared" + "/data",
    ):
        assert PATTERN.search(text), text
    for text in ("state/work/<id>", "the work/ folder", "homework/", "shared/"):
        assert not PATTERN.search(text), text


# Words that puzzled readers as names. Docstrings and messages may still use them as English.
UNCLEAR = {"anew", "told", "telling", "wish", "steering", "pouring", "sink", "insight"}


def unclear_names(source: str) -> Iterator[str]:
    """``line: name`` of each function, class, argument or variable with such a word in it."""
    for node in ast.walk(ast.parse(source)):
        name = ""
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            name = node.name
        elif isinstance(node, ast.arg):
            name = node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            name = node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            name = node.attr
        if UNCLEAR & {word.lower() for word in re.findall(r"[A-Z]?[a-z]+", name)}:
            yield f"{node.lineno}: {name}"  # type: ignore[attr-defined]


def test_names_in_the_library_say_what_they_hold() -> None:
    found = {
        path.relative_to(support.LIBRARY).as_posix(): list(unclear_names(path.read_text(encoding="utf-8")))
        for path in support.library_files()
    }
    assert {file: names for file, names in found.items() if names} == {}


def test_unclear_names_are_found() -> None:
    assert list(unclear_names("def f(wish):\n    self._told_at = 1\n    was = sinking = 2")) == [
        "1: wish",
        "2: _told_at",
    ]
