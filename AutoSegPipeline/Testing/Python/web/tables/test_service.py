"""The table beside the store: after a full disk, after damage, and while a methods paragraph is written."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path
from typing import Iterable, Iterator

import pytest
from AutoSegPipelineLib.core.cohort.methods import Methods
from AutoSegPipelineLib.core.cohort.table import Cohort, Query
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.job import Job
from AutoSegPipelineLib.core.store import Store
from AutoSegPipelineLib.core.store.scope import EVERYTHING
from AutoSegPipelineLib.web.tables import service
from support.cohort import structure, write_case

STEPS = ("inspecting", "queued", "preparing", "segmenting", "exporting", "publishing", "done")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home.at(tmp_path / "home")
    made.create()
    store = Store(made.store)
    for number in range(30):
        job = Job(name=f"c{number:02d}", label=f"c{number:02d}.nii")
        store.jobs.add(job)
        for step in STEPS:
            store.jobs.enter(job, step)
        write_case(made.results, job.name, [structure("liver", 10.0 + number, 50.0)])
        job.outputs = [{"kind": "manifest", "name": f"{job.name}.manifest.json", "size": 1, "sha256": "1"}]
        store.jobs.save(job)
    store.close()
    return made


@pytest.fixture
def table(home: Home) -> Iterator[service.TableService]:
    made = service.TableService(home)
    yield made
    made.close()


async def total(table: service.TableService) -> object:
    return (await table.page(Query(), EVERYTHING, 100, 0))["total"]


def test_after_a_full_disk_the_table_is_filled_at_the_next_look(
    table: service.TableService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Cohort, "put", full)
    with pytest.raises(sqlite3.OperationalError, match="full"):
        asyncio.run(total(table))
    monkeypatch.undo()
    assert asyncio.run(total(table)) == 30


def test_a_table_whose_damage_shows_in_reading_is_made_again(table: service.TableService, home: Home) -> None:
    assert asyncio.run(total(table)) == 30
    table._let_go()
    data = home.table.read_bytes()
    home.table.write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))
    assert asyncio.run(total(table)) == 30


def test_pages_are_shown_while_a_methods_paragraph_is_written(
    table: service.TableService, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    read: list[tuple[str, int]] = []

    def slow(paths: Iterable[Path]) -> Methods:
        read.extend((path.name, threading.get_ident()) for path in paths)
        begun.set()
        assert go_on.wait(60)
        return Methods(len(read), "", "")

    monkeypatch.setattr(service, "methods_of", slow)
    monkeypatch.setattr("AutoSegPipelineLib.core.store.jobs.PAGE", 7)

    async def both() -> int:
        methods = asyncio.create_task(table.methods(None, EVERYTHING))
        await asyncio.get_running_loop().run_in_executor(None, begun.wait, 60)
        try:
            assert await asyncio.wait_for(total(table), 60) == 30
        finally:
            go_on.set()
        return (await methods).cases

    assert asyncio.run(both()) == 30
    assert len({name for name, _ in read}) == 30
    assert threading.get_ident() not in {thread for _, thread in read}, "listed beside the event loop"
