"""What the inspection found of one case becomes its row: queued with its options, or refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Mapping

from ...core import states
from ...core.crash_points import reached
from ...core.errors import PipelineError, from_dict
from ...core.incoming import Intent, folder_of, given_names
from ...core.job import Job
from ...core.messages.found_cases import CasePart, FoundCase, Refusal
from ...core.pacs.source_series import keep_beside
from ...core.rules import Rule
from ...core.settings import resolve_options
from ...intake.options_files import read_options
from ...intake.passed_by import note
from ..context import Context
from ..ending.input_disposal import InputDisposal
from ..ending.publisher import Publisher
from ..loop import Dispatcher
from ..processes.host_steps import refusal as refusal_of
from .options_gate import OptionsGate
from .rules_file import RulesFile
from .series_keys import SeriesKeys


class CaseOutcome:
    """:meth:`write` belongs into a transaction of the caller; :meth:`written` follows it."""

    def __init__(
        self,
        context: Context,
        publisher: Publisher,
        disposal: InputDisposal,
        options_gate: OptionsGate,
        series_keys: SeriesKeys,
        dispatcher: Dispatcher,
    ) -> None:
        self._context = context
        self._publisher = publisher
        self._disposal = disposal
        self._options_gate = options_gate
        self._series_keys = series_keys
        self._dispatcher = dispatcher
        self._rules = RulesFile(context.home)

    def options(
        self, intent: Intent, beside: Mapping[str, object] | None = None, rule: Rule | None = None
    ) -> dict[str, object]:
        """The options of a case: the caller's, those beside it, its folder's, its rule's, the settings'."""
        layers = (intent.options, beside or {}, intent.file_options, rule.then if rule else {})
        return resolve_options(self._context.settings, *layers)

    def write(self, job: Job, intent: Intent, part: CasePart) -> None:
        """The row of what the intake child found."""
        found = part.found
        if isinstance(found, Refusal):
            job.label = found.label or job.label
            job.staged = {"stem": found.stem}
            self._write_refusal(job, from_dict(found.error))
            return
        try:
            # The nearest folder's file is weaker than the scan's own.
            beside = self._beside(intent, found.folder_options_file)
            beside.update(self._beside(intent, found.options_file))
            rule = self._rules.choose(intent, found)
            job.options = self.options(intent, beside, rule)
            if refused := refusal_of(self._context.host_steps, job.options):
                raise refused
            if found.kind == "scan":
                self._options_gate.check(job.options, found.modality)
        except PipelineError as error:
            job.staged = {"stem": found.stem}
            self._write_refusal(job, error)
            return
        self._write_case(job, intent, found, rule)

    def _write_case(self, job: Job, intent: Intent, case: FoundCase, rule: Rule | None) -> None:
        asked = {"priority": job.staged["priority"]} if "priority" in job.staged else {}
        job.options.update(asked)
        job.priority = int(job.options["priority"])
        job.label = case.label or job.label
        job.modality, job.shape, job.spacing = case.modality, case.shape, case.spacing
        if job.series_key is None and case.series_key:
            job.series_key = self._series_keys.of(case.series_key)
        job.content = case.sha256
        passed = [note(intent.passed_by)] if intent.passed_by else []
        job.warnings = intent.warnings + case.warnings + passed + self._rules.warnings()
        folder = folder_of(self._context.home, job.id)
        keep_beside(self._context.home, job.id, Path(case.path))
        job.staged = {
            "kind": case.kind,
            "path": Path(case.path).relative_to(folder).as_posix(),
            "affine": case.affine,
            "format": case.format,
            "facts": {**case.facts, "rule": rule.name} if rule else case.facts,
            "labels": intent.labels,
            "table": case.table,  # its name beside the label map
            "channels": case.channels,  # their names below the folder of the first
            **asked,
        }
        job.name = self._publisher.reserve(job, intent.name or case.stem)
        job.error = None
        job.progress = 0.0
        job.message = ""
        self._context.store.jobs.enter(job, states.QUEUED)

    def _beside(self, intent: Intent, options_file: str | None) -> dict[str, object]:
        if not options_file:
            return {}
        name = Path(options_file).name
        name = os.path.basename(given_names(intent).get(name, name))
        try:
            return read_options(options_file, name)
        except OSError as error:
            raise PipelineError("options.unreadable", f"{name}: {error.strerror or error}.") from error

    def _write_refusal(self, job: Job, error: PipelineError) -> None:
        job.error = error.to_dict()
        job.message = error.message
        self._context.store.jobs.enter(job, states.REFUSED)

    def refuse(self, job: Job, error: PipelineError) -> None:
        """The whole input is refused."""
        self._write_refusal(job, error)
        self._report(job)

    def written(self, jobs: list[Job]) -> None:
        """Report the rows that are on the disk now; refused inputs go to their folder, cases may begin."""
        for job in jobs:
            self._report(job)
        self._dispatcher.dispatch()

    def _report(self, job: Job) -> None:
        self._context.publish_change(job)
        if job.ended:
            self._disposal.dispose(job)
        else:
            reached("row queued")
