"""Settings of the cluster by engine and task."""

from __future__ import annotations

import pytest
from AutoSegPipelineLib.core.cluster_settings import job_size, memory_steps, particular
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.settings import Settings

VALUES = ["cpu", "gpu for totalsegmentator", "big for totalsegmentator:total"]


@pytest.mark.parametrize(
    ("engine", "task", "value"),
    [
        ("tissue", "", "cpu"),
        ("totalsegmentator", "", "gpu"),
        ("TotalSegmentator", "bones", "gpu"),
        ("totalsegmentator", "total", "big"),
        ("totalsegmentator:total", "", "big"),
        ("tissue,totalsegmentator:total", "", "big"),
        ("auto", "total", "cpu"),
    ],
)
def test_the_most_particular_value_counts(engine: str, task: str, value: str) -> None:
    assert particular(VALUES, {"engine": engine, "task": task}) == [value]


def test_a_job_gets_the_next_memory_and_never_more_than_the_last() -> None:
    settings = Settings.defaults(
        cluster_memory_gb="8, 16, 40 for tissue", cluster_minutes="90", cluster_sbatch="qos=low,--exclusive"
    ).values
    options = {"engine": "nnunet", "task": ""}
    assert [job_size(settings, options, step).memory_gb for step in range(4)] == [8, 16, 16, 16]
    assert memory_steps(settings, options) == 2 and memory_steps(settings, {"engine": "tissue"}) == 1
    size = job_size(settings, options)
    assert (size.minutes, size.gpus, size.arguments) == (90, 0, ["qos=low", "--exclusive"])


@pytest.mark.parametrize("wrong", ["much", "-1", "nan"])
def test_a_number_that_is_none_is_named(wrong: str) -> None:
    settings = Settings.defaults(cluster_gpus=wrong).values
    with pytest.raises(PipelineError, match="cluster_gpus") as caught:
        job_size(settings, {"engine": "tissue"})
    assert caught.value.code == "options.invalid"
