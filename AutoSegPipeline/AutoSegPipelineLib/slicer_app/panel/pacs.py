"""The exchange with the PACS: on or off, its file, how the peers are."""

from __future__ import annotations

import sqlite3
import time
from typing import Callable

from ...core.errors import PipelineError
from ...core.pacs import store as pacs
from ...core.pacs.config import FILE, read_config
from ...core.pacs.store import PacsStore
from ...runtime.processes.child_kinds import DICOM
from ..package_install import packages_state
from ..session import Session
from . import ui
from .pacs_window import PacsWindow
from .part import Part
from .texts import _

_LOOK_SECONDS = 2.0
_FIRST = "{}\n"


class PacsPart(Part):
    """Switches the setting ``dicom`` and shows what the dicom process notes."""

    def __init__(self, session: Session, widgets: ui.Widgets, say: Callable[[str], None]) -> None:
        super().__init__(session, widgets, say)
        self._next = 0.0
        self.on_click(widgets.pacsCheck, self._switch)
        self.on_click(widgets.pacsFileButton, self._open)
        self.window = PacsWindow(session, widgets.pacsFileButton)
        self.on_click(widgets.pacsFindButton, self.window.show)
        self.refresh()

    def _switch(self) -> None:
        on = bool(ui.value(self.ui.pacsCheck, ui.CHECKED))
        if on and self.session.host.own_packages_needed and packages_state(self.session.home) != "installed":
            self.refresh()
            raise PipelineError(
                "pacs.packages_missing",
                "the PACS needs packages that this Slicer does not have",
                _('Press "Install..." under "Installed and downloaded".'),
            )
        self.session.change(dicom=on)
        self._next = 0.0

    def _open(self) -> None:
        path = self.session.home.root / FILE
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_text(_FIRST, encoding="utf-8")
        self.session.host.open_path(path)

    def refresh(self) -> None:
        """The session has changed: show it."""
        with ui.Quietly(self.ui.pacsCheck):
            self.ui.pacsCheck.setChecked(bool(self.session.settings()["dicom"]))
        ui.set_enabled(self.ui.pacsCheck, not self.read_only)
        ui.set_enabled(self.ui.pacsFindButton, not self.read_only)
        self._next = 0.0
        self.look()

    def look(self) -> None:
        """Show how it is, every two seconds while it runs."""
        self.window.look()
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _LOOK_SECONDS
        lines = self._lines()
        ui.set_text(self.ui.pacsLabel, "\n".join(lines))
        self.ui.pacsLabel.setVisible(bool(lines))

    def _lines(self) -> list[str]:
        if not self.session.settings()["dicom"]:
            return []
        try:
            config = read_config(self.session.home.root)
        except PipelineError as error:
            return [error.message]
        store = self.session.store
        note = store.meta.get(DICOM.name) if store is not None else None
        if not note:
            return [_("It runs while the pipeline does.")]
        if note.get("error"):
            return [str(note["error"]["message"])]
        receiver = config.receiver
        text = _("Receiver {title} on {host}, port {port}.")
        lines = [text.format(title=receiver.title, host=receiver.host, port=receiver.port)]
        if not pacs.exists(self.session.home):
            return lines
        try:
            looked = PacsStore.of(self.session.home)
        except (OSError, sqlite3.Error, PipelineError) as error:
            return [*lines, str(error)]
        try:
            peers = {state.name: state for state in looked.peers.list()}
            refused = looked.refusals.list()
        finally:
            looked.close()
        for name in config.peers:
            state = peers.get(name)
            if state is None or state.echo is None:
                lines.append(_("{name}: not asked yet").format(name=name))
            elif state.echo_ok:
                lines.append(_("{name}: answers").format(name=name))
            else:
                lines.append(state.echo_note)
        if refused:
            one = refused[0]
            text = _("Refused {title} at {address}. To let it in, add to callers in dicom.json: {line}")
            lines.append(text.format(title=one.title, address=one.address, line=one.line))
        return lines
