"""What a command of the command line needs to ask something of the pipeline."""

from __future__ import annotations

from ..core.errors import PipelineError
from ..core.store import Store
from ..core.store.ask import Waiting
from .session import Session


def text_of(waiting: Waiting) -> str:
    """What to say to the person who asked."""
    if waiting.running:
        return "The pipeline is busy; it will do so as soon as it can."
    return "No pipeline is running; this takes effect when one starts (autoseg serve)."


def existing_store(session: Session) -> Store:
    """The store of this home; where none is, there can be no such job."""
    store = session.store()
    if store is None:
        raise PipelineError("request.unknown_job", f"no pipeline has run in {session.home.root} yet")
    return store
