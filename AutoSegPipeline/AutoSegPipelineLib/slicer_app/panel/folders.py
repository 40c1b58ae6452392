"""Inbox, results and home; starting and stopping."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Callable

from ..session import RUNNING, STARTING, STOPPED, STOPPING, Session
from . import ui
from .part import Part
from .texts import _

_NAMES = ("inbox", "results", "home")
START_WITH_SLICER = "start_with_slicer"


class FoldersPart(Part):
    """Changing a folder of a running pipeline starts it again."""

    def __init__(self, session: Session, widgets: ui.Widgets, say: Callable[[str], None]) -> None:
        super().__init__(session, widgets, say)
        self._then_start: bool | None = None  # once it has stopped, start again (watching or not)
        for name in _NAMES:
            edit = getattr(widgets, f"{name}Edit")
            ui.on(edit, "editingFinished", "", self.doing(partial(self._edited, name)))
            self.on_click(getattr(widgets, f"{name}BrowseButton"), partial(self._browse, name))
            self.on_click(getattr(widgets, f"{name}OpenButton"), partial(self._open, name))
        self.on_click(widgets.watchButton, self._watch)
        self.on_click(widgets.stopButton, lambda: session.stop(wait=False))
        self.on_click(widgets.startWithSlicerCheck, self._start_with_slicer)

    def _folder(self, name: str) -> Path:
        home = self.session.home
        return home.root if name == "home" else Path(getattr(home, name))

    def _edited(self, name: str) -> None:
        text = str(ui.value(getattr(self.ui, f"{name}Edit"), "text")).strip()
        if text != str(self._folder(name)):
            self._move(name, text)

    def _browse(self, name: str) -> None:
        chosen = self.session.host.choose_folder(_("Choose a folder"), str(self._folder(name)))
        if chosen:
            self._move(name, chosen)

    def _open(self, name: str) -> None:
        self.session.host.open_path(self._folder(name))

    def _move(self, name: str, folder: str) -> None:
        if self.session.state == STOPPED:
            self.session.set_folders(**{name: folder})
        else:
            self.session.check_may_stop()
            watching = self.session.watching
            self.session.stop(wait=False)
            self._when_stopped(lambda: self.session.set_folders(**{name: folder}), watching)
        self.refresh()

    def _when_stopped(self, action: Callable[[], None], watching: bool) -> None:
        def look() -> None:
            if self.session.state == STOPPED:
                unsubscribe()
                self.doing(action)()
                self.doing(lambda: self.session.start(watch=watching))()

        unsubscribe = self.session.subscribe(look)
        look()

    def _watch(self) -> None:
        if self.session.watching:
            self.session.stop_watching()
        else:
            self.session.start_watching()

    def _start_with_slicer(self) -> None:
        on = bool(ui.value(self.ui.startWithSlicerCheck, _CHECKED))
        self.session.host.remember(START_WITH_SLICER, "yes" if on else "")

    def refresh(self) -> None:
        """Folders, and what the buttons would do now."""
        for name in _NAMES:
            edit = getattr(self.ui, f"{name}Edit")
            if not ui.has_focus(edit):
                ui.set_text(edit, str(self._folder(name)))
            ui.set_enabled(edit, not self.read_only or name == "home")
            ui.set_enabled(getattr(self.ui, f"{name}BrowseButton"), not self.read_only or name == "home")
        state, watching = self.session.state, self.session.watching
        ui.set_text(self.ui.watchButton, _("Stop watching") if watching else _("Start watching"))
        ui.set_enabled(self.ui.watchButton, state != STOPPING and not self.read_only)
        ui.set_enabled(self.ui.stopButton, state in (STARTING, RUNNING))
        on = self.session.host.recall(START_WITH_SLICER) == "yes"
        if bool(ui.value(self.ui.startWithSlicerCheck, _CHECKED)) != on:
            with ui.Quietly(self.ui.startWithSlicerCheck):
                self.ui.startWithSlicerCheck.setChecked(on)


_CHECKED = ui.CHECKED
