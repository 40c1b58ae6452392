"""Models that are added over the page: a child reads the checkpoint, and each request is answered once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from AutoSegPipelineLib.core import model_uploads
from AutoSegPipelineLib.core.commands import AddModel, CheckModel, RemoveModel
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.runtime.pipeline import Pipeline
from AutoSegPipelineLib.runtime.processes import task_child
from AutoSegPipelineLib.runtime.processes.child import Child
from AutoSegPipelineLib.runtime.processes.child_command import child_environment, command_of
from AutoSegPipelineLib.runtime.processes.child_kinds import MODELS
from support import tiny_models
from support.model_record import record
from support.pipeline import Bench, fake_spawns
from support.tiny_totalsegmentator import PYTHON, QUIET, needs_package

BROKEN = """import sys
sys.stderr.write("no such luck\\n")
sys.exit(3)
"""


def upload(home: Home, model: Path, labels: str = "") -> str:
    """What the page leaves for the pipeline."""
    number = model_uploads.new_upload(home)
    for kind, name, data in (
        ("model", model.name, model.read_bytes()),
        ("labels", "names.csv", labels.encode()),
    ):
        if data:
            folder = model_uploads.place_of(home, number) / kind
            folder.mkdir()
            (folder / name).write_bytes(data)
    return number


def add(number: str, name: str = "", trust: bool = False) -> AddModel:
    return AddModel(number, name, "", "", "", "", "", "", "", trust, False, "ada")


class Place(Bench):
    """A pipeline with the real child that looks at models, under ``python``."""

    def __init__(self, root: Path, python: str, script: str = "") -> None:
        self.command = [python, "-c", script] if script else command_of(MODELS, python)
        self.models = root / "models"
        self.models.mkdir(exist_ok=True)
        super().__init__(root / "home", watch=False, models_dir=str(self.models))

    def _make(self) -> Pipeline:
        def spawn(on_message: Any, on_log: Any, on_end: Any) -> Child:
            env = {**child_environment(self.models.parent, foreign=True), **QUIET}
            return Child(self.command, env, on_message, on_log, on_end)

        return Pipeline(self.home, self.settings, fake_spawns(self.home, more={MODELS: spawn}), what="test")

    def ask(self, command: Any, seconds: float = 90.0) -> dict[str, Any]:
        """The answer in the request's row, as another process sees it."""
        requests = self.pipeline.store.requests
        number = requests.ask(command, "ada")
        self.until(lambda: requests.answer_of(number) is not None, seconds)
        return requests.answer_of(number) or {}


def test_a_model_is_removed_by_the_child_and_unknown_ones_are_named(tmp_path: Path) -> None:
    with Place(tmp_path, sys.executable) as place:
        folder = record(place.models, "teeth")
        assert place.ask(RemoveModel("teeth")) == {"ok": True}
        assert not folder.exists()
        assert place.ask(RemoveModel("teeth"))["error"]["code"] == "model.unknown"
        assert place.ask(CheckModel("jaw"))["error"]["code"] == "model.unknown"


def test_a_child_that_cannot_run_is_an_answer_too_and_the_next_request_gets_its_own(tmp_path: Path) -> None:
    with Place(tmp_path, sys.executable, BROKEN) as place:
        for _ in range(2):
            error = place.ask(CheckModel("teeth"))["error"]
            assert error["code"] == "worker.not_started" and "no such luck" in error["message"]


def test_a_child_that_hangs_is_ended_and_the_next_request_gets_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Place(tmp_path, sys.executable, "import time; time.sleep(300)") as place:
        monkeypatch.setattr(task_child, "LIMIT_SECONDS", 1.0)
        error = place.ask(CheckModel("teeth"), 20)["error"]
        assert error["code"] == "worker.hung" and "gave no answer" in error["message"]
        monkeypatch.undo()
        place.command = command_of(MODELS, sys.executable)
        assert place.ask(RemoveModel("jaw"), 30)["error"]["code"] == "model.unknown"


def test_an_upload_that_is_not_there_is_an_error_and_old_ones_go(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    home.create()
    for wrong in ("", "../x", "0" * 32):
        with pytest.raises(PipelineError, match="upload the model again"):
            model_uploads.upload_folder(home, wrong)
    number = model_uploads.new_upload(home)
    with pytest.raises(PipelineError, match="has no model"):
        model_uploads.upload_folder(home, number)
    folder = model_uploads.place_of(home, number)
    model_uploads.forget_old(home, 60)
    assert folder.is_dir()
    os.utime(folder, (time.time() - 100, time.time() - 100))
    model_uploads.forget_old(home, 60)
    assert not folder.exists()


@needs_package
def test_a_model_is_added_checked_and_an_unsafe_one_waits_for_trust(tmp_path: Path) -> None:
    results = tmp_path / "results"
    subprocess.run(
        [PYTHON, tiny_models.__file__, str(results)], check=True, env={**os.environ, **QUIET}, timeout=120
    )
    packed = tiny_models.as_zip(results / "Dataset503_Fullres", tmp_path / "teeth.zip")
    with Place(tmp_path, PYTHON) as place:
        number = upload(place.home, packed, "value,name\n1,lower tooth\n2,upper tooth\n")
        assert place.ask(add(number, "teeth")) == {"ok": True}
        assert "lower tooth" in (place.models / "teeth" / "model.json").read_text(encoding="utf-8")
        with pytest.raises(PipelineError):
            model_uploads.place_of(place.home, number)
        assert place.ask(CheckModel("teeth")) == {"ok": True}
        number = upload(place.home, packed)
        assert place.ask(add(number, "teeth"))["error"]["code"] == "model.exists"
        # It stays for another try, under another name.
        assert place.ask(add(number, "other", trust=True)) == {"ok": True}
        assert '"trusted": true' in (place.models / "other" / "model.json").read_text(encoding="utf-8")
