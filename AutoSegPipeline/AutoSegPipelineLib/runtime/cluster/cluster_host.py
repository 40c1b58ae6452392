"""Keeps the cluster child running and passes what it says about cases on."""

from __future__ import annotations

import uuid
from typing import Callable

from ...core.cluster_settings import CLEAN_SECONDS
from ...core.errors import PipelineError
from ...core.events import AlarmRaised
from ...core.messages.child_messages import Hello, Message
from ...core.messages.cluster_messages import ClusterState, GiveUpAll
from ...core.protocol import Envelope
from ...core.settings import Settings
from ..context import Context
from ..processes.child import Exit, Spawn
from ..processes.child_host import ChildHost
from ..processes.child_kinds import CLUSTER

_ID = "cluster_id"
_NOT_ASKED = ClusterState("environment.scheduler_unreachable", "it was not asked yet")


class ClusterHost(ChildHost):
    """``on_hello`` is called when a child can take bundles, ``on_message`` with what it says later.

    ``state`` is what the child last said of the share and the scheduler.
    """

    def __init__(
        self, context: Context, spawn: Spawn | None, on_hello: Callable[[], None],
        on_message: Callable[[Envelope], None],
    ) -> None:  # fmt: skip
        def note(value: dict[str, object] | None) -> None:
            context.store.meta.set(CLUSTER.name, value)

        super().__init__(CLUSTER, context.home, spawn, context.clock, note)
        self._context = context
        self._on_hello = on_hello
        self._on_said = on_message
        self._run_by: dict[str, object] = {}
        self._folder = str(context.home.work / CLUSTER.name)
        self._ending = False
        self._alarmed = ""  # the last code that a child said, of which nobody need hear again
        self.state = _NOT_ASKED

    @property
    def listens(self) -> bool:
        """Whether a child takes bundles that is not about to end."""
        return self.pid > 0 and not self._ending

    def stop(self) -> None:
        """End the child; until :attr:`ended` it finishes what it is at."""
        self._ending = not self.ended
        super().stop()

    def stop_clean(self) -> None:
        """End the child when it has ended and removed all that is out; for a long time at most."""
        self.send(GiveUpAll())
        self.stop()
        if self._child is not None:
            self._child.quit(CLEAN_SECONDS)

    def _ended(self, ended: Exit) -> None:
        self._ending, self.state = False, _NOT_ASKED
        super()._ended(ended)

    def run_by(self, settings: Settings) -> None:
        """Begin, and begin again where a setting of the cluster has changed; what failed is left alone."""
        now = {name: value for name, value in settings.values.items() if name.startswith(CLUSTER.name)}
        if now == self._run_by and self._wanted:
            return
        if self._wanted:
            self.stop()
        self._run_by = now
        self.start(settings)

    def send(self, message: Message, job: str = "", attempt: int = 0) -> None:
        """Tell the child, where there is one; a new one hears everything again."""
        if self._child is not None:
            self._child.send(Envelope(message, job, attempt, self._folder))

    def _on_begin(self, settings: Settings) -> dict[str, object]:
        """Bundles carry the id of this home, which is made once."""
        meta = self._context.store.meta
        if not meta.get(_ID):
            meta.set(_ID, {"id": uuid.uuid4().hex})
        return {**settings.values, _ID: (meta.get(_ID) or {})["id"]}

    def _heard(self, envelope: Envelope) -> None:
        message = envelope.message
        if envelope.job and not isinstance(message, Hello):
            self._on_said(envelope)
        else:
            super()._heard(envelope)

    def _on_message(self, message: Message) -> None:
        if isinstance(message, Hello):
            self._works({"pid": self.pid, "error": None})
            self._on_hello()
        elif isinstance(message, ClusterState):
            if message.code and message.code != self._alarmed:
                self._context.bus.publish(AlarmRaised(message.code, message.reason))
            self._alarmed = message.code
            self.state = message
            trouble = PipelineError(message.code, message.reason).to_dict() if message.code else None
            about = {"workers": message.workers, "command": message.command} if message.command else {}
            self._works({"pid": self.pid, "error": trouble, **about})
