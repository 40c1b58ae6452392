"""Where bytes become jobs. The order of the steps is what makes that nothing is lost or taken twice.

(1) ``intent.json``, fsynced; (2) the row, ``receiving``; (3) the bytes move;
(4) row ``inspecting``: only now is the input accepted; (5) a copied source goes.
"""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path
from typing import Protocol

from ...core import incoming, states
from ...core.crash_points import reached
from ...core.errors import PipelineError
from ...core.events import InputCopied
from ...core.files import is_sharing_violation, remove_tree, same_disk
from ...core.home import Home
from ...core.incoming import Intent, folder_of, input_of
from ...core.job import Job
from ...core.messages.intake_messages import Copied, Copy
from ...core.store.small_tables import Consumed
from ..conditions import Conditions
from ..context import Context, disk_is_full
from ..ending.finisher import Finisher
from ..processes.intake_client import IntakeClient
from .inspection import Inspection

log = logging.getLogger(__name__)
_MAY_NOT_MOVE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EXDEV, errno.EBUSY)


class Sources(Protocol):
    """The inbox, which must know what has become of its files."""

    def taken(self, paths: list[str]) -> None:
        """What lies under these names from now on is another file, or stands in the ledger."""

    def put_back(self, paths: list[str]) -> None:
        """These could not be taken; they arrive again."""


