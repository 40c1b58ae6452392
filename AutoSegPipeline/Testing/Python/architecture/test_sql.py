"""The store's SQL stays within SQLite 3.30, which Slicer 5.6 to 5.10 ship without its JSON functions."""

from __future__ import annotations

import ast
import re

import pytest
import support.skeleton as support

# What came later than 3.30 or is compiled out there. https://www.sqlite.org/changes.html
NEWER = {
    "RETURNING (3.35)": r"\bRETURNING\b",
    "STRICT tables (3.37)": r"\)\s*(WITHOUT\s+ROWID\s*,\s*)?STRICT\b",
    "UPDATE ... FROM (3.33)": r"\bUPDATE\s+(OR\s+\w+\s+)?\w+\s+SET\b(?:(?!\bWHERE\b|\().)*\sFROM\s",
    "DROP COLUMN (3.35)": r"\bDROP\s+COLUMN\b",
    "generated columns (3.31)": r"\bGENERATED\s+ALWAYS\b|\bAS\s*\([^)]*\)\s*(STORED|VIRTUAL)\b",
    "IIF (3.32)": r"\bIIF\s*\(",
    "IF function (3.48)": r"\bIF\s*\(",
    "JSON functions": r"\bjson(_\w+)?\s*\(|->>?\s*'",
    "MATERIALIZED (3.35)": r"\bMATERIALIZED\b",
    "math functions (3.35)": r"\b(ceil|ceiling|floor|ln|log|log2|log10|exp|pow|power|sqrt|mod|trunc|pi)\s*\(",
    "IS [NOT] DISTINCT FROM (3.39)": r"\bDISTINCT\s+FROM\b",
    "RIGHT or FULL JOIN (3.39)": r"\b(RIGHT|FULL)\s+(OUTER\s+)?JOIN\b",
    "unixepoch, timediff, subsec (3.38)": r"\b(unixepoch|timediff)\s*\(|'subsec",
    "format, string_agg, concat (3.38)": r"\b(format|string_agg|concat|concat_ws|octet_length|unhex)\s*\(",
    "two ON CONFLICT clauses (3.35)": r"\bON\s+CONFLICT\b(?:(?!;).)*\bON\s+CONFLICT\b",
}
_SQL = re.compile(
    r"^\s*(SELECT\b.+\bFROM\b|INSERT\s|UPDATE\s+\w+\s+SET\b|DELETE\s+FROM\b|CREATE\s+(TABLE|INDEX|UNIQUE|TRIGGER|VIEW|TEMP)"
    r"|ALTER\s+TABLE\b|DROP\s+(TABLE|INDEX)|PRAGMA\s|WITH\s+\w+.*\bAS\b|REPLACE\s+INTO\b|VACUUM\b|BEGIN\b)",
    re.IGNORECASE | re.DOTALL,
)


def literals(source: str) -> list[tuple[int, str]]:
    """Line and text of each string that is not a docstring; an f-string's holes become ``?``."""
    tree = ast.parse(source)
    skipped = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else "?" for part in node.values]
            found.append((node.lineno, "".join(map(str, parts))))
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in skipped | inside
        ):
            found.append((node.lineno, node.value))
    return found


def too_new(sql: str) -> list[str]:
    """What in ``sql`` SQLite 3.30 does not have; nothing for text that is no SQL."""
    if not _SQL.search(sql):
        return []
    return [name for name, pattern in NEWER.items() if re.search(pattern, sql, re.IGNORECASE | re.DOTALL)]


def test_no_statement_of_the_library_needs_a_newer_sqlite() -> None:
    found = [
        f"{path.relative_to(support.LIBRARY).as_posix()}:{line}: {name}"
        for path in support.library_files()
        for line, text in literals(path.read_text(encoding="utf-8"))
        for name in too_new(text)
    ]
    assert found == []


def test_the_walk_finds_the_statements_of_the_store() -> None:
    store = [path for path in support.library_files() if "store" in path.parts]
    texts = [text for path in store for _, text in literals(path.read_text(encoding="utf-8"))]
    assert sum(bool(_SQL.search(text)) for text in texts) > 10


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO jobs(id) VALUES (?) RETURNING id",
        "CREATE TABLE t(a INTEGER) STRICT",
        "CREATE TABLE t(a INTEGER PRIMARY KEY) WITHOUT ROWID, STRICT",
        "UPDATE jobs SET state = other.state FROM other WHERE other.id = jobs.id",
        "ALTER TABLE jobs DROP COLUMN old",
        "SELECT json_extract(options, '$.task') FROM jobs",
        "SELECT options ->> '$.task' FROM jobs",
        "SELECT iif(a, 1, 2) FROM jobs",
        "WITH x AS MATERIALIZED (SELECT 1) SELECT * FROM x",
        "SELECT floor(progress) FROM jobs",
        "SELECT a FROM jobs WHERE a IS NOT DISTINCT FROM b",
        "SELECT * FROM a FULL OUTER JOIN b ON a.x = b.x",
    ],
)
def test_newer_sql_is_refused(sql: str) -> None:
    assert too_new(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO jobs(id) VALUES (?) ON CONFLICT(id) DO UPDATE SET state = excluded.state",
        "UPDATE jobs SET state = ? WHERE id IN (SELECT job FROM requests)",
        "UPDATE jobs SET revision = (SELECT max(revision) FROM jobs) + 1 WHERE id = ?",
        "SELECT * FROM jobs ORDER BY priority DESC NULLS LAST",
        "CREATE UNIQUE INDEX one ON jobs(name) WHERE name <> ''",
        "The format (log) of the floor (see below) is STRICT",
    ],
)
def test_sql_of_3_30_and_plain_text_pass(sql: str) -> None:
    assert not too_new(sql)
