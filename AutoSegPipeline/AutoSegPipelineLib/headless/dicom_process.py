"""The dicom process of a running pipeline, as commands see and ask it."""

from __future__ import annotations

from typing import Any

from ..core.errors import PipelineError
from ..core.pacs.store import PacsStore
from ..runtime.processes.child_kinds import DICOM
from .session import Session, user_name


def process_note(session: Session) -> dict[str, Any] | None:
    """What the running pipeline says of its dicom process; None where there is neither."""
    return session.child_note(DICOM.name)


def asked(
    session: Session, kind: str, args: dict[str, object], seconds: float, otherwise: str = ""
) -> dict[str, object]:
    """The dicom process's answer; raises ``request.no_pipeline``, ``pacs.no_answer`` and what it answers.

    ``otherwise`` is what else can be done where none runs.
    """
    note = process_note(session)
    if not note or note.get("error"):
        raise PipelineError(
            "request.no_pipeline", "no pipeline runs that was started with --dicom",
            f"Start one with `autoseg serve --dicom`{otherwise}.",
        )  # fmt: skip
    own = PacsStore.of(session.home)
    try:
        return own.asks.wait(own.asks.ask(kind, args, user_name()), seconds)
    finally:
        own.close()
