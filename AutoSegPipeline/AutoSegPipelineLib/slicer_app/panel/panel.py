"""The panel: puts the parts together and keeps them up to date from one timer."""

from __future__ import annotations

from typing import Callable

from ...core import states
from ...core.hints import PANEL, hint_at, joined
from ...core.store import Store
from ...runtime import qt
from ..remote.servers import Servers
from ..session import STOPPED, Session
from . import ui
from .dependencies import DependenciesPart
from .feed import Feed
from .folders import FoldersPart
from .jobs import JobsPart
from .options import OptionsPart
from .pacs import PacsPart
from .server import ServerPart
from .status_line import News
from .texts import _
from .where import WherePart

_TICK_MS = 250


class Panel:
    """A view of a :class:`Session`: any number may look at one, and it runs without any."""

    def __init__(
        self,
        session: Session,
        servers: Servers | None = None,
        chosen: str = "",
        switch: Callable[[str], None] = lambda name: None,
    ) -> None:
        """``servers`` are other machines of which ``chosen`` is shown; ``switch(name)`` shows another."""
        self.session = session
        self.widget, self.ui = ui.load()
        self._said = ""
        self.feed = Feed(session)
        self.news = News()
        self.folders = FoldersPart(session, self.ui, self.say)
        self.jobs = JobsPart(session, self.ui, self.say, self.feed)
        self.options = OptionsPart(session, self.ui, self.say)
        self.server = ServerPart(session, self.ui, self.say)
        self.pacs = PacsPart(session, self.ui, self.say)
        self.dependencies = DependenciesPart(session, self.ui, self.say)
        servers = servers or Servers(session.home.state)
        self.where = WherePart(session, self.ui, self.say, servers, chosen, switch)
        self._parts = (
            self.where,
            self.folders,
            self.jobs,
            self.options,
            self.server,
            self.pacs,
            self.dependencies,
        )
        self._unsubscribe = session.subscribe(self._changed)
        self._stale = True
        self._locked = session.locked
        self._timer = qt.make_timer(_TICK_MS, self.tick)
        self._alarm = qt.make_alarm(self.tick)
        self.tick()

    def close(self) -> None:
        """No more looks at the session; the pipeline goes on."""
        self._timer.stop()
        self._alarm.stop()
        self._unsubscribe()
        self.dependencies.close()
        self.feed.close()

    def go_on(self) -> None:
        """Where an earlier program left unfinished cases and nobody has the home, start the pipeline."""
        if self.session.state != STOPPED or self.session.locked:
            return
        while self.feed.more:
            self.feed.read()
        counts = self.feed.jobs.counts
        if any(counts[state] for state in states.WAITING | states.RUNNING):
            self.folders.doing(self.session.start)()

    def say(self, text: str) -> None:
        """Show what needs attention above everything else; empty for nothing."""
        self._said = text
        self._show_notice()

    def _changed(self) -> None:
        self._stale = True
        self._alarm.start(0)

    def tick(self) -> None:
        """Show what is new; a little at a time."""
        if self.session.locked != self._locked:
            self._locked, self._stale = self.session.locked, True
        if self._stale:
            self._stale = False
            for part in self._parts:
                part.doing(part.refresh)() if part is self.options else part.refresh()
            self._show_notice()
        self.jobs.work()
        selected = [job.id for job in self.jobs.table.selected]
        store = self.feed.store
        changed, moved = self.feed.read()
        self.news.hear(changed, quietly=not self.feed.caught_up)
        if not self.feed.more:
            self.feed.caught_up = True
        if changed or moved:
            self.jobs.show(moved, selected)
        else:
            self.jobs.table.fill()
        self._show_status(store)
        if self.session.server_kind:
            self.server.refresh()
        self.pacs.look()
        if self.feed.more or self.jobs.busy:
            self._alarm.start(1)

    def _show_status(self, store: Store | None) -> None:
        paused = None if store is None else store.meta.get("paused")
        if store is not None:
            engines = list((store.meta.get("describe") or {}).get("engines", []))
            self.options.describe(engines)
            self.dependencies.describe(engines)
        state = self.session.state
        if state == STOPPED and self.session.locked:
            state = "elsewhere"
        line = self.news.line(self.feed.jobs, self.session.watching, paused, state)
        ui.set_text(self.ui.statusLabel, line)

    def _show_notice(self) -> None:
        notices = []
        holder = self.session.locked
        if holder:
            text = _(
                "{home} is in use by {what} (process {pid}). This is a view; nothing can be changed here."
            )
            what, pid = holder.get("what", "?"), holder.get("pid", "?")
            notices.append(text.format(home=self.session.home.root, what=what, pid=pid))
        if self.session.fault is not None:
            fault = self.session.fault
            notices.append(joined(fault.message, hint_at(PANEL, fault.code, fault.hint)))
        if self.feed.problem is not None:
            notices.append(self.feed.problem.message)
        notices += [self._said] if self._said and self._said not in notices else []
        ui.set_text(self.ui.noticeLabel, "\n".join(notices))
        self.ui.noticeLabel.setVisible(bool(notices))
