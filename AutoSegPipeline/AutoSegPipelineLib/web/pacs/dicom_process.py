"""``dicom.json`` and ``state/dicom.sqlite`` as the application sees them; it asks the dicom process."""

from __future__ import annotations

import asyncio
import time

from ...core.errors import PipelineError
from ...core.pacs import store as pacs_store
from ...core.pacs.asks import LOOK_SECONDS, no_answer
from ...core.pacs.config import FILE, PacsConfig, read_config
from ...core.pacs.store import PacsStore
from ..ask import is_running
from ..context import WebContext

KEY = "pacs"
PROCESS = "dicom"  # its note in the store


class DicomProcess:
    """Used from the event loop's thread only; its calls are short, but for :meth:`ask`, which waits aside."""

    def __init__(self, context: WebContext) -> None:
        self._context = context
        self._store: PacsStore | None = None

    @property
    def store(self) -> PacsStore | None:
        """None where no dicom process has ever run: looking makes nothing."""
        if self._store is None and pacs_store.exists(self._context.home):
            self._store = PacsStore.of(self._context.home, self._context.clock)
        return self._store

    @property
    def wanted(self) -> bool:
        """Whether anything here has to do with a PACS."""
        return self.store is not None or (self._context.home.root / FILE).exists()

    def config(self) -> tuple[PacsConfig, PipelineError | None]:
        """The file, and what is wrong with it."""
        try:
            return read_config(self._context.home.root), None
        except PipelineError as error:
            return PacsConfig(), error

    def why_not(self) -> str:
        """Why nothing can be asked now, or ``""``."""
        note = self._context.store.meta.get(PROCESS) if is_running(self._context) else None
        if note and not note.get("error"):
            return ""
        if note:
            return str(note["error"].get("message", "the dicom process does not run"))
        return "the pipeline was started without --dicom, or is not running"

    async def ask(self, kind: str, args: dict[str, object], by: str, seconds: float) -> dict[str, object]:
        """The answer of the dicom process.

        Raises what it answers as an error, ``request.no_pipeline`` where it does not run and
        ``pacs.no_answer`` after ``seconds``. Nothing of question and answer stays behind.
        """
        why, store = self.why_not(), self.store
        if why or store is None:
            raise PipelineError("request.no_pipeline", why or "the dicom process does not run")
        number = store.asks.ask(kind, args, by)
        until = time.monotonic() + seconds
        try:
            while time.monotonic() < until:
                answer = store.asks.answer_of(number)
                if answer is not None:
                    return answer
                await asyncio.sleep(LOOK_SECONDS)
            raise no_answer(seconds)
        finally:
            store.asks.remove(number)

    def close(self) -> None:
        """Let go of the file."""
        if self._store is not None:
            self._store.close()


def dicom_process_of(context: WebContext) -> DicomProcess:
    """The one of an application."""
    found: DicomProcess = context.shared[KEY]
    return found
