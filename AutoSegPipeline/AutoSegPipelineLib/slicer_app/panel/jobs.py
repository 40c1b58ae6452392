"""The jobs and what a person may do with them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Callable

from ...core import review, states
from ...core.commands import Cancel, Command, Place, Purge, Retry, Review
from ...core.errors import PipelineError
from ...core.hints import PANEL, hint_at, joined
from ...core.store.jobs import Brief
from ...core.user import user_name
from ..session import Session
from . import ui
from .dropped import accept_drops
from .feed import Feed
from .log_window import LogWindow
from .part import Part
from .table import JobsTable
from .texts import _, review_text

_MOST_AT_ONCE = 20  # jobs that a click changes before the loop gets its turn again


class JobsPart(Part):
    """The table, and buttons for the rows that are selected."""

    def __init__(self, session: Session, widgets: ui.Widgets, say: Callable[[str], None], feed: Feed) -> None:
        super().__init__(session, widgets, say)
        self._feed = feed
        self._waiting: list[Command] = []  # changes of many jobs, a few at a time
        self._log = LogWindow(widgets.jobsTable)
        self.table = JobsTable(widgets.jobsTable, self._enable, self.doing(self._load))
        self.on_click(widgets.addFilesButton, self._add_files)
        self.on_click(widgets.addFolderButton, self._add_folder)
        self.on_click(widgets.sendVolumeButton, session.send_current_volume)
        self._drops = accept_drops(widgets.jobsTable, session.host.dragged_volumes, self._dropped)
        self.on_click(widgets.cancelButton, lambda: self._each(Cancel, self._unended))
        self.on_click(widgets.retryButton, lambda: self._each(Retry, self._ended))
        self.on_click(widgets.removeButton, self._remove)
        self.on_click(widgets.goodButton, lambda: self._review(review.GOOD))
        self.on_click(widgets.badButton, lambda: self._review(review.BAD))
        self.on_click(widgets.remarkButton, self._remark)
        self.on_click(widgets.upButton, lambda: self._move(-1))
        self.on_click(widgets.downButton, lambda: self._move(1))
        self.on_click(widgets.firstButton, self._first)
        self.on_click(widgets.loadButton, self._load)
        self.on_click(widgets.openResultsButton, self._open)
        self.on_click(widgets.logButton, self._show_log)
        self._enable()

    # --- what is selected -----------------------------------------------------------------------

    @staticmethod
    def _ended(job: Brief) -> bool:
        return job.state in states.ENDS

    @staticmethod
    def _unended(job: Brief) -> bool:
        return job.state not in states.ENDS

    @staticmethod
    def _queued(job: Brief) -> bool:
        return job.state == states.QUEUED

    def _enable(self) -> None:
        chosen, may = self.table.selected, not self.read_only
        widgets = self.ui
        for button in (widgets.addFilesButton, widgets.addFolderButton, widgets.sendVolumeButton):
            ui.set_enabled(button, may)
        ui.set_enabled(widgets.cancelButton, may and any(map(self._unended, chosen)))
        for button in (
            widgets.retryButton, widgets.removeButton, widgets.goodButton, widgets.badButton,
            widgets.remarkButton,
        ):  # fmt: skip
            ui.set_enabled(button, may and any(map(self._ended, chosen)))
        for button in (widgets.upButton, widgets.downButton, widgets.firstButton):
            ui.set_enabled(button, may and any(map(self._queued, chosen)))
        done = len(chosen) == 1 and chosen[0].state == states.DONE
        ui.set_enabled(widgets.loadButton, done and may)
        ui.set_enabled(widgets.openResultsButton, done or not chosen)
        ui.set_enabled(widgets.logButton, len(chosen) == 1)
        self._show_message(chosen)

    def _show_message(self, chosen: list[Brief]) -> None:
        """What is to be said about the one selected job, with the hint of its error."""
        text = chosen[0].message if len(chosen) == 1 else ""
        if len(chosen) == 1 and chosen[0].state in states.ENDS and chosen[0].state != states.DONE:
            error = getattr(self._feed.find(chosen[0].id), "error", None) or {}
            hint = hint_at(PANEL, str(error.get("code", "")), str(error.get("hint", "")))
            text = joined(text, hint)
        if len(chosen) == 1 and chosen[0].state in states.ENDS:
            text = joined(text, review_text(self._review_of(chosen[0])))
        if len(chosen) == 1 and chosen[0].state in states.RUNNING:
            where = getattr(self._feed.find(chosen[0].id), "where", "")
            text = f"{text} ({where})" if where else text
        ui.set_text(self.ui.jobMessageLabel, text)
        self.ui.jobMessageLabel.setVisible(bool(text))

    def show(self, moved: bool, selected: list[str]) -> None:
        """Bring the table up to date."""
        self.table.refresh(self._feed.jobs, moved, selected)
        self._enable()

    def refresh(self) -> None:
        """The session has changed."""
        self._enable()

    # --- what the buttons do ----------------------------------------------------------------------

    def _add_files(self) -> None:
        self.session.add(self.session.host.choose_files(_("Add scans"), str(Path.home())))

    def _add_folder(self) -> None:
        chosen = self.session.host.choose_folder(_("Add a folder of scans"), str(Path.home()))
        if chosen:
            self.session.add([chosen])

    def _dropped(self, things: list[object]) -> None:
        """Paths are added one by one from the event loop; a volume node is saved at once."""
        self.doing(lambda: self._take(things))()

    def _take(self, things: list[object]) -> None:
        if self.read_only:
            raise PipelineError("request.wrong_state", "another program has this home")
        self.session.add([thing for thing in things if isinstance(thing, str)])
        for node in things:
            if not isinstance(node, str):
                self.session.submit(node)

    def _each(self, row: type[Cancel | Retry], fits: Callable[[Brief], bool]) -> None:
        self._waiting += [row(job.id) for job in self.table.selected if fits(job)]
        self.work()

    @property
    def busy(self) -> bool:
        """Whether :meth:`work` has more to do."""
        return bool(self._waiting)

    def work(self) -> None:
        """Do a few of the changes that were asked for."""
        if self._waiting and self.session.state == "stopped":
            self.session.start()
        if self.session.state != "running":
            return
        now, self._waiting = self._waiting[:_MOST_AT_ONCE], self._waiting[_MOST_AT_ONCE:]
        for command in now:
            self.doing(partial(self.session.ask, command))()

    def _review_of(self, job: Brief) -> dict[str, object]:
        return getattr(self._feed.find(job.id), "review", None) or {}

    def _review(self, mark: str) -> None:
        """Mark what is selected; a job that has the mark loses it. Remarks stay."""
        chosen = [job for job in self.table.selected if self._ended(job)]
        found = {job.id: self._review_of(job) for job in chosen}
        if all(one.get("mark") == mark for one in found.values()):
            mark = review.NONE
        self._waiting += [
            Review(job_id, mark, str(one.get("remark", "")), user_name()) for job_id, one in found.items()
        ]
        self.work()

    def _remark(self) -> None:
        """Ask for one remark for all that is selected; marks stay."""
        chosen = [job for job in self.table.selected if self._ended(job)]
        first = str(self._review_of(chosen[0]).get("remark", "")) if chosen else ""
        remark = self.session.host.ask_text(_("Remark on the selected results"), first) if chosen else None
        if remark is not None:
            marks = {job.id: str(self._review_of(job).get("mark", "")) for job in chosen}
            self._waiting += [Review(job_id, mark, remark, user_name()) for job_id, mark in marks.items()]
            self.work()

    def _remove(self) -> None:
        gone = [job for job in self.table.selected if self._ended(job)]
        text = _("Remove {number} jobs with their inputs, logs and result files? This cannot be undone.")
        if gone and self.session.host.confirm(text.format(number=len(gone))):
            self._waiting += [Purge(job.id) for job in gone]
            self.work()

    def _move(self, by: int) -> None:
        """One place up (-1) or down (1), several jobs together."""
        queue = [job.id for job in map(self._feed.jobs.at, range(len(self._feed.jobs))) if self._queued(job)]
        chosen = [job.id for job in self.table.selected if self._queued(job)]
        for job_id in chosen if by < 0 else reversed(chosen):
            at = queue.index(job_id)
            to = at + by
            if not 0 <= to < len(queue) or queue[to] in chosen:
                continue
            before = queue[to] if by < 0 else (queue[to + 1] if to + 1 < len(queue) else None)
            self._place(job_id, before)
            queue.insert(to, queue.pop(at))

    def _first(self) -> None:
        chosen = [job.id for job in self.table.selected if self._queued(job)]
        queue = [job.id for job in map(self._feed.jobs.at, range(len(self._feed.jobs))) if self._queued(job)]
        rest = [job_id for job_id in queue if job_id not in chosen]
        for job_id in chosen:
            self._place(job_id, rest[0] if rest else None)

    def _place(self, job_id: str, before: str | None) -> None:
        self._waiting.append(Place(job_id, before))
        self.work()

    def _load(self) -> None:
        job = self._one()
        if job.state == states.DONE:
            scan = bool(ui.value(self.ui.loadScanCheck, ui.CHECKED))
            self.session.load(job.id, scan)

    def _open(self) -> None:
        chosen = self.table.selected
        found = self._feed.find(chosen[0].id) if chosen else None
        self.session.host.open_path(Path(found.out) if found and found.out else self.session.home.results)

    def _show_log(self) -> None:
        job = self._one()
        self.session.with_log(job.id, partial(self._log.show, job.label))

    def _one(self) -> Brief:
        return self.table.selected[0]
