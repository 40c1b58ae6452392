"""A receiver in a process of its own: ``receive_driver.py HOME [STEP N]`` kills itself at a named step.

It ends with status 0 once HOME has a file ``enough``.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:1] = [str(TESTS), str(TESTS.parents[1])]


def main() -> int:
    from AutoSegPipelineLib.core.home import Home
    from AutoSegPipelineLib.core.settings import Settings
    from AutoSegPipelineLib.dicom.context import Context, LiveConfig
    from AutoSegPipelineLib.dicom.receive import completion
    from AutoSegPipelineLib.dicom.receive.receiver import Receiver

    from support.kill_at import kill_at

    home = Home.at(Path(sys.argv[1]))
    if len(sys.argv) > 2:
        kill_at(sys.argv[2], int(sys.argv[3]))
    completion.LOOK_SECONDS = float(os.environ.get("LOOK_SECONDS", "0.1"))
    context = Context(home, Settings.defaults(), LiveConfig(home))
    receiver = Receiver(context)
    receiver.start()
    print("listens", flush=True)
    while not (home.root / "enough").exists():
        time.sleep(0.05)
    context.ended.set()
    receiver.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
