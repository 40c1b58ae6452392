"""Every command of the table reaches its function through a request row."""

from __future__ import annotations

from pathlib import Path

from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.core.commands import (
    TABLE,
    AddModel,
    Adopt,
    Cancel,
    CheckModel,
    Command,
    Example,
    Pause,
    Place,
    Priority,
    Purge,
    RemoveModel,
    Resume,
    Retry,
    Review,
    Stop,
    Watch,
)
from AutoSegPipelineLib.core.incoming import stage
from AutoSegPipelineLib.core.job import Job
from AutoSegPipelineLib.core.store import Store
from support.pipeline import Bench, write_scan


def test_a_request_row_of_every_command_does_what_the_table_says(tmp_path: Path) -> None:
    with Bench(tmp_path / "home", watch=False) as bench:
        other, asked = Store(bench.home.store), set()

        def ask(command: Command) -> None:
            asked.add(type(command))
            number = other.requests.ask(command, "me")
            bench.until(lambda: other.requests.answer_of(number))
            assert other.requests.answer_of(number)["ok"], (command, other.requests.answer_of(number))

        def queue() -> list[str]:
            return [
                row[0] for row in bench.pipeline.store.jobs.queue(bench.pipeline.flow.context.clock.now())
            ]

        def until_state(job_id: str, state: str) -> Job:
            bench.until(lambda: bench.job(job_id).state == state)
            return bench.job(job_id)

        ask(Pause())
        assert bench.pipeline.flow.conditions.paused
        first, second = (
            stage(bench.home, write_scan(tmp_path / f"{name}.nii", seed)) for seed, name in enumerate("ab")
        )
        for job_id in (first, second):
            ask(Adopt(job_id))
            until_state(job_id, states.QUEUED)
        ask(Priority(first, 70))
        assert bench.job(first).priority == 70
        ask(Place(first))
        assert queue() == [second, first]
        ask(Place(first, second))
        assert queue() == [first, second]
        ask(Cancel(second[:8]))
        assert until_state(second, states.CANCELLED).error["code"] == "job.cancelled"
        ask(Retry(second))
        until_state(second, states.QUEUED)
        ask(Resume())
        assert bench.pipeline.flow.conditions.paused is None
        until_state(second, states.DONE)
        ask(Review(second, "good", "  liver\n complete ", "ada"))
        review = bench.job(second).review
        assert (review["mark"], review["remark"], review["by"]) == ("good", "liver complete", "ada")
        ask(Purge(second))
        assert bench.pipeline.store.jobs.find(second) is None
        ask(Example("ada"))  # see test_example.py
        ask(Watch(True))
        assert bench.pipeline.flow.watched_inbox.is_watched
        asked.add(Stop)
        stop = other.requests.ask(Stop())
        bench.until(lambda: bench.pipeline.stopped)
        assert other.requests.answer_of(stop) == {"ok": True}
        models = {AddModel, CheckModel, RemoveModel}  # in test_own_models.py
        assert asked | models == set(TABLE), "a command of the table is not tried here"
        other.close()
