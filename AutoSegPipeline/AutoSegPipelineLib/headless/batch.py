"""``run`` and ``export``: a given list of inputs, processed to the end in a home of their own."""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Iterator, Protocol, Sequence

from ..core import states
from ..core.errors import PipelineError
from ..core.events import Event, InputCopied, JobChanged, JobEnded, PipelinePaused, PipelineResumed
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
# Inputs that are copied, wait or are worked on at a time: enough that no worker waits, few on the disk.
_MOST_AT_ONCE = 16


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


@dataclass(frozen=True)
class Given:
    """One input: a file or folder, or some ``members`` of a folder."""

    path: Path
    members: tuple[str, ...] = ()


class Follower(Protocol):
    """Who wants to know what becomes of each input, by its number."""

    def began(self, number: int, job_id: str) -> None: ...

    def copied(self, number: int, sha256: tuple[str, ...]) -> None: ...

    def ended(self, number: int, family: list[Job]) -> None: ...


class Documents:
    """What became of each input, kept in a file: ten thousand of them are too many for the memory."""

    def __init__(self) -> None:
        self._stream: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - it goes with the process
        self._places: dict[int, list[tuple[int, int]]] = {}
        self.total = self.done = 0

    def add(self, number: int, documents: list[dict[str, object]]) -> None:
        """Those of the input ``number``, siblings behind the first of them."""
        for one in documents:
            data = json.dumps(one, ensure_ascii=False).encode("utf-8", "surrogatepass")
            self._places.setdefault(number, []).append((self._stream.seek(0, 2), len(data)))
            self._stream.write(data)
            self.total += 1
            self.done += one["state"] == states.DONE

    def __iter__(self) -> Iterator[dict[str, object]]:
        """All of them, in the order of the inputs."""
        for number in sorted(self._places):
            for place, size in self._places[number]:
                self._stream.seek(place)
                yield json.loads(self._stream.read(size).decode("utf-8", "surrogatepass"))


@dataclass
class Batch:
    """Submits every input, a few at a time, waits until each has ended, and keeps what became of them."""

    inputs: Sequence[Given]
    out: Path
    options: dict[str, object]
    door: str
    labels: str | None = None
    follower: Follower | None = None
    documents: Documents = field(default_factory=Documents)
    interrupted_by_user: bool = False
    _next: int = 0
    _numbers: dict[str, int] = field(default_factory=dict)  # job -> its input, while it has not ended
    _failed: list[str] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)
    _paused: PipelinePaused | None = None
    _paused_at: float = 0.0

    def begin(self, host: Host) -> None:
        """Hand the inputs over, one a turn of the event loop so that the display stays alive."""
        self._host = host
        host.later(self._submit)
        host.every(_CHECK_SECONDS, self._look)

    def _submit(self) -> None:
        if self.interrupted_by_user or self._next >= len(self.inputs):
            self._look()
            return
        if len(self._numbers) >= _MOST_AT_ONCE:
            return  # the end of one goes on
        number, self._next = self._next, self._next + 1
        given = self.inputs[number]
        expect = "segmentation" if self.door == "export" else "scan"
        try:
            check_name(given.path)
            job = self._host.pipeline.commands.submit(
                given.path, options=self.options, door=self.door, by=user_name(), expect=expect,
                labels=self.labels, members=given.members,
            )  # fmt: skip
            self._numbers[job.id] = number
            if self.follower is not None:
                self.follower.began(number, job.id)
        except PipelineError as error:
            self._never(number, error)
        except OSError as error:
            text = f"{given.path} cannot be read: {error.strerror}"
            self._never(number, PipelineError("input.unreadable", text))
        self._host.later(self._submit)

    def _never(self, number: int, error: PipelineError) -> None:
        """Keep the document of an input that could not even be taken."""
        given = self.inputs[number]
        place = given.path / given.members[0] if given.members else given.path
        job = Job(
            label=place.name, input=str(place), door=self.door, submitted_by=user_name(), state=states.REFUSED
        )
        job.options, job.error = self.options, error.to_dict()
        job.stamp(time.time())
        self._host.narrator.counts[states.REFUSED] += 1
        self._host.narrator.say(f"refused {error.message} ({error.code}) {error.hint}", "yellow", error=True)
        self.documents.add(number, [job_document(job, self.out)])
        if self.follower is not None:
            self.follower.ended(number, [job])

    def hear(self, event: Event) -> None:
        """Notice copies, ends and pauses."""
        if isinstance(event, JobChanged):
            self._seen.add(event.job_id)
        elif isinstance(event, InputCopied):
            if self.follower is not None and event.job_id in self._numbers:
                self.follower.copied(self._numbers[event.job_id], event.sha256)
        elif isinstance(event, JobEnded):
            # Siblings out of one archive may be added in the same turn.
            self._host.later(lambda: self._ended(event.job_id))
        elif isinstance(event, PipelinePaused):
            self._paused, self._paused_at = event, time.monotonic()
        elif isinstance(event, PipelineResumed):
            self._paused = None

    def _ended(self, job_id: str) -> None:
        """Settle the input of a job where all that came out of it has ended."""
        jobs = self._host.pipeline.store.jobs
        job = jobs.find(job_id)
        first = job_id if job is None else job.parent or job.id
        family = [one for one in [jobs.find(first)] if one is not None] + jobs.children(first)
        if first in self._numbers and all(one.ended for one in family):
            number = self._numbers.pop(first)
            self.documents.add(number, [job_document(one, self.out) for one in family])
            self._failed += [one.id for one in family if one.state == states.FAILED]
            if self.follower is not None:
                self.follower.ended(number, family)
        self._submit()

    def _look(self) -> None:
        if not self._numbers and (self.interrupted_by_user or self._next >= len(self.inputs)):
            self._host.stop(self._code())
        elif self._paused is not None and time.monotonic() - self._paused_at > PATIENCE_SECONDS:
            self._host.narrator.say(f"given up: {self._paused.reason}", "bold red", error=True)
            self._paused_at = float("inf")
            self._next = len(self.inputs)
            self._cancel_all()

    def _code(self) -> int:
        if self.interrupted_by_user:
            return 130
        return 0 if self.documents.done == self.documents.total else 1

    def keep_logs(self, host: Host) -> list[Path]:
        """Logs of what went wrong, brought out of the home that is about to go."""
        sources = {f"autoseg-{job_id[:8]}.log": host.home.job_log(job_id) for job_id in self._failed}
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
        self._cancel_all()
        self._look()

    def _cancel_all(self) -> None:
        for job in self._host.pipeline.store.jobs.list(set(states.ALL) - states.ENDS):
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
