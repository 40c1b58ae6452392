"""A job's fields: one line makes a field; stores of the present version are brought along."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import support.skeleton as skeleton
from AutoSegPipelineLib.core.clock import SystemClock
from AutoSegPipelineLib.core.job import FIELDS, Job
from AutoSegPipelineLib.core.store import Store
from AutoSegPipelineLib.core.store.database import Database
from AutoSegPipelineLib.core.store.schema import MIGRATIONS, WRITTEN, migrations

# The table of the first version as it was released: name, type, NOT NULL, primary key.
FIRST = """
    id TEXT 0 1, name TEXT 1 0, label TEXT 1 0, input TEXT 1 0, door TEXT 1 0, submitted_by TEXT 1 0,
    state TEXT 1 0, progress REAL 1 0, message TEXT 1 0, eta_s REAL 0 0, engine TEXT 1 0,
    options TEXT 1 0, modality TEXT 1 0, shape TEXT 0 0, spacing TEXT 0 0, series_key TEXT 0 0,
    version INTEGER 1 0, supersedes TEXT 0 0, cached_from TEXT 0 0, priority INTEGER 1 0,
    times TEXT 1 0, outputs TEXT 1 0, warnings TEXT 1 0, error TEXT 0 0, revision INTEGER 1 0,
    staged TEXT 1 0, out TEXT 1 0, attempt INTEGER 1 0, vanished INTEGER 1 0, deaths INTEGER 1 0,
    not_before REAL 1 0, queued_at REAL 1 0, cancel INTEGER 1 0, content TEXT 1 0, parent TEXT 0 0
"""


def columns(path: Path) -> list[str]:
    connection = sqlite3.connect(str(path))
    try:
        rows = connection.execute("PRAGMA table_info(jobs)").fetchall()
    finally:
        connection.close()
    return [f"{name} {kind} {needed} {key}" for _, name, kind, needed, _, key in rows]


def with_a_field_more(store: Path) -> dict[str, Any]:
    """What a program says whose ``Job`` has one line more."""
    paths = [skeleton.MODULE, Path(__file__).parents[1]]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    done = subprocess.run(
        [sys.executable, "-m", "support.added_field", str(store)],
        capture_output=True, text=True, timeout=60, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_the_first_version_of_the_table_stays_as_it_was_released(tmp_path: Path) -> None:
    Database(tmp_path / "store.sqlite", MIGRATIONS[:1]).close()
    assert columns(tmp_path / "store.sqlite") == [" ".join(row.split()) for row in FIRST.split(",")]


def test_a_field_more_reaches_store_dictionary_api_and_docs(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite", SystemClock())
    job = Job(label="old.nii", options={"engine": "tissue"})
    store.jobs.add(job)
    store.close()
    found = with_a_field_more(tmp_path / "store.sqlite")
    assert found["old"] == {**job.to_dict(), "colour": "it's grey", "marks": {}, "note": None}
    assert found["saved"]["colour"] == "red" and found["saved"]["marks"] == {"a": [1]}
    assert "secret" not in found["saved"] and found["secret"] == 7
    assert found["version"] == len(MIGRATIONS) + 1 and found["copy"] == [f"store-{len(MIGRATIONS)}.sqlite"]
    assert found["schema"]["colour"] == {"title": "Colour", "type": "string", "description": "its colour"}
    assert "secret" not in found["schema"] and {"colour", "marks", "note"} <= set(found["required"])
    assert "| `colour` | its colour |" in found["docs"] and "secret" not in found["docs"]


def test_a_new_store_has_the_columns_of_an_old_one_that_was_brought_along(tmp_path: Path) -> None:
    Store(tmp_path / "old.sqlite", SystemClock()).close()
    with_a_field_more(tmp_path / "old.sqlite")
    with_a_field_more(tmp_path / "new.sqlite")
    assert columns(tmp_path / "old.sqlite") == columns(tmp_path / "new.sqlite")
    assert columns(tmp_path / "new.sqlite")[-1] == "secret INTEGER 1 0"


def test_every_migration_is_there_though_only_a_field_names_it() -> None:
    written = ("CREATE TABLE a (x);", "CREATE TABLE b (x);", *WRITTEN[2:])
    further = migrations((*FIELDS, *late(len(MIGRATIONS))), written)
    assert [sql.strip() for sql in further[1:]] == [
        "CREATE TABLE b (x);" + MIGRATIONS[1].strip(),
        *[sql.strip() for sql in MIGRATIONS[2:]],
        'ALTER TABLE jobs ADD COLUMN "parent" TEXT;',
    ]


def late(since: int) -> list[Any]:
    from dataclasses import replace

    return [replace(FIELDS[-1], since=since)]


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_a_default_is_of_the_type_that_its_field_states(field: Any) -> None:
    kind = getattr(field.python_type, "__origin__", field.python_type)
    assert field.default is None if field.optional else isinstance(field.default, kind)
