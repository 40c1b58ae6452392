"""Purges what has had its time: spent inputs, results and failed inputs where that was set, old logs.

Only times that we wrote ourselves count, and a pass is skipped with an alarm
when the clock has made a leap.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Iterator

from ...core import states
from ...core.clock import parse_rfc3339
from ...core.cohort.forget import forget, forget_deleted
from ...core.events import AlarmRaised
from ...core.files import free_bytes, read_json, remove_tree
from ...core.job import Job
from ..context import Context
from ..queue.result_cache import ResultCache
from .input_disposal import InputDisposal
from .publisher import Publisher

log = logging.getLogger(__name__)
_DAY = 86400.0
_BACKWARDS = 300.0
_LEAP = 30 * _DAY
_QUARANTINE = 3600.0


class Retention:
    """One :meth:`steps` is one pass; :meth:`purge` removes one case for good."""

    def __init__(
        self, context: Context, publisher: Publisher, disposal: InputDisposal, cache: ResultCache
    ) -> None:
        self._context = context
        self._publisher = publisher
        self._disposal = disposal
        self._cache = cache
        self._distrusted_until = 0.0
        self._last_monotonic: float | None = None

    def steps(self) -> Iterator[None]:
        """One pass in small steps."""
        short = self._disk_is_short()
        # For what was purged while somebody was using the table.
        forget_deleted(self._context.home.table, self._context.store)
        yield
        if not self._clock_is_plausible():
            return
        now = self._context.clock.now()
        grace = 0.0 if short else self._context.settings["grace_hours"] * 3600
        yield from self._spent(now - grace)
        yield from self._ledger()
        for setting, published in (("keep_results_days", True), ("keep_failed_days", False)):
            days = self._context.settings[setting]
            if days > 0:
                yield from self._old(published, now - days * _DAY)

    def _disk_is_short(self) -> bool:
        least: int = 2 * (self._context.settings["disk_min_free_mb"] << 20)
        return free_bytes(self._context.home.state) < least

    def _clock_is_plausible(self) -> bool:
        """False, with an alarm, for an hour after the clock went back or leapt by a month."""
        now, monotonic = self._context.clock.now(), self._context.clock.monotonic()
        last = self._context.store.meta.get("clock", now)
        passed = 0.0 if self._last_monotonic is None else monotonic - self._last_monotonic
        leapt = now < last - _BACKWARDS or now - last - passed > _LEAP
        if leapt:
            self._distrusted_until = monotonic + _QUARANTINE
            text = f"the clock went from {last:.0f} to {now:.0f} s; nothing is purged for an hour"
            log.warning("%s", text)
            self._context.bus.publish(AlarmRaised("retention.clock", text))
        self._last_monotonic = monotonic
        self._context.store.meta.set("clock", now)
        return monotonic >= self._distrusted_until

    def _spent(self, before: float) -> Iterator[None]:
        for folder in self._context.home.spent.iterdir():
            try:
                at = parse_rfc3339(read_json(folder / "spent.json")["at"])
            except (OSError, ValueError, KeyError, TypeError):
                at = None
            if at is None or at <= before:
                remove_tree(folder)
            yield

    def _ledger(self) -> Iterator[None]:
        """Forget files that have left the inbox; the same file dropped again is a new one."""
        for consumed in self._context.store.ledger.all():
            if not consumed.path.startswith("sha256:") and not Path(consumed.path).exists():
                self._context.store.ledger.forget(consumed.path)
            yield

    def _old(self, published: bool, before: float) -> Iterator[None]:
        """Purge what has ended before; a result stays one where a later attempt failed."""
        for job in self._context.store.jobs.list(states.ENDS, published=published):
            at = job.times.get(job.state)
            if at is not None and parse_rfc3339(at) <= before:
                log.info("purged %s: its time was over", job.id)
                self.purge(job)
            yield

    def purge(self, job: Job) -> None:
        """Remove every trace of one ended case; only the reservation of its stem stays."""
        self._publisher.remove(job)
        self._disposal.forget(job)
        self._cache.forget(job)
        self._context.home.job_log(job.id).unlink(missing_ok=True)
        with self._context.store.transaction():
            self._context.store.ledger.blind(job.id)
            self._context.store.requests.forget_job(job.id)
            self._context.store.jobs.delete(job.id)
        forget(self._context.home.table, [job.id])
