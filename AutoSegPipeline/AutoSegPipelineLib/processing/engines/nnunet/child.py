"""Adds, checks and removes models for the pipeline: ``python -m ...processing.engines.nnunet.child``.

A checkpoint is read here and nowhere in the pipeline: whatever it does costs this process. It runs under the
workers' Python, speaks :mod:`AutoSegPipelineLib.core.protocol`, and answers each task with ``done`` or
``failed``; :mod:`.manage` says which tasks there are.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import traceback

from ....core.child_channel import ChildChannel
from ....core.child_main import take_channel
from ....core.errors import PipelineError
from ....core.messages.child_messages import Done, Failed, Hello, Log
from ....core.messages.intake_messages import RunTask
from . import manage


def _answer(channel: ChildChannel, command: RunTask) -> None:
    try:
        channel.send(Done(manage.answer({**command.args, "do": command.task})), tempfile.gettempdir())
    except PipelineError as error:
        channel.send(Failed(error.to_dict()))
    except ImportError as error:
        text = f"the workers' Python cannot load models: {error}"
        channel.send(Failed(PipelineError("engine.not_available", text).to_dict()))
    except Exception as error:  # whatever the model did, the pipeline gets an answer
        channel.send(Log(traceback.format_exc()[-8000:], "error"))
        text = f"{type(error).__name__}: {error}"[:2000]
        channel.send(Failed(PipelineError("model.invalid", text).to_dict()))


def main() -> int:
    """Answer tasks one after the other until standard input closes."""
    channel = take_channel()
    channel.start()
    channel.send(Hello(os.getpid(), "models", platform.python_version()))
    for envelope in channel.commands():
        if isinstance(envelope.message, RunTask):
            _answer(channel, envelope.message)
    return 0


if __name__ == "__main__":
    sys.exit(main())
