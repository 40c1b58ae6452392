"""The cluster child: ``python -m AutoSegPipelineLib.cluster.child``.

It gets its settings in one ``serve`` message, says ``hello`` when its scheduler can be used, or ``failed``
over what a person has to mend. Then it takes the pipeline's messages as they come and looks at the share
and the scheduler every ``cluster_look_seconds``. It ends on ``quit`` and when its standard input closes;
what is out stays out, unless the pipeline gave all of it up: then it is ended and removed before.
"""

from __future__ import annotations

import logging
import os
import platform
import queue
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Callable, Iterator, Mapping

from ..core.child_channel import ChildChannel
from ..core.child_main import LogToPipeline, serve_first, take_channel
from ..core.cluster_settings import CLEAN_SECONDS, DASK, SLURM, share_folder
from ..core.messages.child_messages import Hello, Message, Serve
from ..core.messages.cluster_messages import AllSent, CaseSettled, GiveUpAll, GiveUpCase, PackCase, SendBundle
from ..core.protocol import Envelope, Key
from ..core.settings import Settings
from .bundles_out import BundlesOut
from .dask_workers import DaskWorkers
from .executor import Executor
from .share import Share
from .slurm import Slurm

# Within the time that the pipeline gives a child that cleans up.
_CLEAN_SECONDS = CLEAN_SECONDS - 10.0
_CLEAN_LOOK_SECONDS = 0.5

EXECUTORS: Mapping[str, Callable[[Path, Settings], Executor]] = {SLURM: Slurm, DASK: DaskWorkers}


def open_share(message: Serve) -> Share:
    """The share of the settings; raises ``cluster.configuration`` where none is named."""
    settings = message.settings
    least = int(str(settings["disk_min_free_mb"])) << 20
    note = message.home.home.state / "cluster-share.json"
    return Share(share_folder(settings), str(settings["cluster_id"]), note, least)


def _serve(channel: ChildChannel, message: Serve, commands: Iterator[Envelope]) -> None:
    settings = Settings(message.settings, {})
    share = open_share(message)
    share.check()
    executor = EXECUTORS[settings["cluster"]](share.path, settings)
    work = str(message.home.home.work / "cluster")

    def say(about: Message, key: Key) -> None:
        channel.post(Envelope(about, key[0], key[1], work))

    bundles = BundlesOut(share, executor, say, settings["hung_minutes"] * 60)
    channel.send(Hello(os.getpid(), "cluster", platform.python_version()))
    received: queue.Queue[Envelope | None] = queue.Queue()
    threading.Thread(target=_forward, args=(commands, received), name="received", daemon=True).start()
    try:
        _loop(bundles, received, settings["cluster_look_seconds"])
    finally:
        executor.stop()


def _forward(commands: Iterator[Envelope], received: queue.Queue[Envelope | None]) -> None:
    for envelope in commands:
        received.put(envelope)
    received.put(None)


def _loop(bundles: BundlesOut, received: queue.Queue[Envelope | None], seconds: float) -> None:
    due = time.monotonic()
    while True:
        wait = due - time.monotonic()
        try:
            envelope = received.get(timeout=wait) if wait > 0 else received.get_nowait()
        except queue.Empty:
            bundles.look()
            due = time.monotonic() + seconds
            continue
        if envelope is None:
            if bundles.given_up:
                _clean(bundles)
            return
        if _take(bundles, envelope):
            due = min(due, time.monotonic() + 0.2)  # what is new need not wait for the next look


def _clean(bundles: BundlesOut) -> None:
    """Look until nothing is out any more; what a share keeps back, the next child of this home removes."""
    until = time.monotonic() + _CLEAN_SECONDS
    while bundles.is_any_out and time.monotonic() < until:
        bundles.look()
        time.sleep(_CLEAN_LOOK_SECONDS)


def _take(bundles: BundlesOut, envelope: Envelope) -> bool:
    """Do what the pipeline says; whether the next look has something new to do."""
    message = envelope.message
    if isinstance(message, PackCase):
        bundles.pack(envelope.key, message)
    elif isinstance(message, SendBundle):
        bundles.send(message.bundle, message.size)
        return True
    elif isinstance(message, AllSent):
        bundles.sweep()
        return True
    elif isinstance(message, CaseSettled):
        bundles.settle(envelope.key)
    elif isinstance(message, GiveUpAll):
        bundles.give_up_all()
    elif isinstance(message, GiveUpCase):
        bundles.give_up(envelope.key)
    return False


def main() -> int:
    """Serve; 0 after ``quit``, 1 when it could not begin."""
    channel = take_channel()
    logging.basicConfig(level=logging.INFO, handlers=[LogToPipeline(channel)])
    logging.getLogger("submitit").setLevel(logging.ERROR)
    channel.start()
    return serve_first(channel, partial(_serve, channel))


if __name__ == "__main__":
    sys.exit(main())
