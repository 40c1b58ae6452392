"""Keeps one child process running: starts it, starts it again by the policy of its row, ends it."""

from __future__ import annotations

import logging
from typing import Any, Callable, ClassVar, Mapping

from ...core.clock import Clock
from ...core.errors import PipelineError, from_dict
from ...core.home import Home
from ...core.messages.child_messages import Failed, Hello, HomeFolders, Log, Message, Serve
from ...core.protocol import Envelope
from ...core.settings import Settings
from .. import qt
from .child import ChildLike, Exit, Spawn
from .child_kinds import ChildKind

log = logging.getLogger(__name__)

_QUIT_SECONDS = 4.0


class ChildHost:
    """At most one child of ``kind``.

    Its first message is ``serve``: the home's folders and the settings. It says ``hello`` when it
    works and ``failed`` before it ends over something; what is not in :attr:`passing` a person has
    to mend, so it is not tried again until :meth:`start` is called.

    ``note`` writes the store's note about the child, None when there is none; it may find the disk
    full, which must not stop the child. A kind with ways of its own overrides what begins with ``_on``.
    """

    # A file that a person corrects meanwhile is read again at the next try.
    passing: ClassVar[tuple[str, ...]] = ("environment.", "child.died", "pacs.configuration")
    absent: ClassVar[Mapping[str, object]] = {"pid": 0}  # what the note holds while there is no child

    def __init__(
        self,
        kind: ChildKind,
        home: Home,
        spawn: Spawn | None,
        clock: Clock,
        note: Callable[[dict[str, object] | None], None],
    ) -> None:
        self._kind = kind
        self._home = home
        self._spawn = spawn
        self._clock = clock
        self._note = note
        self._title = f"the child process {kind.name}"
        self._settings: Settings | None = None
        self._child: ChildLike | None = None
        self._wanted = False
        self._ends = 0  # in a row, without having been well for long
        self._well_since: float | None = None
        self._said: PipelineError | None = None  # of the child at hand
        self._error: PipelineError | None = None  # after which nobody tries again
        self._again: Any = None
        self.pid = 0

    @property
    def ended(self) -> bool:
        """Whether no child is there."""
        return self._child is None

    @property
    def wanted(self) -> bool:
        """Whether there is to be a child, which may be on its way or in trouble."""
        return self._wanted

    @property
    def error(self) -> PipelineError | None:
        """Why there is no child now and none will come by itself."""
        return self._error

    def start(self, settings: Settings) -> None:
        """Begin to run by ``settings``; again while it runs is nothing."""
        if self._wanted and self._error is None:
            return
        self._settings, self._wanted, self._error = settings, True, None
        self._ends = 0
        if self._child is None:
            self._begin()

    def stop(self) -> None:
        """End the child; :attr:`ended` says when it is gone."""
        self._wanted, self._error = False, None
        if self._again is not None:
            self._again.stop()
        if self._child is not None:
            self._child.quit(_QUIT_SECONDS)
        self._note(None)

    def kill(self) -> None:
        """End it at once."""
        self._wanted = False
        if self._child is not None:
            self._child.kill()

    # --- what a kind may do in its own way --------------------------------------------------

    def _on_begin(self, settings: Settings) -> dict[str, object]:
        """The settings that the child gets."""
        return dict(settings.values)

    def _on_message(self, message: Message) -> None:
        """``message`` beyond its log and its error; :meth:`_works` where it means that all is well."""
        if isinstance(message, Hello):
            self._works({"pid": self.pid, "error": None})

    def _on_not_started(self, reason: str) -> PipelineError:
        """The error of a child that cannot be started at all."""
        return PipelineError("child.not_started", f"{self._title} cannot be started: {reason}")

    def _on_death(self, ended: Exit) -> PipelineError:
        """The error of a child that ended without a reason of its own."""
        return PipelineError("child.died", f"{self._title} ended ({ended.how})")

    def _on_error(self, error: PipelineError) -> bool:
        """Whether ``error`` is dealt with, so that the child is started again at once."""
        return False

    # --- the same for all -----------------------------------------------------------------------

    def _begin(self) -> None:
        if not self._wanted or self._child is not None or self._settings is None:
            return
        self._said, self._error, self._well_since = None, None, None
        if self._spawn is None:
            self._give_up(self._on_not_started(f"this host has no process for {self._title}"))
            return
        folders = HomeFolders.of(self._home)
        values = self._on_begin(self._settings)
        self._child = self._spawn(self._heard, self._logged, self._ended)
        self._child.start()
        self._child.send(Envelope(Serve(folders, values)))

    def _heard(self, envelope: Envelope) -> None:
        message = envelope.message
        if isinstance(message, Hello):
            self.pid = message.pid
        elif isinstance(message, Failed):
            self._said = from_dict(message.error)
        elif isinstance(message, Log):
            level = logging.getLevelName(message.level.upper())
            log.log(
                level if isinstance(level, int) else logging.INFO, "%s: %s", self._kind.name, message.text
            )
        self._on_message(message)

    def _logged(self, line: str) -> None:
        log.warning("%s: %s", self._kind.name, line)

    def _works(self, note: dict[str, object]) -> None:
        self._well_since = self._clock.monotonic()
        self._note(note)

    def _ended(self, ended: Exit) -> None:
        self._child, self.pid = None, 0
        if not self._wanted:
            self._note(None)
            return
        if ended.asked:
            self._begin()  # asked for while the one before it was ending
            return
        error = self._on_not_started(ended.note) if ended.failed_to_start else self._said
        if error is not None and self._on_error(error):
            self._begin()
        elif error is not None and not error.code.startswith(self.passing):
            self._give_up(error)
        else:
            self._come_back(error or self._on_death(ended))

    def _come_back(self, error: PipelineError) -> None:
        restart = self._kind.restart
        since = self._well_since
        if since is not None and self._clock.monotonic() - since > restart.well_seconds:
            self._ends = 0
        self._ends += 1
        if restart.tries and self._ends >= restart.tries:
            self._give_up(error)
            return
        wait = restart.wait_after(self._ends)
        log.error("%s is started again in %.1f s: %s", self._title, wait, error.message)
        self._note({**self.absent, "error": error.to_dict()})
        self._again = qt.make_alarm(self._begin)
        self._again.start(int(wait * 1000))

    def _give_up(self, error: PipelineError) -> None:
        self._error = error
        log.error("%s is not started again: %s", self._title, error)
        self._note({**self.absent, "error": error.to_dict()})
