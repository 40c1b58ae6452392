"""``run`` and ``export``: a given list of inputs, processed to the end in a home of their own."""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterator

from ..core import states
from ..core.errors import PipelineError
from ..core.events import Event, JobChanged, JobEnded, PipelinePaused, PipelineResumed
from ..core.files import remove_tree
from ..core.home import PREFIX, Home, discard, throw_away_home
from ..core.job import Job
from ..runtime.logs import NAME
from .app import Host
from .session import check_name, job_document, user_name

log = logging.getLogger(__name__)

# An environment that stays wrong for this long ends a run that nobody watches.
PATIENCE_SECONDS = 60.0
_CHECK_SECONDS = 1.0
_CALM_SECONDS = 3.0


@contextmanager
def private_home(out: Path) -> Iterator[Home]:
    """A throw-away home whose results are ``out``, so that a running pipeline is not in the way."""
    home = throw_away_home(out)
    try:
        yield home
    finally:
        discard(home)


def copy_rules(own: Home, private: Home) -> None:
    """The user's rules hold in a private home too, as the user's settings do."""
    if own.rules_file.exists():
        private.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copyfile(own.rules_file, private.rules_file)


def usable_folder(out: Path) -> Path:
    """``out``, made where it was missing; raises ``environment.results_unreachable``."""
    out = out.expanduser().absolute()
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise PipelineError(
            "environment.results_unreachable", f"{out} cannot be written: {error.strerror}"
        ) from error
    return out


@dataclass
class Batch:
    """Submits every input, waits until each has ended, and keeps what became of them."""

    inputs: list[Path]
    out: Path
    options: dict[str, object]
    door: str
    labels: str | None = None
    documents: list[dict[str, object]] = field(default_factory=list)  # by input, filled at the end
    interrupted_by_user: bool = False
    _ids: list[str | dict[str, object]] = field(
        default_factory=list
    )  # id, or the document of what never was a job
    _seen: set[str] = field(default_factory=set)
    _submitted: bool = False
    _paused: PipelinePaused | None = None
    _paused_at: float = 0.0

    def begin(self, host: Host) -> None:
        """Hand the inputs over, one a turn of the event loop so that the display stays alive."""
        self._host = host
        host.later(lambda: self._submit(0))
        host.every(_CHECK_SECONDS, self._look)

    def _submit(self, number: int) -> None:
        if self.interrupted_by_user or number >= len(self.inputs):
            self._submitted = True
            self._look()
            return
        path = self.inputs[number]
        expect = "segmentation" if self.door == "export" else "scan"
        try:
            check_name(path)
            job = self._host.pipeline.commands.submit(
                path, options=self.options, door=self.door, by=user_name(), expect=expect, labels=self.labels,
            )  # fmt: skip
            self._ids.append(job.id)
        except PipelineError as error:
            self._ids.append(self._never(path, error))
        except OSError as error:
            unreadable = PipelineError("input.unreadable", f"{path} cannot be read: {error.strerror}")
            self._ids.append(self._never(path, unreadable))
        self._host.later(lambda: self._submit(number + 1))

    def _never(self, path: Path, error: PipelineError) -> dict[str, object]:
        """The document of an input that could not even be taken."""
        job = Job(
            label=path.name, input=str(path), door=self.door, submitted_by=user_name(), state=states.REFUSED
        )
        job.options, job.error = self.options, error.to_dict()
        job.stamp(time.time())
        self._host.narrator.counts[states.REFUSED] += 1
        self._host.narrator.say(f"refused {error.message} ({error.code}) {error.hint}", "yellow", error=True)
        return job_document(job, self.out)

    def hear(self, event: Event) -> None:
        """Notice ends and pauses."""
        if isinstance(event, JobChanged):
            self._seen.add(event.job_id)
        elif isinstance(event, JobEnded):
            # Siblings out of one archive may be added in the same turn.
            self._host.later(self._look)
        elif isinstance(event, PipelinePaused):
            self._paused, self._paused_at = event, time.monotonic()
        elif isinstance(event, PipelineResumed):
            self._paused = None

    def _look(self) -> None:
        counts = self._host.pipeline.store.jobs.counts()
        if self._submitted and not any(counts[state] for state in states.ALL if state not in states.ENDS):
            self._host.stop(self._code())
        elif self._paused is not None and time.monotonic() - self._paused_at > PATIENCE_SECONDS:
            self._host.narrator.say(f"given up: {self._paused.reason}", "bold red", error=True)
            self._paused_at = float("inf")
            self._cancel_all()

    def _code(self) -> int:
        jobs = self._host.pipeline.store.jobs
        self.documents = self._collect()
        if self.interrupted_by_user:
            return 130
        complete = not any(isinstance(one, dict) for one in self._ids)
        return 0 if complete and all(job.state == states.DONE for job in jobs.list()) else 1

    def _collect(self) -> list[dict[str, object]]:
        """One document for every input in their order, siblings behind the first of them."""
        jobs, found = self._host.pipeline.store.jobs, []
        for one in self._ids:
            if isinstance(one, dict):
                found.append(one)
            else:
                job = jobs.find(one)
                family = ([job] if job else []) + jobs.children(one)
                found += [job_document(member, self.out) for member in family]
        return found

    def keep_logs(self, host: Host) -> list[Path]:
        """Logs of what went wrong, brought out of the home that is about to go."""
        sources = {
            f"autoseg-{str(one['id'])[:8]}.log": host.home.job_log(str(one["id"]))
            for one in self.documents
            if one["state"] == states.FAILED
        }
        if host.log_has_errors:
            sources[f"autoseg-{host.home.root.parent.name[len(PREFIX) :]}.jsonl"] = host.home.logs / NAME
        kept = []
        for name, source in sources.items():
            if source.exists():
                kept.append(Path(tempfile.gettempdir()) / name)
                shutil.copyfile(source, kept[-1])
        return kept

    def interrupted(self, host: Host) -> None:
        """Cancel what has not ended; the end of the last one stops the host."""
        self._host = host
        self.interrupted_by_user = True
        self._submitted = True
        self._cancel_all()
        self._look()

    def _cancel_all(self) -> None:
        for job in self._host.pipeline.store.jobs.list():
            if not job.ended:
                try:
                    self._host.pipeline.commands.cancel(job.id)
                except PipelineError as error:  # already being published: it ends by itself
                    log.info("%s", error)

    def abandoned(self, host: Host) -> None:
        """Take away what is half published and the private home."""
        # The worker was killed a moment ago; what it was writing may appear until it is really gone.
        calm, until = 0, time.monotonic() + _CALM_SECONDS
        while calm < 4 and time.monotonic() < until:
            calm = 0 if self._half_published() else calm + 1
            self.sweep()
            time.sleep(0.05)
        shutil.rmtree(host.home.root.parent, ignore_errors=True)

    def _half_published(self) -> bool:
        return any((self.out / f".publish-{job_id}").exists() for job_id in self._seen)

    def sweep(self) -> None:
        """Remove what an unfinished case left in the results."""
        for job_id in self._seen:
            remove_tree(self.out / f".publish-{job_id}")
