"""The warm process that computes, replaced when it served long, grew or ended."""

from __future__ import annotations

from typing import Callable

from ...core.messages.child_messages import Describe, Done, Failed, Heartbeat
from ...core.messages.reader import plain
from ...core.messages.worker_messages import CaseOrder, RunCase
from ...core.protocol import Envelope, Key
from ...core.settings import Settings
from ..processes.child import Exit, Spawn
from ..queue.worker_slot import WorkerSlot

DESCRIBE = "describe"


class EngineProcess:
    """One process at a time; those that were replaced end by themselves."""

    def __init__(
        self,
        spawn: Spawn,
        settings: Settings,
        on_message: Callable[[Envelope], None],
        on_log: Callable[[str], None],
        on_end: Callable[[Exit, bool], None],
    ) -> None:
        """``on_end(exit, hung)`` is called for the present process alone."""
        self._spawn = spawn
        self._settings = settings
        self._on_message = on_message
        self._on_log = on_log
        self._on_end = on_end
        self._slot: WorkerSlot | None = None
        self._ending: list[WorkerSlot] = []

    @property
    def is_gone(self) -> bool:
        """Whether no process is left."""
        return self._slot is None and not self._ending

    def run(self, order: CaseOrder, key: Key) -> None:
        """Process a case; raises OSError where a long order cannot be written."""
        self._warm().child.send(Envelope(RunCase(plain(order)), *key, order.work))

    def describe(self) -> None:
        """Ask which engines and tasks are there; the answer has :data:`DESCRIBE` as its job."""
        self._warm().child.send(Envelope(Describe(), DESCRIBE))

    def _warm(self) -> WorkerSlot:
        if self._slot is not None:
            return self._slot
        slot = self._slot = WorkerSlot(child=None)  # type: ignore[arg-type]
        slot.child = self._spawn(
            lambda envelope: self._heard(slot, envelope),
            self._on_log,
            lambda end: self._ended(slot, end),
            on_hung=lambda seconds: self._hung(slot, seconds),
        )
        slot.child.start()
        return slot

    def cancel(self, key: Key) -> None:
        """Ask it to break the case off; it is killed where it does not."""
        if self._slot is not None:
            self._slot.child.cancel(*key)

    def case_is_over(self) -> None:
        """Count the case; a process that served long or grew is replaced."""
        if self._slot is None:
            return
        grown = self._slot.case_is_over() > self._settings["recycle_growth_mb"]
        if grown or self._slot.cases >= self._settings["recycle_cases"]:
            self.quit()

    def quit(self) -> None:
        """Let the present process end."""
        slot, self._slot = self._slot, None
        if slot is not None:
            self._ending.append(slot)
            slot.child.quit()

    def kill(self) -> None:
        """End every process with all that it started, now; :attr:`is_gone` follows."""
        if self._slot is not None:
            self._ending.append(self._slot)
            self._slot = None
        for slot in list(self._ending):
            slot.child.kill()

    def _heard(self, slot: WorkerSlot, envelope: Envelope) -> None:
        if isinstance(envelope.message, (Done, Failed, Heartbeat)):
            slot.measured(envelope.message)
        if slot is self._slot:
            self._on_message(envelope)

    def _hung(self, slot: WorkerSlot, seconds: float) -> None:
        self._on_log(f"no progress for {seconds:.0f} s; the engine's process is ended")
        slot.hung = True
        slot.child.kill()

    def _ended(self, slot: WorkerSlot, end: Exit) -> None:
        if slot in self._ending:
            self._ending.remove(slot)
        elif slot is self._slot:
            self._slot = None
            self._on_end(end, slot.hung)
