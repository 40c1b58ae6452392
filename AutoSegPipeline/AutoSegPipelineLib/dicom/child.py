"""The dicom child: ``python -m AutoSegPipelineLib.dicom.child``.

It gets its configuration in one ``serve`` message, starts its parts and says ``hello``, or ``failed``
over what a person has to mend. It ends on ``quit`` and when its standard input closes.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import platform
import signal
import sys
import threading
from functools import partial
from typing import Iterator

from ..core.child_channel import ChildChannel
from ..core.child_main import LogToPipeline, serve_first, take_channel
from ..core.error_origin import stack_of
from ..core.errors import PipelineError
from ..core.messages.child_messages import Hello, Serve
from ..core.pacs.store import PacsStore
from ..core.protocol import Envelope
from ..core.settings import Settings
from . import libraries
from .context import Context, LiveConfig, Part
from .parts import PARTS

log = logging.getLogger(__name__)

# They would write what patients are called; that a peer is away is said by whoever asks.
_LEVELS = {
    "pynetdicom": logging.ERROR,
    "pydicom": logging.ERROR,
    "pynetdicom.assoc": logging.CRITICAL,
    "pynetdicom.transport": logging.CRITICAL,
}
PACKAGES = {"pydicom": "pydicom", "pynetdicom": "pynetdicom", "dicomweb_client": "dicomweb-client"}


def missing_packages() -> list[str]:
    """The packages that the child needs and this Python lacks, as their registry calls them."""
    return [name for module, name in PACKAGES.items() if importlib.util.find_spec(module) is None]


def _serve(channel: ChildChannel, message: Serve, commands: Iterator[Envelope]) -> None:
    missing = missing_packages()
    if missing:
        raise PipelineError("pacs.packages_missing", f"the PACS needs the packages {', '.join(missing)}")
    libraries.load()
    home = message.home.home
    # Made by one, because making it again and again at the same time fails.
    PacsStore.of(home).close()
    context = Context(home, Settings(message.settings, {}), LiveConfig(home))
    started: list[Part] = []
    try:
        for make in PARTS:
            part = make(context)
            part.start()
            started.append(part)
            context.parts[part.name] = part
        channel.send(Hello(os.getpid(), "dicom", platform.python_version()))
        for _ in commands:  # only `quit` can come, which ends the loop as a closed pipe does
            pass
    finally:
        context.ended.set()
        for part in reversed(started):
            part.stop()


def _end_with_the_thread(died: threading.ExceptHookArgs) -> None:
    """A part without its thread would do nothing and look well; the pipeline starts this process again."""
    if died.exc_type is SystemExit:
        return
    name = died.thread.name if died.thread is not None else "?"
    log.critical("thread %s has died: %s", name, stack_of(died.exc_value or died.exc_type()))
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> int:
    """Serve; 0 after ``quit``, 1 when it could not begin."""
    channel = take_channel()
    logging.basicConfig(level=logging.INFO, handlers=[LogToPipeline(channel)])
    for name, level in _LEVELS.items():
        logging.getLogger(name).setLevel(level)
    channel.start()
    threading.excepthook = _end_with_the_thread
    return serve_first(channel, partial(_serve, channel))


if __name__ == "__main__":
    sys.exit(main())
