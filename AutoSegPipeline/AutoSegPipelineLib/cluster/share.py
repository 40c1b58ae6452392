"""The folder on the share: whether it is the one that was used before, and has room."""

from __future__ import annotations

import os
from pathlib import Path

from ..core.bundles.layout import Bundle
from ..core.bundles.packing import PREFIX
from ..core.errors import PipelineError
from ..core.files import free_bytes, read_json, write_json

_MARK = "autoseg-share.json"


class Share:
    """Folder ``path``; ``pipeline`` is the id of the home whose bundles are ours.

    A share that is not mounted leaves an empty folder behind, in which nothing is missing and
    everything is lost. So a mark is written at the first use, and a note beside the store says
    that it was: where the note is and the mark is not, the share is away.
    """

    def __init__(self, path: Path, pipeline: str, note: Path, least_free: int) -> None:
        self.path = path
        self.pipeline = pipeline
        self._note = note
        self._least_free = least_free

    def check(self, room: bool = False) -> None:
        """Raise ``environment.share_unreachable``, and with ``room`` ``environment.disk_full``."""
        try:
            self._check_mark()
            free = free_bytes(self.path)
        except OSError as error:
            text = f"{self.path} cannot be used: {error.strerror or error}"
            raise PipelineError("environment.share_unreachable", text) from error
        if room and free < self._least_free:
            text = f"{free >> 20} MB are free on {self.path}; at least {self._least_free >> 20} MB are needed"
            raise PipelineError("environment.disk_full", text)

    def _check_mark(self) -> None:
        if (self.path / _MARK).exists():
            if not os.access(self.path, os.W_OK | os.X_OK):
                raise PermissionError(13, "it is read-only")
        elif self._note.exists() and read_json(self._note).get("share") == str(self.path):
            raise FileNotFoundError(2, f"{_MARK} is gone, so this is not the share that was used before")
        else:
            write_json(self.path / _MARK, {"share": "bundles of AutoSegPipeline"})
            write_json(self._note, {"share": str(self.path)})

    def bundle(self, name: str) -> Bundle:
        """The bundle called ``name``, which need not be there."""
        return Bundle(self.path / name)

    def ours(self) -> list[str]:
        """Names of the bundles of this pipeline that are complete; raises OSError."""
        found = []
        for path in self.path.iterdir():
            bundle = Bundle(path)
            if path.name.startswith(PREFIX) and bundle.is_complete:
                try:
                    if bundle.read().pipeline == self.pipeline:
                        found.append(path.name)
                except PipelineError:
                    continue  # nobody can say whose it is
        return found
