"""The web servers: which one, its port, its address."""

from __future__ import annotations

import html
from typing import Callable

from ..session import Session
from . import ui
from .part import Part
from .texts import _

_KINDS = ("embedded", "full")


class ServerPart(Part):
    """Starts and stops one server at a time."""

    def __init__(self, session: Session, widgets: ui.Widgets, say: Callable[[str], None]) -> None:
        super().__init__(session, widgets, say)
        words = (_("Embedded: this computer only"), _("Full: page, accounts, TLS"))
        widgets.serverKindCombo.addItems(list(words))
        self.on_click(widgets.serverButton, self._toggle)
        self.refresh()

    def _toggle(self) -> None:
        if self.session.server_kind:
            self.session.stop_server()
        else:
            kind = _KINDS[max(0, int(ui.value(self.ui.serverKindCombo, "currentIndex")))]
            self.session.start_server(kind, int(ui.value(self.ui.portSpin, "value")))
        self.refresh()

    def refresh(self) -> None:
        """Where the server is, or that there is none."""
        kind, url, problem = self.session.server_kind, self.session.server_url, self.session.server_problem
        ui.set_text(self.ui.serverButton, _("Stop server") if kind else _("Start server"))
        ui.set_enabled(self.ui.serverButton, not self.read_only)
        for widget in (self.ui.serverKindCombo, self.ui.portSpin):
            ui.set_enabled(widget, not kind and not self.read_only)
        link = f'<a href="{html.escape(url)}">{html.escape(url)}</a>' if url else ""
        ui.set_text(self.ui.serverUrlLabel, link or (_("Starting") if kind else ""))
        ui.set_text(self.ui.serverNoticeLabel, problem)
        self.ui.serverNoticeLabel.setVisible(bool(problem))
