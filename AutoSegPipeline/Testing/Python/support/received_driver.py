"""A made-up door in a process of its own: ``received_driver.py HOME FOLDER STEP NUMBER``.

Hands over the files in FOLDER, asks for their jobs and removes the folder. It kills itself the moment it
has reached STEP the NUMBERth time; without such a step it does all of it and prints the jobs' ids.
"""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:1] = [str(TESTS), str(TESTS.parents[1])]

DOOR = "test"


def main() -> int:
    from AutoSegPipelineLib.core.home import Home
    from AutoSegPipelineLib.core.store import Store
    from AutoSegPipelineLib.intake.received.client_input import CaseRequest
    from AutoSegPipelineLib.intake.received.grouping import ReceivedFile
    from AutoSegPipelineLib.intake.received.handover import Handover, ask_to_adopt

    from support.kill_at import kill_at

    home, name, step, number = Home.at(Path(sys.argv[1])), sys.argv[2], sys.argv[3], int(sys.argv[4])
    reached = kill_at(step, number)
    handover = Handover(home, DOOR, home.state / DOOR)
    folder = handover.root / name
    files = [
        ReceivedFile(f"{name}/{path.name}", path.name, path.stat().st_size)
        for path in sorted(folder.iterdir())
        if path.suffix == ".nii"
    ]
    handed = handover.hand_over(folder, files, CaseRequest({"quality": "fast"}), "SCANNER1")
    reached("handed")
    store = Store(home.store)
    ask_to_adopt(store, handed.intents)
    store.close()
    reached("asked")
    handover.remove(folder)
    print(*(intent.id for intent in handed.intents))
    return 0


if __name__ == "__main__":
    sys.exit(main())
