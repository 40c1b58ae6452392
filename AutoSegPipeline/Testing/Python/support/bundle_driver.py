"""``autoseg`` with the fake worker as its engine: ``python bundle_driver.py worker BUNDLE ...``."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Without this folder, where a module is called as Slicer's qt.
sys.path[:1] = [str(HERE.parent), str(HERE.parents[1].parent)]

from AutoSegPipelineLib.headless.cli import main  # noqa: E402
from AutoSegPipelineLib.runtime import wiring  # noqa: E402
from AutoSegPipelineLib.runtime.processes.child_kinds import WORKER, ChildKind  # noqa: E402

_real = wiring.command_of


def _command(kind: ChildKind, *arguments: object) -> list[str]:
    if kind is WORKER:
        return [sys.executable, str(HERE / "fake_worker.py")]
    return _real(kind, *arguments)  # type: ignore[arg-type]


if __name__ == "__main__":
    wiring.command_of = _command
    sys.exit(main())
