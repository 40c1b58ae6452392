"""Which cases go into a bundle, and how many."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

import pytest
from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.runtime.cluster.choice import MEMORY_STEP, Choice
from AutoSegPipelineLib.runtime.cluster.cluster_forecast import ClusterForecast
from support.cluster import ClusterBench, chosen_by


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[ClusterBench]:
    """Queued cases that nobody takes."""
    with ClusterBench(tmp_path / "home", cluster="none") as one:
        yield one


def queued(bench: ClusterBench, folder: Path, count: int, **options: object) -> list[str]:
    ids = bench.submit(folder, *[f"case{number}" for number in range(count)], **options)
    bench.until(lambda: all(bench.job(one).state == states.QUEUED for one in ids))
    return ids


def choice(bench: ClusterBench, **settings: object) -> tuple[Choice, ClusterForecast]:
    flow = bench.pipeline.flow
    flow.context.settings = bench.settings.changed(**settings)
    forecast = ClusterForecast(flow.context, flow.forecast)
    return Choice(flow.context, flow.result_cache, forecast), forecast


def test_the_wall_time_and_what_was_learned_decide_how_many(bench: ClusterBench, tmp_path: Path) -> None:
    ids = queued(bench, tmp_path, 12)
    chooser, forecast = choice(bench, cluster_minutes="10")
    unknown = chosen_by(chooser)
    assert unknown is not None and len(unknown.jobs) == 4  # a fifth of the wall time each, four fifths in all
    for _ in range(3):
        forecast.learn(bench.job(ids[0]), {}, 60.0)
    known = chosen_by(chooser)
    assert known is not None and len(known.jobs) == 8 and known.jobs[0] == (ids[0], 60.0)
    chooser, _ = choice(bench, cluster_minutes="10", cluster_bundle_cases=3)
    assert len(chosen_by(chooser).jobs) == 3
    chooser, _ = choice(bench, cluster_minutes="0.5")  # one case is longer than that
    assert len(chosen_by(chooser).jobs) >= 1


def test_a_short_queue_is_shared_and_priority_comes_first(bench: ClusterBench, tmp_path: Path) -> None:
    ids = queued(bench, tmp_path, 6)
    bench.pipeline.commands.set_priority(ids[4], 90)
    chosen = chosen_by(choice(bench)[0], 2)
    assert chosen is not None and [job for job, _ in chosen.jobs] == [ids[4], ids[0]]


def test_a_bundle_holds_cases_for_one_size_of_job(bench: ClusterBench, tmp_path: Path) -> None:
    ids = queued(bench, tmp_path, 3)
    job = bench.job(ids[0])
    job.staged[MEMORY_STEP] = 1
    bench.pipeline.store.jobs.save(job)
    chosen = chosen_by(choice(bench, cluster_memory_gb="8,16")[0])
    assert chosen is not None and chosen.size.memory_gb == 16 and [one for one, _ in chosen.jobs] == ids[:1]
