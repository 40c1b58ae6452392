"""All bundles that are out: submits them, watches them, brings results back, gives back what was not done.

Everything here runs on one thread. What cannot be done now, because the share or the scheduler does not
answer, is tried again at the next look. Times of other machines are never read: a worker is alive while
the counts that it writes change, by the monotonic clock of this machine.
"""

from __future__ import annotations

import logging
import os
import time
from typing import Callable

from ..core import states
from ..core.bundles.layout import Bundle, CaseFolder, Outcome
from ..core.cluster_settings import JobSize
from ..core.errors import PipelineError
from ..core.files import is_disk_full, remove_tree
from ..core.messages.child_messages import Log, Message
from ..core.messages.cluster_messages import CaseAt, CaseBack, CaseDone, CaseFailed, ClusterState, PackCase
from ..core.messages.reader import read
from ..core.messages.worker_messages import CaseOrder
from ..core.protocol import Key
from .bringing import bring, discard, next_log
from .executor import ENDED, RUNNING, WAITING, Executor, JobState
from .out_bundle import OutBundle, OutCase, pack, where
from .share import Share
from .starts import Starts
from .submission import Submission

log = logging.getLogger(__name__)

Say = Callable[[Message, Key], None]
NOBODY: Key = ("", 0)
_SURE_LOOKS = 2  # an ended job's last files may show up late on a share
_IDLE_LOOKS = 3  # a worker that is done ends by itself within these


