"""Answers the rows of ``requests``: what other processes ask of the pipeline."""

from __future__ import annotations

import logging

from ..core.errors import PipelineError
from ..core.store import Store
from ..core.store.requests import Request
from .commands import Commands, Outcome

log = logging.getLogger(__name__)


class RequestAnswerer:
    """Looks at the open requests and answers each in its row, errors too."""

    def __init__(self, store: Store, commands: Commands) -> None:
        self._store = store
        self._commands = commands
        self._under_way: set[int] = set()  # a retry answers when the input is back

    def look(self) -> None:
        """Answer what is open."""
        for request in self._store.requests.open():
            if request.id not in self._under_way:
                self._serve(request)

    def _serve(self, request: Request) -> None:
        def answer(outcome: Outcome) -> None:
            self._under_way.discard(request.id)
            self._answer(request.id, outcome)

        self._under_way.add(request.id)
        try:
            self._commands.perform(request.command(), answer)
        except PipelineError as error:
            answer(error)
        except (KeyError, TypeError, ValueError) as error:
            log.exception("request %s", request.kind)
            answer(PipelineError("request.invalid", f"{request.kind}: {error}"))

    def _answer(self, number: int, outcome: Outcome) -> None:
        if isinstance(outcome, PipelineError):
            row: dict[str, object] = {"error": outcome.to_dict()}
        elif outcome is None:
            row = {"ok": True}
        else:
            row = {"ok": True, "job": outcome.id, "state": outcome.state}
        self._store.requests.answer(number, row)
