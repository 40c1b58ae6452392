"""What doors in this process have received becomes jobs; the intake child waits for the disk meanwhile."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Union

from ...core.errors import PipelineError
from ...core.incoming import Intent
from ...core.job import Job
from ...core.messages.handover_messages import HandedOver, Resumed
from ...intake.received import handover_tasks
from ...intake.received.client_input import CaseRequest
from ...intake.received.handover import Handover
from ..conditions import Conditions
from ..processes.intake_client import IntakeClient
from .stager import Stager, job_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Received:
    """The jobs of one hand-over. ``taken`` is False where the disk stopped it; it goes on after the pause."""

    jobs: list[Job]
    taken: bool = True


Then = Callable[[Union[Received, PipelineError]], None]


class ReceivedInputs:
    """``doors`` live in this process: what earlier processes have left in their folders is taken up again."""

    def __init__(
        self, conditions: Conditions, intake: IntakeClient, stager: Stager, doors: list[Handover]
    ) -> None:
        self._conditions = conditions
        self._intake = intake
        self._stager = stager
        self._doors = doors
        self._waiting: dict[Path, Then] = {}  # by folder

    def hand_over(
        self,
        door: Handover,
        folder: Path,
        request: CaseRequest,
        by: str,
        then: Then,
    ) -> None:
        """Make jobs of the files in the closed ``ReceivedList`` of ``folder``.

        ``then`` hears which, or why not, as :meth:`Handover.hand_over` says. From now on ``folder`` is
        not the door's any more: who holds it lets go in ``then``.
        """

        def answered(handed: HandedOver | None, error: PipelineError | None) -> None:
            if handed is not None:
                intents = handover_tasks.intents_of(handed.intents)
                jobs = [self._adopt(one) if handed.carried else job_of(one) for one in intents]
                self._waiting.pop(folder)(Received(jobs, handed.carried))
                if handed.carried:
                    _remove(door, folder)
                else:
                    # After the pause, which ends by itself, the plans that are there go on.
                    self._conditions.pause("environment.disk_full", f"{folder} cannot be written")
            elif error is not None:
                self._waiting.pop(folder)(error)
                self._look_at(door, [folder])

        self._waiting[folder] = then
        self._intake.ask(handover_tasks.hand_over_task(door, folder, request, by), answered)

    def resume(self) -> None:
        """Take what a crash, a full disk or a stop has left; remove what never was complete."""
        for door in self._doors:
            there = sorted(door.root.iterdir()) if door.root.is_dir() else []
            self._look_at(door, [folder for folder in there if folder not in self._waiting])

    def end(self, error: PipelineError) -> None:
        """No more answers come from the intake child. What is complete is taken at the next start."""
        waiting, self._waiting = self._waiting, {}
        for then in waiting.values():
            then(error)

    def _look_at(self, door: Handover, folders: list[Path]) -> None:
        def answered(result: Resumed | None, error: PipelineError | None) -> None:
            if result is None:
                log.error("what came by %s waits in %s: %s", door.door, door.root, error)
                return
            for fault in result.faults:
                log.warning("what came by %s: %s", door.door, fault)
            for one in result.resumed:
                for intent in handover_tasks.intents_of(one.intents):
                    self._adopt(intent)
                _remove(door, Path(one.folder))

        if folders:
            self._intake.ask(handover_tasks.resume_task(door, folders), answered)

    def _adopt(self, intent: Intent) -> Job:
        try:
            return self._stager.adopt(intent.id)
        except PipelineError as error:  # its job has ended and was purged since
            log.warning("%s, which came by %s: %s", intent.id, intent.door, error)
            job = job_of(intent)
            job.error = error.to_dict()
            return job


def _remove(door: Handover, folder: Path) -> None:
    try:
        door.remove(folder)
    except OSError as error:
        log.warning("%s stays until the next start: %s", folder, error)
