"""A model that is added while the pipeline runs is known within seconds, and nothing is refused meanwhile."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

import pytest
from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.options_check import check_at_the_door
from support.engines import TISSUE, engine, task, tell
from support.pipeline import Bench, write_scan

OWN = engine("own", task("teeth"), auto=False)
OPTIONS: dict[str, object] = {"engine": "own:teeth"}


@contextmanager
def described_bench(home: Path, models: Path) -> Iterator[Bench]:
    """A pipeline whose worker has said that it has no own models; they would be in ``models``."""
    models.mkdir()
    tell(home, {"engines": [TISSUE]})
    with Bench(home, watch=False, models_dir=str(models)) as bench:
        bench.until(lambda: bench.pipeline.flow.options_gate.is_open)
        yield bench


def test_a_model_that_is_added_is_known_without_a_restart(tmp_path: Path) -> None:
    home, models = tmp_path / "home", tmp_path / "models"
    with described_bench(home, models) as bench:
        flow, catalogue = bench.pipeline.flow, bench.pipeline.flow.scheduler.catalogue
        with pytest.raises(PipelineError, match="no engine 'own'"):
            flow.options_gate.check(OPTIONS, "CT")
        tell(home, {"engines": [TISSUE, OWN]})
        (models / "teeth").mkdir()
        bench.until(lambda: len(catalogue.known["engines"]) == 2)
        assert not catalogue.stale
        job = bench.pipeline.commands.submit(write_scan(tmp_path / "a.nii"), OPTIONS)
        bench.until(lambda: bench.job(job.id).ended)
        assert bench.job(job.id).state == states.DONE


def test_while_no_worker_can_be_asked_again_the_worker_has_the_word(tmp_path: Path) -> None:
    models = tmp_path / "models"
    with described_bench(tmp_path / "home", models) as bench:
        flow, catalogue = bench.pipeline.flow, bench.pipeline.flow.scheduler.catalogue
        meta = bench.pipeline.store.meta
        with pytest.raises(PipelineError, match="no engine 'own'"):
            check_at_the_door(meta, OPTIONS)
        (models / "teeth").mkdir()
        catalogue.look()
        assert catalogue.stale and not catalogue.fresh
        flow.options_gate.check(OPTIONS, "CT")
        check_at_the_door(meta, OPTIONS)
