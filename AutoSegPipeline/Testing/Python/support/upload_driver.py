"""A pipeline with the fake worker and the real web child, for tests: ``upload_driver.py HOME [SETTINGS]``.

Prints the page's URL and runs until its standard input closes. ``SETTINGS`` is JSON. Where
``HOME/kill-at`` holds a step and a number, the web child kills itself the moment it has reached
that step the Nth time, once. ``WEB_CHILD_PYTHON`` names another Python for the web child,
``WEB_CHILD_HTTP`` another protocol of uvicorn (``h11``, ``httptools``) in place of ours, for a benchmark.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent.parent
sys.path[:1] = [str(HERE), str(HERE.parents[1])]

KILL = "AUTOSEG_TEST_KILL_AT"


def as_web_child() -> int:
    """The web child itself, with a listener at its steps."""
    from AutoSegPipelineLib.core import crash_points
    from AutoSegPipelineLib.web import child

    order = Path(os.environ[KILL])
    seen = 0

    def listener(reached: str) -> None:
        nonlocal seen
        if not order.exists():
            return
        step, number = json.loads(order.read_text())
        seen += reached == step
        if reached == step and seen == number:
            order.unlink()
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))

    crash_points.listener = listener
    if os.environ.get("WEB_CHILD_HTTP"):
        take_protocol(os.environ["WEB_CHILD_HTTP"])
    return child.main()


def take_protocol(name: str) -> None:
    """uvicorn's own protocol instead of the one that reads large bodies past the parser."""
    from AutoSegPipelineLib.web import server

    chosen: Any
    if name == "httptools":
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as chosen
    else:
        from uvicorn.protocols.http.h11_impl import H11Protocol as chosen
    server.LargeBodyH11 = chosen  # type: ignore[misc]


def main() -> int:
    from AutoSegPipelineLib.core.settings import Settings
    from AutoSegPipelineLib.runtime.pipeline import Pipeline
    from AutoSegPipelineLib.runtime.processes.child import Child
    from AutoSegPipelineLib.runtime.processes.child_command import child_environment
    from AutoSegPipelineLib.runtime.processes.child_kinds import WEB, WORKER
    from AutoSegPipelineLib.runtime.wiring import real_spawns

    from support.pipeline import QUICK, Home, fake_spawns
    from support.qt import run_until

    home = Home.at(Path(sys.argv[1]))
    home.create()
    given = json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}
    python = os.environ.get("WEB_CHILD_PYTHON", sys.executable)
    do, real = given.pop("do", ""), given.pop("real_worker", False)

    def web(on_message: Any, on_log: Any, on_end: Any) -> Child:
        home.work.mkdir(parents=True, exist_ok=True)
        env = child_environment(home.work, {KILL: str(home.root / "kill-at")})
        command = [python, __file__, "--web-child"]
        return Child(command, env, on_message, lambda text: print(text, file=sys.stderr), on_end)

    settings = Settings.defaults(**{**QUICK, "port": 0, **given})
    spawns = fake_spawns(home, do, more={WEB: web})
    if real:
        spawns = {**spawns, WORKER: real_spawns(home, settings)[WORKER]}
    pipeline = Pipeline(home, settings, spawns, what="test", web=True)
    told: list[str] = []
    closed = threading.Event()

    def wait_for_end() -> None:
        sys.stdin.read()
        closed.set()

    threading.Thread(target=wait_for_end, daemon=True).start()
    pipeline.start()
    while not closed.is_set():
        try:
            run_until(lambda: closed.is_set() or (pipeline.web.url and pipeline.web.url not in told), 60)
        except AssertionError:
            continue
        if pipeline.web.url and pipeline.web.url not in told:
            told.append(pipeline.web.url)
            print(pipeline.web.url, flush=True)
    pipeline.stop()
    run_until(lambda: pipeline.stopped, 60)
    return 0


if __name__ == "__main__":
    sys.exit(as_web_child() if "--web-child" in sys.argv else main())
