"""Draws the example scan for the pipeline: ``python -m ...processing.phantom.child``.

The pipeline's loop never waits for it. The scan is staged as the command line stages one: complete
or not at all.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Mapping

from ...core.child_channel import ChildChannel
from ...core.child_main import answer_tasks
from ...core.example import NAME
from ...core.files import disk_error, fsync_file
from ...core.incoming import Intent, IntentFile, safe_name, stage_with
from ...core.messages.child_messages import Done, Failed
from ...core.messages.intake_messages import RunTask


def draw(args: Mapping[str, object]) -> None:
    """Fill ``args["incoming"]`` with the scan of ``args["intent"]``. Raises OSError."""
    from .build import torso
    from .write_files import write_nifti

    described = args["intent"]
    assert isinstance(described, dict)
    intent = Intent.from_dict(described)

    def write(folder: Path) -> None:
        path = write_nifti(torso().volume, folder / safe_name(NAME, 1))
        fsync_file(path)
        intent.files = [IntentFile(path.name, None, NAME, path.stat().st_size)]

    stage_with(Path(str(args["incoming"])), intent, write)


def _answer(channel: ChildChannel, command: RunTask) -> None:
    try:
        draw(command.args)
        channel.send(Done({}))
    except OSError as error:
        channel.send(Failed(disk_error(error, f"{command.args['incoming']}/{NAME}").to_dict()))


def main() -> int:
    """Answer tasks one after the other until standard input closes."""
    return answer_tasks("example", _answer)


if __name__ == "__main__":
    sys.exit(main())
