"""Search an archive and fetch studies, in a window of its own; the dicom process does both."""

from __future__ import annotations

import time
from typing import Callable, Mapping, Sequence

from ...core.errors import PipelineError
from ...core.hints import PANEL, hint_at, joined
from ...core.messages.reader import plain, read
from ...core.pacs.asks import no_answer
from ...core.pacs.config import FILE, read_config
from ...core.pacs.fetches import Order
from ...core.pacs.query import FoundStudy, StudyQuery, iso_date
from ...core.pacs.store import PacsStore
from ...runtime import qt
from ..faults import Faults
from ..session import Session
from . import ui
from .texts import _

_WAIT_SECONDS = 60.0
_DATE, _PATIENT, _NAME, _DESCRIPTION, _MODALITIES, _IMAGES = range(6)
_DOOR = "dicom"


class PacsWindow:
    """Fields, a table of studies, a line that says what happens; call :meth:`look` a few times a second."""

    def __init__(self, session: Session, parent: object) -> None:
        self._session = session
        self._parent = parent
        self._waiting: dict[int, tuple[float, Callable[[Mapping[str, object]], None], str]] = {}
        self._faults = Faults()
        self._problem = ""  # since the last click
        self._studies: list[FoundStudy] = []
        self.dialog: qt.QtObject = None
        self.edits: dict[str, qt.QtObject] = {}

    def show(self) -> None:
        """Open it; the panel stays usable. Raises ``pacs.configuration``."""
        config = read_config(self._session.home.root)
        if not config.peers:
            raise PipelineError("pacs.configuration", _("{file} names no peers").format(file=FILE))
        if self.dialog is None:
            self._build()
        with ui.Quietly(self.peer):
            self.peer.clear()
            self.peer.addItems(list(config.peers))
        self.dialog.show()
        self.dialog.raise_()

    def _build(self) -> None:
        everything = qt.everything()
        self.dialog = everything.QDialog(self._parent)
        self.dialog.setWindowTitle(_("Find in the PACS"))
        self.dialog.resize(760, 520)
        form = everything.QFormLayout()
        self.peer = everything.QComboBox()
        self.peer.setToolTip(_("The peer of dicom.json that is asked."))
        form.addRow(_("Archive:"), self.peer)
        for key, (title, hint) in _field_texts().items():
            edit = self.edits[key] = everything.QLineEdit()
            edit.setPlaceholderText(hint)
            edit.setToolTip(_("* stands for any text. Fill in at least one field."))
            ui.on(edit, "returnPressed", "", self._guarded(self.search))
            form.addRow(title, edit)
        self.search_button = everything.QPushButton(_("Search"))
        self.search_button.setToolTip(_("Ask the archive."))
        ui.clicked(self.search_button, self._guarded(self.search))
        self.table = everything.QTableWidget()
        self.table.setToolTip(_("The studies that were found, the newest first."))
        heads = [_("Date"), _("Patient"), _("Name"), _("Study"), _("Modality"), _("Images")]
        self.table.setColumnCount(len(heads))
        self.table.setHorizontalHeaderLabels(heads)
        self.table.verticalHeader().hide()
        self.table.horizontalHeader().setStretchLastSection(True)
        view = everything.QAbstractItemView
        self.table.setSelectionBehavior(qt.enumerator(view, "SelectionBehavior", "SelectRows"))
        self.table.setEditTriggers(qt.enumerator(view, "EditTrigger", "NoEditTriggers"))
        self.fetch_button = everything.QPushButton(_("Fetch"))
        self.fetch_button.setToolTip(_("Fetch the selected studies; their CT and MR series become jobs."))
        ui.clicked(self.fetch_button, self._guarded(self.fetch))
        self.label = everything.QLabel("")
        self.label.setWordWrap(True)
        self.label.setToolTip(_("What happens."))
        layout = everything.QVBoxLayout(self.dialog)
        layout.addLayout(form)
        for widget in (self.search_button, self.table, self.fetch_button, self.label):
            layout.addWidget(widget)

    # --- asking ---------------------------------------------------------------------------------

    def search(self) -> None:
        """Ask the archive for studies."""
        given = {key: str(ui.value(edit, "text")) for key, edit in self.edits.items()}
        StudyQuery.of(given, _("search"))  # what is wrong with it is said at once
        peer = str(ui.value(self.peer, "currentText"))
        self._show([])
        self._say(_("Asking {peer}...").format(peer=peer))
        match = {key: text for key, text in given.items() if text.strip()}
        self._ask("find", {"peer": peer, "match": match}, self._found)

    def fetch(self) -> None:
        """Have the selected studies fetched."""
        rows = sorted({
            row
            for one in self.table.selectedRanges()
            for row in range(int(one.topRow()), int(one.bottomRow()) + 1)
        })  # fmt: skip
        chosen = [self._studies[row] for row in rows if row < len(self._studies)]
        if not chosen:
            raise PipelineError("request.invalid", _("no study is selected"), _("Select one in the table."))
        peer = str(ui.value(self.peer, "currentText"))
        for study in chosen:
            order = Order(peer, study.uid, label=study.label, door=_DOOR)
            self._ask("fetch", {"order": plain(order)}, self._ordered, study.label)

    def _ask(
        self,
        kind: str,
        args: dict[str, object],
        then: Callable[[Mapping[str, object]], None],
        about: str = "",
    ) -> None:
        if self._session.state != "running":
            raise PipelineError(
                "request.no_pipeline",
                _("the pipeline is not running"),
                _("Start it, and switch the PACS on."),
            )
        store = PacsStore.of(self._session.home)
        try:
            self._waiting[store.asks.ask(kind, args, "")] = (
                time.monotonic() + _WAIT_SECONDS,
                then,
                about,
            )
        finally:
            store.close()

    def look(self) -> None:
        """Take the answers that have come."""
        if not self._waiting:
            return
        store = PacsStore.of(self._session.home)
        try:
            for number in list(self._waiting):
                until, then, about = self._waiting[number]
                try:
                    answer = store.asks.answer_of(number)
                    if answer is None and time.monotonic() > until:
                        raise no_answer(_WAIT_SECONDS)
                except PipelineError as error:
                    self._complain(error, about)
                else:
                    if answer is None:
                        continue
                    then(answer)
                del self._waiting[number]
                store.asks.remove(number)  # it may name patients
        finally:
            store.close()

    def _found(self, answer: Mapping[str, object]) -> None:
        studies = answer.get("studies")
        found = [read(FoundStudy, one, "study") for one in studies] if isinstance(studies, list) else []
        self._show(found)
        text = _("{number} studies").format(number=len(found))
        self._say(text + (_("; there are more, search more narrowly") if answer.get("more") else ""))

    def _ordered(self, answer: Mapping[str, object]) -> None:
        text = _("Fetch {number} is in the queue; its series become jobs.")
        self._say(text.format(number=answer.get("fetch")))

    # --- showing ------------------------------------------------------------------------------

    def _show(self, studies: Sequence[FoundStudy]) -> None:
        self._studies = list(studies)
        self.table.setRowCount(len(studies))
        item = qt.everything().QTableWidgetItem
        for row, study in enumerate(studies):
            texts = {
                _DATE: iso_date(study.date), _PATIENT: study.patient, _NAME: study.name,
                _DESCRIPTION: study.description, _MODALITIES: "/".join(study.modalities),
                _IMAGES: "" if study.instances is None else str(study.instances),
            }  # fmt: skip
            for column, text in texts.items():
                cell = item(text)
                cell.setToolTip(text)
                self.table.setItem(row, column, cell)

    def _say(self, text: str) -> None:
        """Below what went wrong since the last click: of several studies one may fail."""
        ui.set_text(self.label, "\n".join(filter(None, (self._problem, text))))

    def _complain(self, error: PipelineError, about: str = "") -> None:
        if about:
            error = PipelineError(error.code, f"{about}: {error.message}", error.hint)
        shown = self._faults.add(error)
        self._problem = joined(shown.message, hint_at(PANEL, shown.code, shown.hint))
        self._say("")

    def _guarded(self, action: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            self._faults.clear()
            self._problem = ""
            try:
                action()
            except PipelineError as error:
                self._complain(error)

        return run


def _field_texts() -> dict[str, tuple[str, str]]:
    """Title and example of each field of a search."""
    return {
        "patient": (_("Patient ID:"), ""),
        "name": (_("Name:"), _("Roe*")),
        "accession": (_("Accession number:"), ""),
        "date": (_("Date:"), _("2026-11-29, today, last 3 days")),
        "modality": (_("Modality:"), _("CT or MR")),
        "description": (_("Study:"), _("THORAX*")),
    }
