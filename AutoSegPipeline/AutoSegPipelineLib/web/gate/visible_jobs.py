"""The jobs that somebody may know of. Every route that shows anything goes through here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterable, List, Sequence

from ...core.errors import PipelineError
from ...core.files import contained, is_link
from ...core.job import Job
from ...core.store.job_filter import JobFilter
from ...core.store.scope import Scope
from ...core.store.work_list import Window
from ...intake.received.client_input import findable
from .principal import Principal, scope_of
from .shared_names import real_name, without_names

if TYPE_CHECKING:
    from ..context import WebContext


@dataclass(frozen=True)
class Page:
    """Some jobs, and where to go on (None: that was all)."""

    jobs: list[Job]
    cursor: str | None


class VisibleJobs:
    """Jobs, results and files for one ``principal``; what is not visible does not exist (404)."""

    def __init__(self, context: WebContext, principal: Principal) -> None:
        self._home = context.home
        self._jobs = context.store.jobs
        self._work_list = context.store.work_list
        visibility = context.config.visibility
        self.scope = scope_of(principal, visibility)
        # What a link opens without its names: it is not searched by them, and not found by them.
        self._nameless = frozenset(principal.jobs) - frozenset(principal.named)
        self.own = Scope(jobs=())  # without what links open
        if principal.via != "share":
            self.own = scope_of(replace(principal, jobs=()), visibility)
        self._by_name = self.scope
        if self._nameless and self.scope.jobs is not None:
            self._by_name = replace(self.scope, jobs=principal.named)

    def list(
        self,
        states: Iterable[str] | None = None,
        since: int | None = None,
        limit: int = -1,
        cursor: str | None = None,
        search: str = "",
        newest_first: bool = False,
        door: str | None = None,
        published: bool | None = None,
        ids: Sequence[str] | None = None,
    ) -> List[Job]:
        """As :meth:`~...core.store.jobs.Jobs.list`; ``cursor`` is one of :class:`Page`."""
        after = None if cursor is None else _place(cursor)
        found = self._jobs.list(
            states,
            since,
            limit,
            newest_first=newest_first,
            scope=self._by_name if search else self.scope,
            search=findable(search),
            after=after,
            door=door,
            published=published,
            ids=ids,
        )
        return [self.shown(job) for job in found]

    def _filter(
        self, states: Sequence[str] | None = None, search: str = "", door: str | None = None,
        ids: Sequence[str] | None = None,
    ) -> JobFilter:  # fmt: skip
        scope = self._by_name if search else self.scope
        return JobFilter(states, findable(search), door, ids, scope=scope)

    def window(self, offset: int, limit: int, cursor: str | None, **how: Any) -> Window:
        """Jobs in the order of the work from ``offset`` or a cursor on; ``how`` as of :meth:`_filter`."""
        begin = offset if cursor is None else _place(cursor)
        found = self._work_list.window(self._filter(**how), begin, limit)
        return replace(found, jobs=[self.shown(job) for job in found.jobs])

    def newest_results(self, offset: int, limit: int, **how: Any) -> tuple[List[Job], int]:
        """Jobs with a result, the newest first, and how many match; ``how`` as of :meth:`_filter`."""
        found, total = self._work_list.results(self._filter(**how), offset, limit)
        return [self.shown(job) for job in found], total

    def ids(
        self,
        states: Sequence[str] | None,
        search: str,
        door: str | None,
        limit: int,
        published: bool | None = None,
    ) -> List[str]:
        """The ids of at most ``limit`` jobs, in the order of the work; ``published``: those with a result."""
        wanted = replace(self._filter(states, search, door), published=published)
        return self._work_list.ids(wanted, limit)

    def page(self, limit: int, cursor: str | None = None, **how: Any) -> Page:
        """At most ``limit`` jobs and the cursor behind them; ``how`` as in :meth:`list` without ``since``."""
        found = self.list(limit=limit + 1, cursor=cursor, **how)
        more = len(found) > limit
        found = found[:limit]
        return Page(found, str(self._jobs.place(found[-1].id)) if more and found else None)

    def page_since(self, since: int, limit: int, cursor: str | None = None, **how: Any) -> Page:
        """At most ``limit`` jobs that changed after revision ``since``, in the order of their changes."""
        begin = since if cursor is None else max(since, _place(cursor))
        found = self.list(since=begin, limit=limit + 1, **how)
        more = len(found) > limit
        found = found[:limit]
        return Page(found, str(found[-1].revision) if more else None)

    def results(self, limit: int, cursor: str | None = None, search: str = "") -> Page:
        """Cases with a result, the newest first."""
        return self.page(limit, cursor, published=True, search=search, newest_first=True)

    def get(self, job_id: str) -> Job:
        """The job of this id (or its first letters). Raises ``request.unknown_job``."""
        return self.shown(self._jobs.get(job_id, self.scope))

    def find(self, job_id: str) -> Job | None:
        """The job of exactly this id, or None."""
        found = self._jobs.find(job_id, self.scope)
        return None if found is None else self.shown(found)

    def get_own(self, job_id: str) -> Job:
        """As :meth:`get`, for what a link does not open: its log, a review, a link to it.

        Whoever sees a job through a link alone does not find it here.
        """
        return self._jobs.get(job_id, self.own)

    def counts(self, search: str = "", door: str | None = None) -> dict[str, int]:
        """How many are in each state."""
        return self._work_list.counts(self._filter(None, search, door))

    def hides_names(self, job: Job) -> bool:
        """Whether ``job`` is seen by nothing but a link that shows no names."""
        if job.id not in self._nameless:
            return False
        return not self.own.holds(job.id, job.door, job.submitted_by, job.visible_to)

    def shown(self, job: Job) -> Job:
        """``job`` as it may be shown."""
        return without_names(job) if self.hides_names(job) else job

    def stored(self, job: Job) -> Job:
        """The job as it is kept, of one that was shown."""
        return self._jobs.get(job.id, self.scope)

    def sees(self, job: Job) -> bool:
        """Whether a job that is at hand is one of them."""
        return self.scope.holds(job.id, job.door, job.submitted_by, job.visible_to)

    def sees_deleted(self, job_id: str) -> bool:
        """Whether the deletion of a job may be reported; whose it was is not known any more.

        Ids are random and show nothing; a link gets its own.
        """
        jobs = self.scope.jobs
        return jobs is None or self.scope.owner is not None or job_id in jobs

    def file(self, job: Job, name: str) -> Path:
        """The result file ``name`` of a visible ``job``. Raises ``request.not_found``.

        Only names that stand in the job's own list of outputs lead anywhere, so that no name
        from outside is ever joined to a folder.
        """
        if self._nameless:
            job = self.stored(job)
            name = real_name(job, name) if self.hides_names(job) else name
        return self.stored_file(job, name)

    def stored_file(self, job: Job, name: str) -> Path:
        """As :meth:`file`, of a job and a name as they are kept; it asks only the disk, from any thread."""
        if any(output["name"] == name for output in job.outputs):
            folder = job.folder(self._home.results)
            path = folder / name
            if contained(folder, path) and not is_link(path) and path.is_file():
                return path
        raise PipelineError("request.not_found", f"job {job.id[:8]} has no file of that name")

    def file_named(self, name: str) -> tuple[Job, Path]:
        """The result file called ``name`` and its job, for the original's ``/download/<filename>``."""
        job = self._jobs.named(name, self._by_name)
        if job is None:
            raise PipelineError("request.not_found", "there is no result file of that name")
        return job, self.file(job, name)

    def log(self, job: Job) -> Path:
        """The log of a visible ``job``; it may not be there yet."""
        return self._home.job_log(job.id)


def _place(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise PipelineError("request.invalid", "the cursor is none that this server gave")
    return int(cursor)
