"""Has a child add, check and remove your own models; it reads checkpoints, the pipeline never does."""

from __future__ import annotations

from typing import Mapping

from ..core.errors import PipelineError
from ..core.files import remove_tree
from ..core.home import Home
from ..core.messages.intake_messages import RunTask
from ..core.model_uploads import upload_folder
from .job_logs import JobLogs
from .processes.child import Spawn
from .processes.task_child import Answered, TaskChild

_HINT = "Try again; a disk that does not answer, or the model itself, may be why."


class OwnModels:
    """``place`` is the setting ``models_dir``; ``spawn`` makes the child, None where none can be made."""

    def __init__(self, home: Home, place: str, spawn: Spawn | None, logs: JobLogs) -> None:
        self._home = home
        self._place = place
        self._child = TaskChild("models", "looks at models", spawn, logs, _HINT)

    def add(self, upload: str, fields: Mapping[str, object], answer: Answered) -> None:
        """Add what was uploaded; the upload goes once it was added, and stays for another try where not.

        Raises ``request.invalid`` for an upload that is not there.
        """
        files = upload_folder(self._home, upload)

        def answered(error: PipelineError | None) -> None:
            if error is None:
                remove_tree(files.folder)
            answer(error)

        labels = {"labels": str(files.labels)} if files.labels is not None else {}
        self.ask("add", {**fields, "source": str(files.model), **labels}, answered)

    def ask(self, do: str, fields: Mapping[str, object], answer: Answered) -> None:
        """``check`` or ``remove``; ``answer(None)`` follows, or the error."""
        self._child.ask(RunTask(do, {**fields, "place": self._place}), answer)

    def look(self) -> None:
        """End a child that takes too long."""
        self._child.look()

    def stop(self, at_once: bool = False) -> None:
        """End the child; nobody is answered any more."""
        self._child.stop(at_once)

    @property
    def ended(self) -> bool:
        """Whether no child is left."""
        return self._child.ended
