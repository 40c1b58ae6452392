"""Several cases in one input: rows of their own, written in slices of the Qt loop.

The intake child divides the files and waits for the disk (:mod:`...intake.case_folders`). The rows of
a slice are not synced; that of the first case, which comes last, is, and all others with it. Until
then ``split.json`` has everything begun again after a crash, and nobody acts on a refusal.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path

from ...core import states
from ...core.errors import PipelineError
from ...core.incoming import Intent, folder_of, input_of
from ...core.job import Job
from ...core.messages.found_cases import CasePart
from ...core.messages.intake_messages import Divide, Nothing
from ...intake.case_folders import PLAN
from ..conditions import Conditions
from ..context import Context
from ..loop import Loop
from ..processes.intake_client import IntakeClient
from .case_outcome import CaseOutcome

log = logging.getLogger(__name__)
MOST = 32  # rows of a slice, if time allows


@dataclass
class _Split:
    job: str
    intent: Intent
    parts: list[CasePart]
    there: set[str]  # parts whose rows an earlier start has written
    next: int = 1


class MultiCase:
    """``outcome`` writes each into its row."""

    def __init__(
        self,
        context: Context,
        conditions: Conditions,
        intake: IntakeClient,
        outcome: CaseOutcome,
        loop: Loop,
    ) -> None:
        self._context = context
        self._conditions = conditions
        self._intake = intake
        self._outcome = outcome
        self._loop = loop
        self._under_way: dict[str, None] = {}  # from here to the row of the first case
        self._divided: deque[_Split] = deque()
        self._unreported: deque[str] = deque()  # rows that are written

    def begin(self, job: Job, intent: Intent, parts: list[CasePart]) -> None:
        """``parts`` have ids; the first one's is that of ``job``. After a crash the same again."""
        split = _Split(job.id, intent, parts, self._context.store.jobs.parts_of(job.id))
        self._under_way[job.id] = None
        task = Divide(str(folder_of(self._context.home, job.id)), parts, sorted(split.there))

        def divided(_: Nothing | None, error: PipelineError | None) -> None:
            if error is not None:
                log.error("splitting %s: %s", job.id, error)
                del self._under_way[job.id]
                self._conditions.pause("environment.home_unwritable", error.message)
                return
            self._divided.append(split)
            self._loop.wake()

        self._intake.ask(task, divided)

    def has(self, job_id: str) -> bool:
        """Whether this job is being split: it cannot end before its parts have their rows."""
        return job_id in self._under_way

    @property
    def has_work(self) -> bool:
        """Whether :meth:`settle_some` would do something."""
        return bool(self._divided or self._unreported)

    def settle_some(self, until: float) -> None:
        """Write rows or report them, at least one, until the monotonic time ``until``."""
        if self._unreported:
            self._report_some(until)
            return
        split = self._divided[0]
        job = self._context.store.jobs.find(split.job)
        if job is not None and job.state == states.INSPECTING:
            if split.next < len(split.parts):
                split.next = self._write_some(job, split, until)
                return
            with self._context.store.transaction():
                self._end(job, split.intent, split.parts[0], bool(job.cancel))
            (folder_of(self._context.home, job.id) / PLAN).unlink(missing_ok=True)
            self._unreported += [part.id for part in split.parts]
        self._divided.popleft()
        self._under_way.pop(split.job, None)

    def _write_some(self, job: Job, split: _Split, until: float) -> int:
        """The rows of some parts; the number of the next one."""
        number = split.next
        with self._context.store.transaction(durable=False):
            for part in split.parts[split.next : split.next + MOST]:
                number += 1
                if part.id not in split.there:
                    self._add(job, split.intent, part)
                if self._context.clock.monotonic() >= until:
                    break
        return number

    def _add(self, job: Job, intent: Intent, part: CasePart) -> None:
        row = Job(
            id=part.id, label=part.found.label or intent.label, input=intent.input, door=intent.door,
            submitted_by=intent.by, visible_to=intent.visible_to, out=intent.out, parent=job.id,
            state=states.INSPECTING, priority=job.priority,
        )  # fmt: skip
        self._context.store.jobs.add(row)
        self._end(row, intent, self._moved(job, part), bool(job.cancel))

    def _end(self, row: Job, intent: Intent, part: CasePart, cancelled: bool) -> None:
        if not cancelled:
            self._outcome.write(row, intent, part)
            return
        error = PipelineError("job.cancelled", "It was cancelled.")
        row.error, row.message = error.to_dict(), error.message
        self._context.store.jobs.enter(row, states.CANCELLED)

    def _moved(self, job: Job, part: CasePart) -> CasePart:
        """``part`` with the places that its volume and its options files have now."""
        case, home = part.case, self._context.home
        if case is None:
            return part
        path = Path(case.path)
        places = {str(input_of(home, job.id) / name): name for name in case.files}

        def moved(options_file: str | None) -> str | None:
            name = places.get(options_file or "")
            return options_file if name is None else str(input_of(home, part.id) / name)

        here = replace(
            case,
            path=str(folder_of(home, part.id) / "work" / path.parent.name / path.name),
            options_file=moved(case.options_file),
            folder_options_file=moved(case.folder_options_file),
        )
        return replace(part, case=here)

    def _report_some(self, until: float) -> None:
        rows: list[Job] = []
        while self._unreported and len(rows) < MOST:
            if rows and self._context.clock.monotonic() >= until:
                break
            job = self._context.store.jobs.find(self._unreported.popleft())
            if job is not None:
                rows.append(job)
        self._outcome.written(rows)
