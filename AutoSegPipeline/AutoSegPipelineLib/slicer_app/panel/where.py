"""Whose pipeline the panel shows: this Slicer's own, or another machine's."""

from __future__ import annotations

from typing import Callable

from ...core.errors import PipelineError
from ...core.hints import joined
from ...runtime import qt
from ..remote.servers import Server, Servers
from ..session import Session
from . import ui
from .part import Part
from .texts import _

# What belongs to the other machine, or is not offered over the network.
_OF_THIS_SLICER = (
    "inboxLabel", "inboxEdit", "inboxBrowseButton", "inboxOpenButton", "watchButton", "addFolderButton",
    "upButton", "downButton", "firstButton", "foldersTitle", "resultsLabel", "resultsEdit",
    "resultsBrowseButton", "resultsOpenButton", "homeLabel", "homeEdit", "homeBrowseButton", "homeOpenButton",
    "inputsLabel", "inputsCombo", "startWithSlicerCheck", "stopButton", "serverTitle", "serverKindLabel",
    "serverKindCombo", "portLabel", "portSpin", "serverButton", "serverUrlLabel", "serverNoticeLabel",
    "pacsTitle", "pacsCheck", "pacsFindButton", "pacsFileButton", "pacsLabel", "dependenciesCollapsible",
)  # fmt: skip


class WherePart(Part):
    """Chooses, adds and forgets servers. ``switch(name)`` shows another one, empty for this Slicer's own."""

    def __init__(
        self,
        session: Session,
        widgets: ui.Widgets,
        say: Callable[[str], None],
        servers: Servers,
        chosen: str,
        switch: Callable[[str], None],
    ) -> None:
        super().__init__(session, widgets, say)
        self._servers = servers
        self._chosen = chosen
        self._switch = switch
        self.dialog = ServerDialog(widgets.whereCombo, self._add)
        ui.on(widgets.whereCombo, "activated", "int", self.doing(self._pick))
        self.on_click(widgets.addServerButton, self.dialog.show)
        self.on_click(widgets.forgetServerButton, self._forget)
        if session.is_remote:
            for name in _OF_THIS_SLICER:
                getattr(widgets, name).hide()
        self.refresh()

    def refresh(self) -> None:
        """The names, the chosen one among them."""
        names = [one.name for one in self._servers.list()]
        combo = self.ui.whereCombo
        with ui.Quietly(combo):
            combo.clear()
            combo.addItems([_("This Slicer"), *names])
            combo.setCurrentIndex(names.index(self._chosen) + 1 if self._chosen in names else 0)
        ui.set_enabled(self.ui.forgetServerButton, self._chosen in names)

    def _pick(self) -> None:
        at = int(ui.value(self.ui.whereCombo, "currentIndex"))
        name = str(ui.value(self.ui.whereCombo, "currentText")) if at > 0 else ""
        if name != self._chosen:
            # Not inside the signal of a widget that is about to go.
            qt.single_shot(0, lambda: self._switch(name))

    def _add(self, server: Server) -> None:
        added = self._servers.add(server)
        qt.single_shot(0, lambda: self._switch(added.name))

    def _forget(self) -> None:
        text = _("Forget {name} and its token? Its jobs stay where they are.").format(name=self._chosen)
        if self.session.host.confirm(text):
            self._servers.remove(self._chosen)
            qt.single_shot(0, lambda: self._switch(""))


class ServerDialog:
    """Name, address, token and certificates of a server to be added."""

    def __init__(self, parent: object, add: Callable[[Server], None]) -> None:
        self._parent = parent
        self._add = add
        self.dialog: qt.QtObject = None
        self.edits: dict[str, qt.QtObject] = {}

    def show(self) -> None:
        """Open it, empty."""
        if self.dialog is None:
            self._build()
        for edit in self.edits.values():
            edit.setText("")
        ui.set_text(self.label, "")
        self.dialog.show()
        self.dialog.raise_()

    def _build(self) -> None:
        everything = qt.everything()
        self.dialog = everything.QDialog(self._parent)
        self.dialog.setWindowTitle(_("Use another machine"))
        self.dialog.resize(460, 200)
        form = everything.QFormLayout(self.dialog)
        texts = {
            "name": (_("Name:"), _("Workstation"), _("How the server is called in this panel.")),
            "url": (_("Address:"), "https://server.example:8080", _("The address of its web page.")),
            "token": (_("Token:"), "", _("Of your account there: autoseg tokens create NAME slicer")),
            "ca": (
                _("Certificate:"),
                _("only for one of its own"),
                _("File of the certificate (PEM)."),
            ),
        }
        for key, (title, hint, tip) in texts.items():
            edit = self.edits[key] = everything.QLineEdit()
            edit.setPlaceholderText(hint)
            edit.setToolTip(tip)
            form.addRow(title, edit)
        mode = qt.enumerator(everything.QLineEdit, "EchoMode", "Password")
        self.edits["token"].setEchoMode(mode)
        self.button = everything.QPushButton(_("Use it"))
        self.button.setToolTip(_("Remember the server and show its jobs."))
        ui.clicked(self.button, self._done)
        self.label = everything.QLabel("")
        self.label.setWordWrap(True)
        self.label.setToolTip(_("What is wrong."))
        form.addRow(self.button)
        form.addRow(self.label)

    def _done(self) -> None:
        given = {key: str(ui.value(edit, "text")) for key, edit in self.edits.items()}
        try:
            self._add(Server(**given))
        except PipelineError as error:
            ui.set_text(self.label, joined(error.message, error.hint))
            return
        self.edits["token"].setText("")
        self.dialog.hide()
