"""The table of jobs: only the rows in sight are filled, so ten thousand jobs cost as much as ten."""

from __future__ import annotations

from typing import Any, Callable

from ...core import states
from ...core.store.jobs import Brief
from ...runtime import qt
from . import ui
from .job_list import JobList
from .state_looks import dress, word
from .texts import _, duration

NAME, STATE, PROGRESS, LEFT = range(4)


class JobsTable:
    """A QTableWidget over a :class:`JobList`; ``on_select()`` is called when the selection changes."""

    def __init__(self, table: Any, on_select: Callable[[], None], on_open: Callable[[], None]) -> None:
        self._qt = qt.everything()
        self._table = table
        self._jobs = JobList()
        self._shown: dict[int, tuple[str, ...]] = {}  # row -> texts
        self._bars: dict[int, Any] = {}
        self._seen = (-1, -1, -1)
        self._filling = False
        heads = [_("Name"), _("State"), _("Progress"), _("Time left")]
        table.setColumnCount(len(heads))
        table.setHorizontalHeaderLabels(heads)
        table.verticalHeader().hide()
        _fit_columns(table, self._qt)
        ui.on(table, "itemSelectionChanged", "", lambda: None if self._filling else on_select())
        ui.on(table, "cellDoubleClicked", "int,int", on_open)
        ui.on(table.verticalScrollBar(), "valueChanged", "int", self.fill)

    # --- selection ----------------------------------------------------------------------------

    @property
    def selected(self) -> list[Brief]:
        """The jobs of the selected rows, in their order."""
        rows = (row for first, last in self._ranges() for row in range(first, last + 1))
        return [self._jobs.at(row) for row in rows if row < len(self._jobs)]

    def _ranges(self) -> list[tuple[int, int]]:
        found = self._table.selectedRanges()
        return sorted((int(one.topRow()), int(one.bottomRow())) for one in found)

    def select(self, ids: list[str]) -> None:
        """Select exactly these jobs, as far as they are there."""
        rows = sorted(row for row in map(self._jobs.row_of, ids) if row >= 0)
        self._table.clearSelection()
        start = 0
        while start < len(rows):
            end = start
            while end + 1 < len(rows) and rows[end + 1] == rows[end] + 1:
                end += 1
            columns = int(ui.value(self._table, "columnCount"))
            selected = self._qt.QTableWidgetSelectionRange(rows[start], 0, rows[end], columns - 1)
            self._table.setRangeSelected(selected, True)
            start = end + 1

    # --- showing ------------------------------------------------------------------------------

    def refresh(self, jobs: JobList, moved: bool, selected: list[str]) -> None:
        """Show ``jobs``; where rows moved, ``selected`` (ids from before) are selected again."""
        self._jobs = jobs
        self._filling = True
        try:
            if int(ui.value(self._table, "rowCount")) != len(jobs):
                self._table.setRowCount(len(jobs))
                for row in [row for row in self._shown if row >= len(jobs)]:
                    del self._shown[row]
                    self._bars.pop(row, None)
            if moved and (selected or self._ranges()):
                self.select(selected)
            self.fill(always=True)
        finally:
            self._filling = False

    def fill(self, always: bool = False) -> None:
        """Write the rows that are in sight."""
        height = int(ui.value(self._table.viewport(), "height"))
        first, last = int(self._table.rowAt(0)), int(self._table.rowAt(max(height - 1, 0)))
        first = max(first, 0)
        last = len(self._jobs) - 1 if last < 0 else min(last, len(self._jobs) - 1)
        last = min(last, first + 200)
        seen = (first, last, len(self._jobs))
        if seen == self._seen and not always:
            return
        self._seen = seen
        for row in range(first, last + 1):
            self._fill_row(row, self._jobs.at(row))

    def _fill_row(self, row: int, job: Brief) -> None:
        running = job.state in states.RUNNING
        percent = f"{job.progress:.0%}"
        texts = (
            job.label or job.name, word(job.state), percent, duration(job.eta_s) if running else "",
        )  # fmt: skip
        before = self._shown.get(row, ())
        if before == texts and running == (row in self._bars):
            return
        self._shown[row] = texts
        for column, text in enumerate(texts):
            if column == PROGRESS:
                self._progress(row, running, job.progress, "" if running else percent)
            elif not before or before[column] != text:
                self._write(row, column, text)
                if column == STATE:
                    dress(self._table.item(row, STATE), self._table, job.state)

    def _write(self, row: int, column: int, text: str) -> None:
        item = self._table.item(row, column)
        if item is None:
            item = self._qt.QTableWidgetItem(text)
            self._table.setItem(row, column, item)
        else:
            item.setText(text)
        item.setToolTip(text)

    def _progress(self, row: int, running: bool, fraction: float, text: str) -> None:
        bar = self._bars.get(row)
        if running:
            if bar is None:
                bar = self._bars[row] = self._qt.QProgressBar()
                bar.setRange(0, 100)
                bar.setToolTip(_("How much of this case is done."))
                self._table.setCellWidget(row, PROGRESS, bar)
            # A bar paints itself at once when its value changes; between these two it waits its turn.
            bar.setUpdatesEnabled(False)
            bar.setValue(int(fraction * 100))
            bar.setUpdatesEnabled(True)
        elif bar is not None:
            del self._bars[row]
            self._table.removeCellWidget(row, PROGRESS)
        self._write(row, PROGRESS, text)


def _fit_columns(table: qt.QtObject, everything: qt.QtObject) -> None:
    """The name takes what the others leave; their width follows the font and what stands in sight."""
    header = table.horizontalHeader()
    header.setStretchLastSection(False)
    header.setResizeContentsPrecision(0)
    header.setSectionResizeMode(NAME, qt.enumerator(everything.QHeaderView, "ResizeMode", "Stretch"))
    for column in (STATE, PROGRESS, LEFT):
        fitted = qt.enumerator(everything.QHeaderView, "ResizeMode", "ResizeToContents")
        header.setSectionResizeMode(column, fitted)
