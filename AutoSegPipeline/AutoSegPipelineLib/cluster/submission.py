"""Brings bundles to the scheduler: packs each, writes down a token, submits with it, notes the job.

Who dies between the two, or gets no answer, leaves the token behind: the scheduler is asked for jobs
that carry it before the bundle is submitted again.
"""

from __future__ import annotations

import logging
import time
import uuid
from typing import Callable, Mapping

from ..core.cluster_settings import JobSize
from ..core.errors import PipelineError
from ..core.messages.child_messages import Message
from ..core.messages.cluster_messages import CaseBack
from .executor import ENDED, Executor, JobState
from .out_bundle import Asked, OutBundle, OutCase, note_asked, note_submitted, pack
from .share import Share

log = logging.getLogger(__name__)

_REJECTED_SECONDS = 60.0
_UNSURE_SECONDS = 30.0  # what a dead process asked for may still be on its way to the scheduler


class Submission:
    """Of ``bundles``, by name. ``end`` ends a case; ``give_back`` a bundle's cases, counted or not."""

    def __init__(
        self, share: Share, executor: Executor, bundles: Mapping[str, OutBundle],
        end: Callable[[OutCase, Message], None], give_back: Callable[[OutBundle, bool], None],
    ) -> None:  # fmt: skip
        self._share = share
        self._executor = executor
        self._bundles = bundles
        self._end = end
        self._give_back = give_back
        self._rejected: tuple[float, str] | None = None

    @property
    def rejected(self) -> PipelineError | None:
        """Why the scheduler did not take a job a short time ago."""
        if self._rejected is not None and time.monotonic() < self._rejected[0]:
            return PipelineError("cluster.rejected", self._rejected[1])
        return None

    def step(self) -> None:
        """Pack and submit what is due, also after one that cannot be packed now; raises its error then."""
        failed: Exception | None = None
        for bundle in [one for one in self._bundles.values() if one.size is not None and not one.packed]:
            try:
                self._pack(bundle)
            except (PipelineError, OSError) as error:
                failed = error
        packed = [one for one in self._bundles.values() if one.packed and not one.job]
        self._look_up([one for one in packed if one.asked])
        due = [one for one in packed if not one.job and not one.asked and one.open_cases]
        while due:
            alike = [one for one in due if one.size == due[0].size]
            due = [one for one in due if one.size != due[0].size]
            self._submit(alike)
        if failed is not None:
            raise failed

    def _pack(self, out: OutBundle) -> None:
        if not self._share.bundle(out.name).is_complete:
            self._share.check(room=True)
        for case in pack(out, self._share.path / out.name, self._share.pipeline):
            self._end(case, CaseBack("its staged input is gone", counted=True))

    def _look_up(self, unsure: list[OutBundle]) -> None:
        found: dict[str, list[str]] = {}
        for bundle in unsure:
            asked = bundle.asked
            if asked is None:
                continue
            if asked.token not in found:
                found[asked.token] = self._executor.find(asked.token, asked.count)
            if found[asked.token]:
                self._is_out(bundle, found[asked.token][asked.number])
            elif time.monotonic() - asked.since > _UNSURE_SECONDS:
                bundle.asked = None

    def _submit(self, bundles: list[OutBundle]) -> None:
        paths = [self._share.path / bundle.name for bundle in bundles]
        size = bundles[0].size or JobSize()
        token = uuid.uuid4().hex[:12]
        notes = [Asked(token, number, len(paths), time.monotonic()) for number in range(len(paths))]
        for path, note in zip(paths, notes):
            note_asked(path, note)
        for bundle, note in zip(bundles, notes):
            bundle.asked = note
        try:
            jobs = self._executor.submit(paths, size, token)
        except PipelineError as error:
            if error.code != "cluster.rejected":
                raise
            log.error("%s", error.message)
            self._rejected = (time.monotonic() + _REJECTED_SECONDS, error.message)
            for bundle in bundles:
                bundle.asked, bundle.state = None, JobState(ENDED, "the scheduler did not take the job")
                self._give_back(bundle, False)
            return
        for bundle, job in zip(bundles, jobs):
            self._is_out(bundle, job)

    def _is_out(self, bundle: OutBundle, job: str) -> None:
        bundle.job, bundle.asked, bundle.changed_at = job, None, time.monotonic()
        log.info("%s is out as %s %s", bundle.name, self._executor.name, job)
        note_submitted(self._share.path / bundle.name, job)