class Stager:
    """Takes intents of every door to the state ``inspecting``, then has them inspected."""

    def __init__(
        self,
        context: Context,
        conditions: Conditions,
        intake: IntakeClient,
        inspection: Inspection,
        finisher: Finisher,
        inbox: Sources,
    ) -> None:
        self._context = context
        self._conditions = conditions
        self._intake = intake
        self._inspection = inspection
        self._finisher = finisher
        self._inbox = inbox
        self.paused_copies: list[Intent] = []  # wait for the disk

    # --- the caller keeps the source ----------------------------------------------------

    def submit(self, intent: Intent) -> Job:
        """Begin to copy; the job is ``receiving`` and goes on by itself."""
        self._conditions.durably(lambda: incoming.write_intent(self._context.home, intent))
        reached("intent written")
        job = self._add_row(intent)
        self._copy(job, intent)
        return job

    def expect(self, intent: Intent) -> Job:
        """Make the row of bytes that are about to be staged; :meth:`accept` or :meth:`refuse` follows."""
        return self._add_row(intent)

    def plan_again(self, intent: Intent) -> None:
        """Write what has changed in an intent before it is accepted."""
        self._conditions.durably(lambda: incoming.write_intent(self._context.home, intent))

    def adopt(self, job_id: str) -> Job:
        """Make the row of bytes that another process has staged completely; again is fine."""
        found = self._context.store.jobs.find(job_id)
        if found is not None:
            return found
        intent = incoming.read_intent(folder_of(self._context.home, job_id))
        if intent is None or intent.id != job_id:
            raise PipelineError("request.unknown_job", f"nothing complete was staged as {job_id}")
        job = self._add_row(intent)
        self.accept(job, intent)
        return job

    def _add_row(self, intent: Intent) -> Job:
        job = job_of(intent)
        self._conditions.durably(lambda: self._context.store.jobs.add(job))
        reached("row receiving")
        self._context.publish_change(job)
        return job

    # --- the inbox; see inbox/batches.py ----------------------------------------------------------

    def move(self, job: Job, intent: Intent) -> bool:
        """Rename the sources into ``input/``, which the caller syncs; False where it goes on otherwise."""
        if not intent.consume or not all(self._on_same_disk(item.source) for item in intent.files):
            self._copy(job, intent)
            return False
        target = input_of(self._context.home, job.id)
        for item in intent.files:
            try:
                self._rename(item, target)
            except OSError as error:
                self._not_moved(job, intent, error)
                return False
        return True

    def _on_same_disk(self, source: str | None) -> bool:
        try:
            return same_disk(Path(str(source)).parent, self._context.home.incoming)
        except OSError:
            return True  # let the rename say what is wrong

    def _rename(self, item: incoming.IntentFile, target: Path) -> None:
        place = target / item.name
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.rename(str(item.source), place)
        found = os.lstat(place)  # a link is moved as what it is, and refused at inspection
        if (found.st_size, found.st_mtime_ns) != (item.size, item.mtime_ns):
            raise OSError(0, "changed while it was taken", str(item.source))

    def _not_moved(self, job: Job, intent: Intent, error: OSError) -> None:
        """A file vanished, is in use, changed, or may not be moved: the inbox has all of them again."""
        log.info("%s is not taken yet: %s", job.id, error.strerror)
        if not give_back(self._context.home, intent):
            self.refuse(job, PipelineError("input.changed", f"{job.input} changed while it was taken in"))
            return
        if error.errno in _MAY_NOT_MOVE and not is_sharing_violation(error):
            # A read-only inbox: a copy is taken, and the ledger keeps the file from coming twice.
            self._copy(job, intent)
            return
        self._forget(job, intent)
        if disk_is_full(error):
            self._conditions.disk_was_full()

    def give_up(self, job: Job, intent: Intent) -> None:
        """What was moved cannot be made durable: the inbox has it again."""
        if give_back(self._context.home, intent):
            self._forget(job, intent)
        else:
            self.refuse(job, PipelineError("input.changed", f"{job.input} changed while it was taken in"))

    def _forget(self, job: Job, intent: Intent) -> None:
        self._context.store.jobs.delete(job.id)
        remove_tree(folder_of(self._context.home, job.id))
        self._inbox.put_back(sources(intent))

    # --- both ---------------------------------------------------------------------------

    def _copy(self, job: Job, intent: Intent) -> None:
        target = input_of(self._context.home, job.id)
        pairs = [(item.source, str(target / item.name)) for item in intent.files if item.source]

        def copied(found: Copied | None, error: PipelineError | None) -> None:
            fresh = self._context.store.jobs.find(job.id)
            if fresh is None or fresh.state != states.RECEIVING:
                return
            if error is None:
                reached("input moved")
                if found is not None:
                    hashes = tuple(one.sha256 for one in found.files)
                    self._context.bus.publish(InputCopied(job.id, hashes))
                self.accept(fresh, intent)
            elif error.is_environment:
                # Nothing was accepted: an inbox file is seen again; a caller's copy is tried again.
                self._conditions.pause(error.code, error.message)
                self._later(fresh, intent)
            else:
                # What cannot be read stays where it is and is not tried again until it changes.
                self._note(intent)
                self._inbox.taken(sources(intent))
                self.refuse(fresh, error)

        folder = str(folder_of(self._context.home, job.id))
        self._intake.ask(Copy(pairs, folder), copied, job.id)

    def _later(self, job: Job, intent: Intent) -> None:
        if intent.consume:
            self._forget(job, intent)
        else:
            self.paused_copies.append(intent)

    def copy_again(self, job: Job, intent: Intent) -> None:
        """Go on with a copy that a crash cut off; what is complete is not copied twice."""
        self._copy(job, intent)

    def resume(self) -> None:
        """Begin again what waited for the surroundings."""
        waiting, self.paused_copies = self.paused_copies, []
        for intent in waiting:
            job = self._context.store.jobs.find(intent.id)
            if job is not None and job.state == states.RECEIVING:
                self._copy(job, intent)

    def accept(self, job: Job, intent: Intent) -> None:
        """The bytes are here and durable."""
        self.accept_all([(job, intent)])

    def accept_all(self, pairs: list[tuple[Job, Intent]], durable: bool = True) -> None:
        """The same for many in one transaction, synced only where a source goes afterwards."""

        def write() -> None:
            with self._context.store.transaction(durable):
                for job, intent in pairs:
                    if job.state == states.RECEIVING:
                        self._context.store.jobs.enter(job, states.INSPECTING)
                    self._note(intent)

        self._conditions.durably(write)
        reached("row inspecting")
        for job, intent in pairs:
            self._remove_sources(intent)
            if intent.door == "inbox":
                self._inbox.taken(sources(intent))
            self._context.publish_change(job)
            if job.cancel:
                self._finisher.cancel(job)
            else:
                self._inspection.inspect(job)

    def _note(self, intent: Intent) -> None:
        """A file that is still in the inbox must not be taken a second time."""
        for item in intent.files:
            if intent.door == "inbox" and item.source and os.path.lexists(item.source):
                self._context.store.ledger.note(
                    Consumed(item.source, item.size, item.mtime_ns, "", intent.id)
                )

    def _remove_sources(self, intent: Intent) -> None:
        """Remove inbox files that were copied; one that cannot go stays and stands in the ledger."""
        if not intent.consume:
            return
        for item in intent.files:
            if not item.source or not os.path.lexists(item.source):
                continue
            try:
                found = os.lstat(item.source)
                if (found.st_size, found.st_mtime_ns) == (item.size, item.mtime_ns):
                    os.unlink(item.source)
                    self._context.store.ledger.forget(item.source)
            except OSError as error:
                log.warning("%s stays in the inbox: %s", item.source, error.strerror)
        reached("source removed")

    def refuse(self, job: Job, error: PipelineError) -> None:
        """The bytes could not be had: the row says why."""
        job.error = error.to_dict()
        self._context.enter(job, states.REFUSED, error.message)
        remove_tree(folder_of(self._context.home, job.id))


def job_of(intent: Intent) -> Job:
    """The first row of an intent."""
    return Job(
        id=intent.id,
        label=intent.label,
        input=intent.input,
        door=intent.door,
        submitted_by=intent.by,
        priority=int(intent.options.get("priority", intent.file_options.get("priority", 50))),
        series_key=intent.series_key,
        supersedes=intent.supersedes,
        version=intent.version,
        out=intent.out,
        parent=intent.parent,
        visible_to=intent.visible_to,
    )


def sources(intent: Intent) -> list[str]:
    return [str(item.source) for item in intent.files if item.source]


def give_back(home: Home, intent: Intent) -> bool:
    """Rename staged files back to the inbox; False where a new file is in their place."""
    complete = True
    for item in intent.files:
        staged = input_of(home, intent.id) / item.name
        if not os.path.lexists(staged) or not item.source:
            continue
        if os.path.lexists(item.source):
            complete = False
            continue
        os.makedirs(os.path.dirname(item.source), exist_ok=True)
        os.rename(staged, item.source)
    return complete
