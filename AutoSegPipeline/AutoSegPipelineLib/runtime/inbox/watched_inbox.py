"""The inbox as the other parts see it, whether or not it is being watched."""

from __future__ import annotations

from typing import Protocol

from ...core.engines import models_folder
from ...core.errors import PipelineError
from ...core.messages.examined_files import Examined
from ...core.messages.intake_messages import Examine
from ...core.own_models import channel_names
from ...core.settings import resolve_options
from ...intake.options_files import folder_options_path, read_options, scan_options_path
from ..context import Context
from ..processes.intake_client import IntakeClient
from .entries import Arrival, ArrivedFile
from .watcher import Answer, InboxWatcher


class Receiver(Protocol):
    """Who takes what the watcher has found; see :class:`.intents.InboxIntents`."""

    def arrived(self, arrivals: list[Arrival]) -> None:
        """These inputs are complete."""

    def refused(self, paths: list[str], error: PipelineError, label: str) -> None:
        """These cannot be taken."""

    def passed_by(self, files: list[ArrivedFile]) -> None:
        """These are no scans and stay where they are."""


class WatchedInbox:
    """Holds the watcher while there is one; ``examiner`` reads the files for it."""

    def __init__(self, context: Context, examiner: IntakeClient) -> None:
        self._context = context
        self._examiner = examiner
        self._watcher: InboxWatcher | None = None

    def start(self, receiver: Receiver) -> None:
        """Hand everything that arrives to ``receiver`` from now on."""
        if self._watcher is None:
            self._watcher = InboxWatcher(
                self._context.home.inbox,
                self._examine,
                self._context.settings,
                self._context.clock,
                self._context.store.ledger.find,
                receiver.arrived,
                receiver.refused,
                receiver.passed_by,
                channels=self._channels,
            )
            self._watcher.start()

    def stop(self) -> None:
        """What lies in the inbox stays there."""
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher = None

    @property
    def is_watched(self) -> bool:
        return self._watcher is not None

    @property
    def waiting(self) -> int:
        """Files that are not complete yet."""
        return 0 if self._watcher is None else self._watcher.waiting

    def taken(self, paths: list[str]) -> None:
        """What lies under these names from now on is another file, or stands in the ledger."""
        if self._watcher is not None:
            self._watcher.taken(paths)

    def put_back(self, paths: list[str]) -> None:
        """These could not be taken; they arrive again."""
        if self._watcher is not None:
            self._watcher.put_back(paths)

    def _channels(self, path: str) -> int:
        """How many images the model takes that the options of the scan at ``path`` ask for."""
        settings, inbox = self._context.settings, str(self._context.home.inbox)
        try:
            files = (scan_options_path(path), folder_options_path(inbox, path))
            options = resolve_options(settings, *(read_options(file) if file else {} for file in files))
        except (PipelineError, OSError):
            return 1  # the inspection says what is wrong with them
        return len(channel_names(models_folder(settings["models_dir"]), options))

    def _examine(self, paths: list[str], answer: Answer) -> None:
        def answered(result: Examined | None, error: PipelineError | None) -> None:
            answer([] if result is None else result.files)

        self._examiner.ask(Examine(paths), answered)
