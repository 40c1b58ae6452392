"""What every part of the panel has: the session, the widgets, and a place to say what went wrong."""

from __future__ import annotations

import logging
from typing import Callable

from ...core.errors import PipelineError
from ...core.hints import PANEL, hint_at, joined
from ..session import Session
from . import ui

log = logging.getLogger(__name__)


class Part:
    """One section of the panel. ``say(text)`` shows what needs attention, empty for nothing."""

    def __init__(self, session: Session, widgets: ui.Widgets, say: Callable[[str], None]) -> None:
        self.session = session
        self.ui = widgets
        self.say = say

    def refresh(self) -> None:
        """The session has changed: show it."""

    def doing(self, action: Callable[[], object]) -> Callable[[], None]:
        """``action`` as a slot: its refusal is shown in the panel, not in a window."""

        def run() -> None:
            try:
                self.say("")
                action()
            except PipelineError as error:
                log.warning("the panel: %s", error.code)
                self.say(joined(error.message, hint_at(PANEL, error.code, error.hint)))
                self.refresh()

        return run

    def on_click(self, button: object, action: Callable[[], object]) -> None:
        """Do ``action`` when a person clicks."""
        ui.clicked(button, self.doing(action))

    @property
    def read_only(self) -> bool:
        """Whether another program has the home."""
        return bool(self.session.locked)
