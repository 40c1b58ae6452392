"""Adds, checks and removes models for the pipeline: ``python -m ...processing.engines.nnunet.child``.

A checkpoint is read here and nowhere in the pipeline: whatever it does costs this process. It runs under the
workers' Python, speaks :mod:`AutoSegPipelineLib.core.protocol`, and answers each task with ``done`` or
``failed``; :mod:`.manage` says which tasks there are.
"""

from __future__ import annotations

import sys
import tempfile

from ....core.child_channel import ChildChannel
from ....core.child_main import answer_tasks
from ....core.messages.child_messages import Done, Failed, Log
from ....core.messages.intake_messages import RunTask
from . import manage


def _answer(channel: ChildChannel, command: RunTask) -> None:
    try:
        channel.send(Done(manage.answer({**command.args, "do": command.task})), tempfile.gettempdir())
    except Exception as error:  # whatever the model did, the pipeline gets an answer
        known = manage.coded(error, lambda text: channel.send(Log(text, "error")))
        channel.send(Failed(known.to_dict()))


def main() -> int:
    """Answer tasks one after the other until standard input closes."""
    return answer_tasks("models", _answer)


if __name__ == "__main__":
    sys.exit(main())