class BundlesOut:
    """``say`` tells the pipeline a message about a case."""

    def __init__(self, share: Share, executor: Executor, say: Say, hung_seconds: float) -> None:
        self._share = share
        self._executor = executor
        self._say = say
        self._hung_seconds = hung_seconds
        self._bundles: dict[str, OutBundle] = {}
        self._state: ClusterState | None = None
        self._submission = Submission(share, executor, self._bundles, self._end, self._give_back)
        self._starts = Starts()
        self._sweep_due = False
        self.given_up = False  # all that is out

    # --- what the pipeline says ---------------------------------------------------------------

    def pack(self, key: Key, message: PackCase) -> None:
        """Another case of a bundle; known ones stay as they are."""
        bundle = self._bundles.setdefault(message.bundle, OutBundle(message.bundle))
        if key not in bundle.cases:
            bundle.cases[key] = OutCase(*key, read(CaseOrder, message.order, "order"))

    def send(self, name: str, size: JobSize) -> None:
        """All cases of ``name`` are known; the next look does the rest."""
        bundle = self._bundles.setdefault(name, OutBundle(name))
        if bundle.size is None:
            bundle.size, bundle.changed_at = size, time.monotonic()

    def settle(self, key: Key) -> None:
        """The pipeline knows what became of this attempt."""
        case = self._find(key)[1]
        if case is not None:
            case.over = case.settled = True

    def give_up(self, key: Key) -> None:
        """Nobody wants this attempt; its worker stops when it sees the marker."""
        bundle, case = self._find(key)
        if bundle is not None and case is not None:
            case.over = case.settled = True
            self._mark_cancelled(bundle, case)
            discard(case.order)

    def give_up_all(self) -> None:
        """Nobody wants anything that is out; :meth:`look` ends and removes it, a bundle at a time."""
        self.given_up = True
        for bundle in self._bundles.values():
            bundle.size = bundle.size or JobSize()  # one whose last cases never came
            for key in bundle.cases:
                self.give_up(key)

    @property
    def is_any_out(self) -> bool:
        """Whether a bundle is known that was not removed."""
        return bool(self._bundles)

    def sweep(self) -> None:
        """What else lies on the share in our name is ended and removed, at the next look."""
        self._sweep_due = True

    def _find(self, key: Key) -> tuple[OutBundle | None, OutCase | None]:
        for bundle in self._bundles.values():
            if key in bundle.cases:
                return bundle, bundle.cases[key]
        return None, None

    # --- looking ------------------------------------------------------------------------------

    def look(self) -> None:
        """Do what can be done now, and say how the cluster is."""
        trouble = self._tried(self._share.check)
        if trouble is None:
            # Results first: fetching them makes room on a share that is too full to pack another bundle.
            trouble = self._tried(self._sweep) or self._tried(self._watch_all)
            trouble = self._tried(self._submission.step) or trouble
        trouble = trouble or self._tried(self._check_room)
        trouble = trouble or self._submission.rejected or self._starts.trouble
        executor = self._executor
        code, reason = (trouble.code, trouble.message) if trouble else ("", "")
        state = ClusterState(code, reason, executor.workers, executor.command)
        if state != self._state:
            self._state = state
            self._say(state, NOBODY)

    def _tried(self, part: Callable[[], None]) -> PipelineError | None:
        """Do one part of a look; what kept it from its end, if anything did."""
        try:
            part()
        except (PipelineError, OSError) as error:
            self._excuse()
            return _trouble(error)
        return None

    def _check_room(self) -> None:
        """A full share, said before a bundle is to go out; nobody can write there that they are alive."""
        self._share.check(room=True)

    def _excuse(self) -> None:
        """Nobody can be heard now, so nobody is silent."""
        for bundle in self._bundles.values():
            bundle.changed_at = time.monotonic()

    def _sweep(self) -> None:
        if self._sweep_due:
            for name in self._share.ours():
                self._take_over(name)
            self._sweep_due = False

    def _take_over(self, name: str) -> None:
        if name not in self._bundles:
            log.info("%s belongs to nobody any more", name)
            bundle = self._bundles[name] = OutBundle(name, size=JobSize())
            pack(bundle, self._share.path / name, self._share.pipeline)  # only reads, for it is complete
            self._share.bundle(name).stop()

    # --- watching -----------------------------------------------------------------------------

    def _watch_all(self) -> None:
        """Each bundle, also after one that cannot be read now; raises its error then."""
        out = [one for one in self._bundles.values() if one.packed]
        jobs = [one.job for one in out if one.job]
        # Asked before files are read: what an ended job has written is there by then.
        found = self._executor.states(jobs) if jobs else {}
        failed: Exception | None = None
        for bundle in out:
            bundle.state = found.get(bundle.job, bundle.state)
            try:
                self._watch(bundle)
                if bundle.is_settled:
                    self._clean(bundle)
            except (PipelineError, OSError) as error:
                failed, bundle.changed_at = error, time.monotonic()
        if failed is not None:
            raise failed

    def _watch(self, out: OutBundle) -> None:
        if not out.open_cases:
            return
        bundle = self._share.bundle(out.name)
        counts: list[object] = [(one.host, one.pid, one.count) for one in bundle.workers()]
        try:
            out.read_list(bundle)
        except PipelineError as error:
            for case in out.open_cases:
                self._end(case, CaseBack(error.message))
        for case in out.open_cases:
            counts.append(self._watch_case(out, bundle, case))
        if counts != out.counts or out.state.state != RUNNING:
            out.counts, out.changed_at = counts, time.monotonic()
        elif time.monotonic() - out.changed_at > self._hung_seconds:
            log.error("%s made no progress for too long; its job is ended", out.name)
            self._executor.cancel([out.job])
            out.state = JobState(ENDED, "its worker made no progress for too long")
            out.ended_looks = _SURE_LOOKS
        if out.state.state == ENDED:
            out.ended_looks += 1
            if out.ended_looks > _SURE_LOOKS:
                self._give_back(out, out.state.counted)

    def _watch_case(self, out: OutBundle, bundle: Bundle, case: OutCase) -> object:
        """Its count while it has not ended, else None. Raises OSError."""
        folder = out.folder(bundle, case)
        if folder is None or not folder.path.is_dir():
            self._end(case, CaseBack(f"it is missing in {out.name}"))
            return None
        os.listdir(folder.path)  # makes a network file system look again
        said = next_log(case, folder)
        if said:
            self._say(Log(said), case.key)
        try:
            outcome = folder.outcome()
        except PipelineError as error:  # damaged, or of a later program
            log.error("%s: %s", out.name, error.message)
            self._mark_cancelled(out, case)
            self._end(case, CaseBack(error.message, counted=True))
            return None
        if outcome is None:
            return self._report(out, case, folder)
        self._take(out, case, folder, outcome)
        return None

    def _report(self, out: OutBundle, case: OutCase, folder: CaseFolder) -> object:
        """Tell where the case is; its count, which a living worker raises."""
        progress = folder.progress()
        name = self._executor.name
        waits = out.state.state == WAITING
        reason = f" ({out.state.reason})" if waits and out.state.reason not in ("", "None") else ""
        if progress is None:
            text = f"In the queue of {name}{reason}" if waits else "In a bundle that is worked on"
            message = CaseAt(states.PREPARING, 0.0, text, where(name, out.job, machine=out.state.machine))
        else:
            place = where(name, progress.scheduler_job or out.job, progress, out.state.machine)
            text = f"{progress.message}{reason}".strip()
            message = CaseAt(progress.stage, progress.progress, text, place, progress.eta_s)
        if message != case.said:
            case.said = message
            self._say(message, case.key)
        return progress.count if progress else None

    # --- ends ---------------------------------------------------------------------------------

    def _take(self, out: OutBundle, case: OutCase, folder: CaseFolder, outcome: Outcome) -> None:
        """The case has ended by itself: bring its results to where the order wants them. Raises OSError."""
        host = outcome.host or out.state.machine
        job = outcome.scheduler_job or out.job
        place = f"{host} ({self._executor.name} {job})" if host else where(self._executor.name, job)
        if not outcome.ok:
            error = outcome.error or {}
            self._end(case, CaseFailed(error, place, outcome.memory, outcome.used))
            return
        try:
            bring(case.order, folder, outcome)
        except PipelineError as error:
            log.error("%s: %s", out.name, error.message)
            self._end(case, CaseBack(error.message, counted=True))
            return
        self._end(case, CaseDone(outcome.result or {}, outcome.seconds, place))

    def _end(self, case: OutCase, message: Message) -> None:
        case.over = True
        self._say(message, case.key)

    def _give_back(self, out: OutBundle, counted: bool) -> None:
        """The job has ended: what has no result goes back into the pipeline's queue. Raises OSError."""
        said = self._executor.log(out.job) if out.job else ""
        bundle = self._share.bundle(out.name)
        try:
            bundle.stop()
        except OSError as error:  # a full share; nobody is left to see it anyway
            log.warning("%s cannot be marked: %s", out.name, error)
        begun = {case.key for case in out.cases.values() if out.claims(bundle, case)}
        if begun:
            self._starts.claimed()
        elif counted:
            log.error("%s ended before it took a case: %s %s", out.name, out.state.reason, said)
            self._starts.unclaimed(out.state.reason, said)
        for case in out.open_cases:
            at_it = case.key in begun
            self._mark_cancelled(out, case)
            if said and (at_it or not begun):
                self._say(Log(said, "error" if counted else "warning"), case.key)
            self._end(case, CaseBack(out.state.reason, counted and at_it, out.state.memory and at_it))

    def _mark_cancelled(self, out: OutBundle, case: OutCase) -> None:
        try:
            folder = out.folder(self._share.bundle(out.name), case) if out.packed else None
            if folder is not None:
                folder.cancel()
        except (OSError, PipelineError) as error:
            log.warning("%s cannot be reached to cancel a case: %s", out.name, error)

    def _clean(self, out: OutBundle) -> None:
        """Nobody waits for it: its job ends, then its folder goes. Raises OSError."""
        if out.asked:
            return  # it may have a job
        if out.job and out.state.state != ENDED:
            out.idle_looks += 1
            if out.idle_looks == 1:
                self._share.bundle(out.name).stop()
            if out.idle_looks >= _IDLE_LOOKS or out.state.state == WAITING:
                self._executor.cancel([out.job])
            return
        remove_tree(self._share.path / out.name)
        if out.job:
            self._executor.forget(out.job)
        del self._bundles[out.name]


def _trouble(error: PipelineError | OSError) -> PipelineError:
    if isinstance(error, PipelineError):
        return error
    code = "environment.disk_full" if is_disk_full(error) else "environment.share_unreachable"
    return PipelineError(code, f"{error.filename or 'the share'}: {error.strerror or error}")
