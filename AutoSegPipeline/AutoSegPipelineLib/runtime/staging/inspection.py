"""From staged bytes to a queued case, or to a refusal; one input may hold several cases."""

from __future__ import annotations

import hashlib
import hmac
import logging
import uuid
from pathlib import Path
from typing import Any, Callable

from ...core import incoming, states
from ...core.crash_points import reached
from ...core.errors import PipelineError, from_dict
from ...core.files import read_json
from ...core.incoming import Intent, folder_of
from ...core.job import Job
from ...core.rules import Rule
from ...core.settings import resolve_options
from ...intake.case_folders import PLAN as SPLIT
from ...intake.options_files import read_options
from ..context import Conditions, Context
from ..ending.input_disposal import InputDisposal
from ..ending.publisher import Publisher
from ..processes.host_steps import refusal as refusal_of
from ..processes.intake_client import IntakeClient
from .case_rows import CaseRows
from .multi_case import MultiCase
from .options_gate import OptionsGate
from .rules_file import RulesFile

log = logging.getLogger(__name__)
_AHEAD = 16  # more tasks than this would only hold memory: the child does one after the other
_LIMITS = ("max_voxels", "archive_max_files", "archive_max_mb", "archive_max_ratio")


class Inspection:
    """Asks the intake child what was staged and writes the outcome into the rows."""

    def __init__(
        self,
        context: Context,
        conditions: Conditions,
        intake: IntakeClient,
        publisher: Publisher,
        disposal: InputDisposal,
        gate: OptionsGate,
        queued: Callable[[], None],
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self._context = context
        self._conditions = conditions
        self._intake = intake
        self._publisher = publisher
        self._disposal = disposal
        self._gate = gate
        self._queued = queued
        self._wake = wake
        self._waiting: dict[str, None] = {}  # ids of jobs, in their order
        self.answers = CaseRows(context, lambda *one: self._outcome(*one), self._told)
        self.splitting = MultiCase(
            context, conditions, intake, lambda *one: self._outcome(*one), self._told, wake
        )
        self._rules = RulesFile(context.home)

    def inspect(self, job: Job) -> None:
        """Begin; the job goes on to ``queued`` or ``refused`` by itself."""
        self._gate.refresh()
        if self._intake.load < _AHEAD:
            self._begin(job)
        else:
            self._waiting[job.id] = None

    def has(self, job_id: str) -> bool:
        """Whether the inspection of this job waits or is under way."""
        here = job_id in self._waiting or self.splitting.has(job_id)
        return here or self._intake.has(job_id) or self.answers.has(job_id)

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
            return self._refuse(job, gone)
        if intent.refusal is not None:
            return self._refuse(job, from_dict(intent.refusal))
        if (folder / SPLIT).exists():
            return self.splitting.begin(job, intent, read_json(folder / SPLIT)["parts"])
        if intent.union:
            return self._unite(job, intent)
        self._ask(job, intent)

    def _unite(self, job: Job, intent: Intent) -> None:
        """Bring the slices of the earlier version beside the new ones, then inspect all of them."""
        target = folder_of(self._context.home, job.id) / "input"
        pairs = [[path, str(target / name)] for path, name in intent.union]

        def united(result: dict[str, Any] | None, error: PipelineError | None) -> None:
            fresh = self._context.store.jobs.find(job.id)
            if fresh is None or fresh.state != states.INSPECTING:
                return
            if error is not None:
                self._refuse(fresh, error)
            else:
                self._ask(fresh, intent)

        self._intake.ask("link", {"pairs": pairs}, united, job.id)

    def _ask(self, job: Job, intent: Intent) -> None:
        folder = folder_of(self._context.home, job.id)
        args = {
            "folder": str(folder / "input"),
            "work": str(folder / "work"),
            "options": self._options(intent),
            "caller": intent.options,
            "expect": intent.expect,
            "limits": {name: self._context.settings[name] for name in _LIMITS},
            "names": {
                **{item.name: item.original for item in intent.files},
                **{name: Path(path).name for path, name in intent.union},
            },
            "label": intent.label,
            "name": intent.name,
            "key": self.secret(),
            "only": intent.only or None,
        }
        self._intake.ask("inspect", args, lambda r, e: self._answered(job.id, intent, r, e), job.id)

    def secret(self) -> str:
        """The key with which series UIDs are hashed, made once per home."""
        found = self._context.store.meta.get("secret")
        if found is None:
            found = uuid.uuid4().hex
            self._context.store.meta.set("secret", found)
        return str(found)

    def series_key(self, series_uid: str) -> str:
        """A keyed hash of a series instance UID, which itself could lead back to the patient."""
        return hmac.new(self.secret().encode(), series_uid.encode(), hashlib.sha256).hexdigest()[:32]

    def _options(
        self, intent: Intent, beside: dict[str, Any] | None = None, rule: Rule | None = None
    ) -> dict[str, Any]:
        layers = (intent.options, beside or {}, intent.file_options, rule.then if rule else {})
        return resolve_options(self._context.settings, *layers)

    def _answered(
        self, job_id: str, intent: Intent, result: dict[str, Any] | None, error: PipelineError | None
    ) -> None:
        self.pump()
        if result is not None and len(result["cases"]) + len(result["refusals"]) == 1:
            self.answers.add(job_id, intent, _only_part(result))
            self._wake()
            return
        job = self._context.store.jobs.find(job_id)
        if job is None or job.state != states.INSPECTING:
            return
        if error is not None:
            if error.is_environment:
                self._conditions.pause(error.code, error.message)
                return  # the row stays `inspecting`; the pipeline inspects it again on resume
            self._refuse(job, error)
            return
        assert result is not None
        parts = [{"case": case} for case in result["cases"]]
        parts += [{"refusal": refusal} for refusal in result["refusals"]]
        if not parts:
            self._refuse(job, PipelineError("input.nothing_inside", f"{job.label} holds no scan"))
        else:
            for part in parts:
                part["id"] = uuid.uuid4().hex
            parts[0]["id"] = job.id
            self.splitting.begin(job, intent, parts)

    # --- one outcome --------------------------------------------------------------------

    def _outcome(self, job: Job, intent: Intent, part: dict[str, Any]) -> None:
        if "refusal" in part:
            refusal = part["refusal"]
            job.label = refusal.get("label") or job.label
            job.staged = {"stem": refusal.get("stem", "")}
            self._write_refusal(job, from_dict(refusal["error"]))
            return
        case = part["case"]
        try:
            # The nearest folder's file is weaker than the scan's own.
            beside = self._beside(case.get("folder_options_file"))
            beside.update(self._beside(case.get("options_file")))
            rule = self._rules.choose(intent, case)
            job.options = self._options(intent, beside, rule)
            if refused := refusal_of(self._context.inside, job.options):
                raise refused
            if case["kind"] == "scan":
                self._gate.check(job.options, case["modality"])
        except PipelineError as error:
            job.staged = {"stem": case["stem"]}
            self._write_refusal(job, error)
            return
        wished = {"priority": job.staged["priority"]} if "priority" in job.staged else {}
        job.options.update(wished)
        job.priority = int(job.options["priority"])
        job.label = case.get("label") or job.label
        job.modality, job.shape, job.spacing = case["modality"], case["shape"], case["spacing"]
        if job.series_key is None and case.get("series_key"):
            job.series_key = self.series_key(case["series_key"])
        job.content = case["sha256"]
        job.warnings = list(case["warnings"]) + self._rules.warnings()
        folder = folder_of(self._context.home, job.id)
        job.staged = {
            "kind": case["kind"],
            "path": Path(case["path"]).relative_to(folder).as_posix(),
            "affine": case["affine"],
            "format": case["format"],
            "facts": {**case["facts"], "rule": rule.name} if rule else case["facts"],
            "labels": intent.labels,
            **wished,
        }
        job.name = self._publisher.reserve(job, intent.name or case["stem"])
        job.error = None
        job.progress = 0.0
        job.message = ""
        self._context.store.jobs.enter(job, states.QUEUED)

    def _beside(self, options_file: str | None) -> dict[str, Any]:
        if not options_file:
            return {}
        try:
            return read_options(options_file)
        except OSError as error:
            raise PipelineError("options.unreadable", f"{Path(options_file).name}: {error}") from error

    def _write_refusal(self, job: Job, error: PipelineError) -> None:
        job.error = error.to_dict()
        job.message = error.message
        self._context.store.jobs.enter(job, states.REFUSED)

    def _refuse(self, job: Job, error: PipelineError) -> None:
        self._write_refusal(job, error)
        self._tell(job)

    def _told(self, jobs: list[Job]) -> None:
        for job in jobs:
            self._tell(job)
        self._queued()

    def _tell(self, job: Job) -> None:
        self._context.tell(job)
        if job.ended:
            self._disposal.dispose(job)
        else:
            reached("row queued")


def _only_part(result: dict[str, Any]) -> dict[str, Any]:
    """The one case or refusal of an answer that has but one."""
    return {"case": result["cases"][0]} if result["cases"] else {"refusal": result["refusals"][0]}
