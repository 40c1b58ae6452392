"""From staged bytes to a queued case, or to a refusal; one input may hold several cases."""

from __future__ import annotations

import logging
import uuid
from dataclasses import replace

from ...core import incoming, states
from ...core.engines import models_folder
from ...core.errors import PipelineError, from_dict
from ...core.files import read_json
from ...core.incoming import Intent, folder_of, given_names
from ...core.job import Job
from ...core.messages.found_cases import Inspected, SplitPlan
from ...core.messages.intake_messages import Inspect, Limits, Link, Nothing
from ...core.messages.reader import read
from ...intake.case_folders import PLAN as SPLIT
from ..conditions import Conditions
from ..context import Context
from ..loop import Loop
from ..processes.intake_client import IntakeClient
from .case_outcome import CaseOutcome
from .case_rows import CaseRows
from .multi_case import MultiCase
from .options_gate import OptionsGate
from .series_keys import SeriesKeys

log = logging.getLogger(__name__)
_AHEAD = 16  # more tasks than this would only hold memory: the child does one after the other


class Inspection:
    """Asks the intake child what was staged and writes the outcome into the rows."""

    def __init__(
        self,
        context: Context,
        conditions: Conditions,
        intake: IntakeClient,
        options_gate: OptionsGate,
        series_keys: SeriesKeys,
        outcome: CaseOutcome,
        case_rows: CaseRows,
        multi_case: MultiCase,
        loop: Loop,
    ) -> None:
        self._context = context
        self._conditions = conditions
        self._intake = intake
        self._options_gate = options_gate
        self._series_keys = series_keys
        self._outcome = outcome
        self._case_rows = case_rows
        self._multi_case = multi_case
        self._loop = loop
        self._waiting: dict[str, None] = {}  # ids of jobs, in their order

    def inspect(self, job: Job) -> None:
        """Begin; the job goes on to ``queued`` or ``refused`` by itself."""
        self._options_gate.refresh()
        if self._intake.load < _AHEAD:
            self._begin(job)
        else:
            self._waiting[job.id] = None

    def has(self, job_id: str) -> bool:
        """Whether the inspection of this job waits or is under way."""
        here = job_id in self._waiting or self._multi_case.has(job_id)
        return here or self._intake.has(job_id) or self._case_rows.has(job_id)

    def pump(self) -> None:
        """Begin what waited, as far as the child has room."""
        while self._waiting and self._intake.load < _AHEAD:
            job_id = next(iter(self._waiting))
            del self._waiting[job_id]
            job = self._context.store.jobs.find(job_id)
            if job is not None and job.state == states.INSPECTING:
                self._begin(job)

    def _begin(self, job: Job) -> None:
        home = self._context.home
        folder = folder_of(home, job.id)
        intent = incoming.read_intent(folder)
        if intent is None:
            gone = PipelineError("input.missing", f"what was staged of {job.label} is gone")
            return self._outcome.refuse(job, gone)
        if intent.refusal is not None:
            return self._outcome.refuse(job, from_dict(intent.refusal))
        if (folder / SPLIT).exists():
            return self._multi_case.begin(job, intent, read(SplitPlan, read_json(folder / SPLIT)).parts)
        if intent.union:
            return self._unite(job, intent)
        self._ask(job, intent)

    def _unite(self, job: Job, intent: Intent) -> None:
        """Bring the slices of the earlier version beside the new ones, then inspect all of them."""
        target = folder_of(self._context.home, job.id) / "input"
        pairs = [(path, str(target / name)) for path, name, *_ in intent.union]

        def united(_: Nothing | None, error: PipelineError | None) -> None:
            fresh = self._context.store.jobs.find(job.id)
            if fresh is None or fresh.state != states.INSPECTING:
                return
            if error is not None:
                self._outcome.refuse(fresh, error)
            else:
                self._ask(fresh, intent)

        self._intake.ask(Link(pairs, given_names(intent)), united, job.id)

    def _ask(self, job: Job, intent: Intent) -> None:
        folder = folder_of(self._context.home, job.id)
        task = Inspect(
            folder=str(folder / "input"),
            work=str(folder / "work"),
            options=self._outcome.options(intent),
            caller=intent.options,
            expect=intent.expect,
            labels=intent.labels or "",
            label=intent.label,
            models=str(models_folder(self._context.settings["models_dir"])),
            limits=Limits.of(self._context.settings),
            names=given_names(intent),
            key=self._series_keys.secret(),
            only=intent.only or None,
        )
        self._intake.ask(task, lambda found, error: self._answered(job.id, intent, found, error), job.id)

    def _answered(
        self, job_id: str, intent: Intent, found: Inspected | None, error: PipelineError | None
    ) -> None:
        self.pump()
        parts = [] if found is None else found.parts()
        if len(parts) == 1:
            self._case_rows.add(job_id, intent, parts[0])
            self._loop.wake()
            return
        job = self._context.store.jobs.find(job_id)
        if job is None or job.state != states.INSPECTING:
            return
        if error is not None:
            if error.is_environment:
                self._conditions.pause(error.code, error.message)
                return  # the row stays `inspecting`; the pipeline inspects it again on resume
            self._outcome.refuse(job, error)
        elif not parts:
            self._outcome.refuse(job, PipelineError("input.nothing_inside", f"{job.label} holds no scan"))
        else:
            ids = [job.id, *(uuid.uuid4().hex for _ in parts[1:])]
            self._multi_case.begin(job, intent, [replace(part, id=one) for part, one in zip(parts, ids)])
