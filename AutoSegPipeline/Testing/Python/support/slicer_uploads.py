"""Uploads to a Slicer, with processes that die at a named moment.

``slicer_uploads.py HOME STEP N`` is the Slicer: it takes two scans and prints the ids of their jobs. Where
``HOME/kill-at`` holds a step, a number and who (``child``, ``both``), the intake child kills itself, or
itself and its Slicer, the moment it has reached that step the Nth time, once; ``full`` fills its disk there.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1]
sys.path[:1] = [str(TESTS), str(TESTS.parents[1])]

from AutoSegPipelineLib.core import crash_points  # noqa: E402 - the path comes first
from AutoSegPipelineLib.runtime.pipeline import Pipeline  # noqa: E402
from AutoSegPipelineLib.runtime.processes.child import Child  # noqa: E402
from AutoSegPipelineLib.runtime.processes.child_command import child_environment  # noqa: E402
from AutoSegPipelineLib.runtime.processes.child_kinds import INTAKE  # noqa: E402
from AutoSegPipelineLib.slicer_app.server.host import PipelineHost, door_of  # noqa: E402
from AutoSegPipelineLib.slicer_app.server.responses import HttpError  # noqa: E402
from AutoSegPipelineLib.slicer_app.server.upload import Upload  # noqa: E402

from support.embedded_server import autoseg_of  # noqa: E402
from support.kill_at import kill_at  # noqa: E402
from support.pipeline import Bench, fake_spawns, write_scan  # noqa: E402
from support.qt import run_until  # noqa: E402

KILL = "AUTOSEG_TEST_KILL_AT"
_SIGNAL = getattr(signal, "SIGKILL", signal.SIGTERM)


class SlicerBench(Bench):
    """A pipeline that knows the door of Slicer's servers, as a session makes it."""

    def _make(self) -> Pipeline:
        def intake(on_message: Any, on_log: Any, on_end: Any) -> Child:
            self.home.work.mkdir(parents=True, exist_ok=True)
            env = child_environment(self.home.work, {KILL: str(self.home.root / "kill-at")})
            command = [sys.executable, __file__, "--intake-child", str(os.getpid())]
            return Child(command, env, on_message, on_log, on_end)

        spawns = fake_spawns(self.home, self.do, more={INTAKE: intake})
        made = Pipeline(self.home, self.settings, spawns, what="test")
        self.pipeline = made
        made.add_door(door_of(autoseg_of(self)))
        return made

    def kill_at(self, step: str, number: int, who: str) -> None:
        self.home.root.mkdir(parents=True, exist_ok=True)
        (self.home.root / "kill-at").write_text(json.dumps([step, number, who]))


def begin(bench: Bench, folder: Path) -> list[Any]:
    """Upload two scans; the answer is in the list once it is there."""
    host = PipelineHost(autoseg_of(bench))
    upload = Upload(host, {"quality": "fast"})
    for number in (1, 2):
        upload.begin("file", f"{number}.nii")
        upload.data(write_scan(folder / f"{number}.nii", seed=number).read_bytes())
        upload.end()
    answers: list[Any] = []
    upload.finish(answers.append)
    return answers


def as_intake_child() -> int:
    """The intake child itself, with a listener at its steps."""
    from AutoSegPipelineLib.intake import child

    order, parent, seen = Path(os.environ[KILL]), int(sys.argv[2]), 0

    def listener(reached: str) -> None:
        nonlocal seen
        if not order.exists():
            return
        step, number, who = json.loads(order.read_text())
        seen += reached == step
        if reached != step or seen != number:
            return
        order.unlink()
        if who == "full":
            raise OSError(errno.ENOSPC, "No space left on device")
        if who == "both":
            os.kill(parent, _SIGNAL)
        os.kill(os.getpid(), _SIGNAL)

    crash_points.listener = listener
    return child.main()


def main() -> int:
    home, step, number = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    with SlicerBench(home, watch=False) as bench:
        kill_at(step, number)  # of the pipeline's own steps; those of the child are in kill-at
        answers = begin(bench, home / "scans")
        run_until(lambda: answers, 60)
        assert not isinstance(answers[0], HttpError), answers[0].detail
        print(*(job.id for job in answers[0].jobs))
    return 0


if __name__ == "__main__":
    sys.exit(as_intake_child() if "--intake-child" in sys.argv else main())
