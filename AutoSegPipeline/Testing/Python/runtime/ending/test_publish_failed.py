"""A result that was published in part and cannot be completed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.job import Job
from AutoSegPipelineLib.runtime.ending.finisher import Finisher
from AutoSegPipelineLib.runtime.ending.publisher import Publisher


def output(name: str) -> dict[str, object]:
    return {"kind": "x", "name": name, "size": 3, "sha256": ""}


def test_nothing_of_either_result_stays_where_half_of_it_was_replaced(tmp_path: Path) -> None:
    home = Home.at(tmp_path / "home")
    home.create()
    context: Any = SimpleNamespace(
        home=home, enter=lambda job, state, message="": setattr(job, "state", state)
    )
    finisher = Finisher(context, None, Publisher(context), None, None, None, None)  # type: ignore[arg-type]
    job = Job(
        name="scan", state=states.PUBLISHING, outputs=[output("scan.gltf"), output("scan.manifest.json")]
    )
    coming = [output("scan.glb"), output("scan.csv"), output("scan.manifest.json")]
    job.staged["coming"] = coming
    # The old manifest is removed and one new file renamed; then the folder with the rest was lost.
    for name in ("scan.gltf", "scan.glb", "other.glb"):
        (home.results / name).write_bytes(b"abc")
    finisher.finish(job)
    assert job.state == states.QUEUED and job.outputs == []
    assert [path.name for path in home.results.iterdir()] == ["other.glb"]
