"""The store: durable rows, revisions, tombstones, stems, migrations."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.job import Job
from AutoSegPipelineLib.core.store import Store
from AutoSegPipelineLib.core.store.database import Database
from AutoSegPipelineLib.core.store.schema import MIGRATIONS
from AutoSegPipelineLib.core.store.small_tables import Consumed, Kept
from support.held_clock import HeldClock


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def store(tmp_path: Path, clock: HeldClock) -> Store:
    made = Store(tmp_path / "store.sqlite", clock)
    yield made
    made.close()


def add(store: Store, *steps: str, **values: object) -> Job:
    job = Job(**values)
    store.jobs.add(job)
    for state in steps:
        store.jobs.enter(job, state)
    return job


def test_a_job_comes_back_as_it_was_written(store: Store) -> None:
    job = add(store, label="Ärm.nii", options={"engine": "tissue"}, shape=[1, 2, 3], error=None)
    assert store.jobs.get(job.id) == job
    assert "staged" not in job.to_dict()


def test_a_transition_that_is_no_row_of_the_table_raises_and_writes_nothing(store: Store) -> None:
    job = add(store)
    with pytest.raises(states.WrongTransition):
        store.jobs.enter(job, states.DONE)
    assert store.jobs.get(job.id).state == states.RECEIVING


def test_an_outdated_copy_cannot_overwrite_a_newer_state(store: Store) -> None:
    job = add(store, states.INSPECTING)
    old = store.jobs.get(job.id)
    store.jobs.enter(job, states.QUEUED)
    with pytest.raises(states.WrongTransition):
        store.jobs.save(old)


def test_every_change_raises_the_revision_and_deletions_leave_tombstones(store: Store) -> None:
    first, second = add(store), add(store)
    seen = store.revision()
    store.jobs.enter(second, states.INSPECTING)
    assert [job.id for job in store.jobs.list(since=seen)] == [second.id]
    store.jobs.delete(first.id)
    assert store.jobs.deleted(seen) == [first.id]
    assert store.jobs.find(first.id) is None


def test_a_unique_beginning_of_an_id_is_enough_and_an_ambiguous_one_says_so(store: Store) -> None:
    one = add(store, id="abcd1111" + "0" * 24)
    add(store, id="abcd2222" + "0" * 24)
    assert store.jobs.get("abcd1").id == one.id
    with pytest.raises(PipelineError, match="more than one") as caught:
        store.jobs.get("abcd")
    assert caught.value.code == "request.ambiguous_job"
    with pytest.raises(PipelineError) as caught:
        store.jobs.get("%")
    assert caught.value.code == "request.unknown_job"


def test_priority_decides_and_waiting_lifts_so_that_nothing_starves(store: Store, clock: HeldClock) -> None:
    low = add(store, states.INSPECTING, states.QUEUED, priority=0)
    high = add(store, states.INSPECTING, states.QUEUED, priority=100)
    assert store.jobs.next_queued(clock.at).id == high.id
    clock.at += 101 * 60
    later = add(store, states.INSPECTING, states.QUEUED, priority=100)
    store.jobs.enter(high, states.PREPARING)
    assert store.jobs.next_queued(clock.at).id == low.id, "after 101 minutes 0 stands above a fresh 100"
    assert later.state == states.QUEUED


def test_a_case_that_backs_off_is_not_offered_before_its_time(store: Store, clock: HeldClock) -> None:
    add(store, states.INSPECTING, states.QUEUED, not_before=clock.at + 5)
    assert store.jobs.next_queued(clock.at) is None
    assert store.jobs.next_queued(clock.at + 6) is not None


def test_stems_are_unique_without_regard_to_case_and_form_and_are_never_given_again(store: Store) -> None:
    assert store.stems.reserve("Caf\u00e9", "a") == "Caf\u00e9"
    assert store.stems.reserve("CAFE\u0301", "b") == "CAFE\u0301-2"
    assert store.stems.reserve("Caf\u00e9", "a") == "Caf\u00e9", "the same job keeps its own"
    assert store.stems.reserve("x" * 90, "c") == "x" * 80
    assert store.stems.reserve("x" * 90, "d") == "x" * 78 + "-2"


def test_a_request_is_answered_in_its_row(store: Store) -> None:
    number = store.requests.add("cancel", "abcd", {"why": 1}, "me")
    (request,) = store.requests.open()
    assert (request.kind, request.job, request.args, request.by) == ("cancel", "abcd", {"why": 1}, "me")
    assert store.requests.answer_of(number) is None
    store.requests.answer(number, {"ok": True})
    assert store.requests.answer_of(number) == {"ok": True}
    assert store.requests.open() == []


def test_a_purged_case_leaves_only_a_hash_of_its_path_in_the_ledger(store: Store) -> None:
    store.ledger.note(Consumed("/inbox/Doe^John.nii", 1, 2, "", "j"))
    store.ledger.blind("j")
    assert all("Doe" not in row.path for row in store.ledger.all())
    assert store.ledger.find("/inbox/Doe^John.nii") is not None


def test_the_cache_keeps_scopes_apart(store: Store) -> None:
    store.cache.keep(Kept("k", "all", "j", "k.seg.nrrd", 5))
    assert store.cache.find("k", "all").job == "j"
    assert store.cache.find("k", "alice") is None


def test_another_process_sees_changes_by_data_version(tmp_path: Path, store: Store) -> None:
    before = store.data_version()
    other = Store(tmp_path / "store.sqlite")
    other.requests.add("pause")
    other.close()
    assert store.data_version() != before


def test_everything_in_a_failed_transaction_is_undone(store: Store) -> None:
    with pytest.raises(RuntimeError), store.transaction():
        store.jobs.add(Job(label="lost"))
        raise RuntimeError
    assert store.jobs.list() == []


def test_migrations_run_forward_with_a_copy_before_each(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    Store(path).close()
    further = (*MIGRATIONS, "ALTER TABLE jobs ADD COLUMN colour TEXT;\n", "CREATE TABLE extra (x);\n")
    database = Database(path, further)
    assert database.row("PRAGMA user_version")[0] == len(further)
    assert database.rows("SELECT colour FROM jobs") == []
    database.close()
    copies = sorted(copy.name for copy in (tmp_path / "backups").iterdir())
    before = len(MIGRATIONS)
    assert copies == [f"store-{before}.sqlite", f"store-{before + 1}.sqlite"]
    with sqlite3.connect(tmp_path / "backups" / copies[0]) as copy:
        assert copy.execute("PRAGMA user_version").fetchone()[0] == before


def test_a_failed_migration_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    Store(path).close()
    with pytest.raises(sqlite3.OperationalError):
        Database(path, (*MIGRATIONS, "CREATE TABLE extra (x);\nNONSENSE;\n"))
    store = Store(path)
    assert store.jobs.list() == []
    store.close()


def test_a_newer_store_is_refused_with_the_version_that_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    Database(path, (*MIGRATIONS, "CREATE TABLE extra (x);\n")).close()
    with pytest.raises(PipelineError, match=r"needs version \d") as caught:
        Store(path)
    assert caught.value.code == "store.newer"


def test_a_file_that_is_no_store_is_named(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(PipelineError, match=r"store\.sqlite") as caught:
        Store(path)
    assert caught.value.code == "store.damaged"


def test_the_store_is_durable(store: Store) -> None:
    assert store._database.row("PRAGMA synchronous")[0] == 2  # FULL


def test_whose_turn_it_is_costs_no_look_at_rows(store: Store) -> None:
    """Of 10,000 queued cases their rows would be tens of megabytes."""
    statements: list[str] = []
    store._database._connection.set_trace_callback(statements.append)
    store.jobs.next_few_queued(1e12, 100)
    store._database._connection.set_trace_callback(None)
    (plan, *_) = store._database.rows(f"EXPLAIN QUERY PLAN {statements[-1]}", ())
    assert "COVERING INDEX jobs_queued" in plan["detail"]
