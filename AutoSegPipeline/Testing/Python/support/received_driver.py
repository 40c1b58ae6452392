"""A made-up door in a process of its own: ``received_driver.py HOME FOLDER STEP NUMBER``.

Hands over the files in FOLDER, asks for their jobs and removes the folder. It kills itself the moment it
has reached STEP the NUMBERth time; without such a step it does all of it and prints the jobs' ids.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[3])]

DOOR = "test"


def main() -> int:
    from AutoSegPipelineLib.core import crash_points
    from AutoSegPipelineLib.core.home import Home
    from AutoSegPipelineLib.core.store import Store
    from AutoSegPipelineLib.intake.received.client_input import CaseRequest
    from AutoSegPipelineLib.intake.received.grouping import ReceivedFile
    from AutoSegPipelineLib.intake.received.handover import Handover, ask_to_adopt

    home, name, step, number = Home.at(Path(sys.argv[1])), sys.argv[2], sys.argv[3], int(sys.argv[4])
    seen = 0

    def listener(reached: str) -> None:
        nonlocal seen
        seen += reached == step
        if reached == step and seen == number:
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))

    crash_points.listener = listener
    handover = Handover(home, DOOR, home.state / DOOR)
    folder = handover.root / name
    files = [
        ReceivedFile(f"{name}/{path.name}", path.name, path.stat().st_size)
        for path in sorted(folder.iterdir())
        if path.suffix == ".nii"
    ]
    handed = handover.hand_over(folder, files, CaseRequest({"quality": "fast"}), "SCANNER1")
    listener("handed")
    store = Store(home.store)
    ask_to_adopt(store, handed.intents)
    store.close()
    listener("asked")
    handover.remove(folder)
    print(*(intent.id for intent in handed.intents))
    return 0


if __name__ == "__main__":
    sys.exit(main())
