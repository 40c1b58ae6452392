"""Temporary files of an extension's code are kept in the case's own folder.

Slicer's temporary folder is never emptied: what an extension or a command line module leaves there when
Slicer is killed, a copy of the scan among it, would stay. The folder of a case is swept at the next start.
"""

from __future__ import annotations

from pathlib import Path
from typing import Callable

import slicer


class TemporaryFiles:
    """Between :meth:`begin` and :meth:`end` Slicer's temporary folder is this one.

    It is for ``slicer.util.tempDirectory()`` and for command line modules. ``slicer.app.temporaryPath``
    stays: Slicer writes it into the user's settings, where a crash would leave our folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._logic = slicer.app.applicationLogic()
        self._path = ""
        self._make: Callable[..., str] | None = None

    def begin(self) -> None:
        """From now on; the folder is created."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        make = self._make = slicer.util.tempDirectory

        def own(*arguments: object, **named: object) -> str:
            if len(arguments) < 2 and not named.get("tempDir"):
                named["tempDir"] = str(self._folder)
            return make(*arguments, **named)

        self._path = self._logic.GetTemporaryPath()
        self._logic.SetTemporaryPath(str(self._folder))
        slicer.util.tempDirectory = own

    def end(self) -> None:
        """As before; again is fine."""
        if self._make is not None:
            slicer.util.tempDirectory, self._make = self._make, None
            self._logic.SetTemporaryPath(self._path)
