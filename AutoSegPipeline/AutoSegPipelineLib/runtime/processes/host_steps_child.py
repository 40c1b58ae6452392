"""A worker whose cases do a part in this process, before or between what the real worker does.

To the scheduler it is a child like any other: it takes ``case``, says ``stage``,
``progress`` and ``done`` with the attempt they belong to, can be cancelled and killed.
"""

from __future__ import annotations

import logging
import traceback
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Callable

from ...core.clock import SystemClock
from ...core.errors import Cancelled, PipelineError
from ...core.messages.child_messages import Done, Failed, Log, Message, Progress, Stage
from ...core.messages.reader import plain, read
from ...core.messages.worker_messages import CaseOrder, Described, Guard, RunCase
from ...core.protocol import Envelope
from .. import qt
from .child import CANCEL_SECONDS, ChildLike, Exit, OnEnd, OnLog, OnMessage
from .hang_watch import HungWatch
from .host_steps import HostSteps, steps_of

log = logging.getLogger(__name__)
SEGMENTED = "segmented.seg.nrrd"
_HERE = ("segment", "export")
# How far a case is at the end of each step, by whether an exporter works in this process too.
_ENDS = {
    False: {"segment": 0.6, "last": 1.0},
    True: {"segment": 0.5, "first": 0.5, "export": 0.7, "last": 1.0},
}
_AGAIN_MS = 200
_QUIT_MS = 5000


@dataclass
class _Course:
    """One case on its way through its steps."""

    job: str
    attempt: int
    case: CaseOrder
    steps: list[str]
    step: str = ""
    begin: float = 0.0
    end: float = 0.0
    cancelled: bool = False
    facts: dict[str, object] = field(default_factory=dict)

    @property
    def segmentation(self) -> Path:
        return Path(self.case.work) / SEGMENTED


class _Report:
    """What the host reports, as messages of the protocol."""

    def __init__(
        self, course: _Course, say: Callable[[_Course, Message], None], moved: Callable[[], None]
    ) -> None:
        self._course = course
        self._say = say
        self._moved = moved

    def stage(self, state: str, message: str = "") -> None:
        self.check()
        self._say(self._course, Stage(state, message))

    def progress(self, fraction: float, message: str = "") -> None:
        self.check()
        self._moved()
        width = self._course.end - self._course.begin
        done = self._course.begin + width * min(max(fraction, 0.0), 1.0)
        self._say(self._course, Progress(round(done, 4), message[:500]))

    def log(self, text: str, level: str = "info") -> None:
        self._moved()
        self._say(self._course, Log(text, level))

    def check(self) -> None:
        if self._course.cancelled:
            raise Cancelled()


class HostStepsChild:
    """A real worker and, for cases that ask for it, the host's engine and exporter.

    ``spawn`` makes the real worker. All callbacks are those of :class:`.child.Child`.
    """

    def __init__(
        self,
        spawn: Callable[..., ChildLike],
        host: HostSteps,
        on_message: OnMessage,
        on_log: OnLog,
        on_end: OnEnd,
        on_hung: Callable[[float], None] | None = None,
        hung_seconds: float | None = None,
    ) -> None:
        self._host = host
        self._on_message = on_message
        self._on_log = on_log
        self._on_end = on_end
        self._on_hung = on_hung
        self._course: _Course | None = None
        self._here = False  # the host works for this child
        self._ended = False
        self._worker = spawn(self._heard, on_log, self._worker_ended, on_hung=on_hung)
        self._hung = HungWatch(hung_seconds, self._silent, SystemClock())

    # --- what the scheduler asks ------------------------------------------------------------

    def start(self) -> None:
        """Start the worker; it is warm when the host has done its part."""
        self._worker.start()

    def silent_for(self) -> float:
        """Seconds without progress."""
        return self._hung.silent_for() if self._here else self._worker.silent_for()

    def send(self, envelope: Envelope) -> None:
        """A case with steps in this process begins from the event loop; everything else is passed on."""
        message = envelope.message
        if not isinstance(message, RunCase):
            self._worker.send(envelope)
            return
        case = read(CaseOrder, message.case, "case")
        course = _Course(envelope.job, envelope.attempt, case, steps_of(case))
        if course.steps == ["last"]:
            self._worker.send(envelope)
            return
        self._course = course
        # Never from the slot that called: its timer or process would be silent until the host is done.
        qt.single_shot(0, lambda: self._next(course))

    def cancel(self, job: str, attempt: int) -> bool:
        """Stop the case: at once where the host is at it, else as the worker does."""
        course = self._course
        if course is None or (course.job, course.attempt) != (str(job), int(attempt)):
            return self._worker.cancel(job, attempt)
        if course.step and course.step not in _HERE:
            return self._worker.cancel(job, attempt)
        course.cancelled = True
        if self._here:
            self._host.stop()
        return True

    def quit(self, grace: float = CANCEL_SECONDS) -> None:
        """Leave the case and end; what the host does for it is ended at once."""
        self._leave()
        self._worker.quit(grace)

    def kill(self) -> None:
        """End the worker and what the host does for it."""
        self._leave()
        self._worker.kill()

    def _leave(self) -> None:
        course, self._course = self._course, None
        if course is not None:
            course.cancelled = True
        if self._here:
            self._host.stop()

    # --- the way of a case ---------------------------------------------------------------------

    def _next(self, course: _Course) -> None:
        """The next step; a host that is at another case is waited for."""
        if self._course is not course or self._ended:
            return
        if course.cancelled:
            self._failed(course, Cancelled())
            return
        if course.steps[0] in _HERE and self._host.running:
            if not course.step:
                self._say(course, Stage("preparing", "waits for another case inside Slicer"))
            qt.single_shot(_AGAIN_MS, lambda: self._next(course))
            return
        course.step = course.steps.pop(0)
        ends = _ENDS["export" in steps_of(course.case)]
        course.begin, course.end = course.end, ends[course.step]
        if course.step in _HERE:
            self._work_here(course)
        elif course.step == "first":
            self._give(course, replace(course.case, only="segmentation", segmented=str(course.segmentation)))
        else:
            self._give(
                course, replace(course.case, segmented=str(course.segmentation), segmented_facts=course.facts)
            )

    def _give(self, course: _Course, case: CaseOrder) -> None:
        self._worker.send(Envelope(RunCase(plain(case)), course.job, course.attempt, case.work))

    def _work_here(self, course: _Course) -> None:
        report = _Report(course, self._say, self._hung.progress)
        self._here = True
        self._hung.begin()
        try:
            self._do(course, report)
        except Cancelled as error:
            if course.cancelled:
                self._failed(course, error)
            else:
                qt.single_shot(_QUIT_MS, lambda: self._interrupted(course))
        except PipelineError as error:
            self._failed(course, error)
        except Exception as error:  # the job boundary: an extension may raise anything
            self._say(course, Log(traceback.format_exc(), "error"))
            self._failed(course, PipelineError("engine.failed", f"{type(error).__name__}: {error}"[:2000]))
        else:
            qt.single_shot(0, lambda: self._next(course))
        finally:
            self._here = False
            self._hung.end()

    def _interrupted(self, course: _Course) -> None:
        """The host's loop was ended, and nobody had asked for it.

        So it is when the application quits: the pipeline's stop puts the case back before
        this is called. It does not quit, so the case has vanished and is tried again.
        """
        if self._course is course:
            self.kill()

    def _do(self, course: _Course, report: _Report) -> None:
        work = Path(course.case.work)
        work.mkdir(mode=0o700, parents=True, exist_ok=True)
        if course.step == "segment":
            course.facts = self._host.segment(course.case, course.segmentation, report, self._guard)
            written, kind = course.segmentation, "segmentation"
        else:
            folder = work / "exported"
            folder.mkdir(mode=0o700, exist_ok=True)
            exported = self._host.export(course.case, course.segmentation, folder, report)
            written, kind = exported.path, "glTF"
            course.case = replace(course.case, given={"gltf": str(written)}, left_out=list(exported.left_out))
        report.check()
        # Exit first, output second: a host that is content without a file has not done its part.
        if not written.is_file() or written.stat().st_size == 0:
            raise PipelineError("engine.failed", f"Slicer ended without an error and without a {kind}")

    def _guard(self, pid: int) -> None:
        """A process of the host's: the worker ends it where this process is killed and cannot."""
        if not self._ended:
            self._worker.send(Envelope(Guard(pid), "guard"))

    # --- hearing --------------------------------------------------------------------------------

    def _say(self, course: _Course, message: Message) -> None:
        if self._course is course and not self._ended:
            self._on_message(Envelope(message, course.job, course.attempt))

    def _failed(self, course: _Course, error: PipelineError) -> None:
        if self._course is course:
            self._say(course, Failed(error.to_dict()))
            self._course = None

    def _heard(self, envelope: Envelope) -> None:
        """What the real worker says, put in its place in the complete case."""
        message, course = envelope.message, self._course
        if envelope.job == "describe" and isinstance(message, Done):
            described = read(Described, message.result, "result")
            described["engines"] += self._host.describe(described["engines"])
            self._on_message(replace(envelope, message=Done(dict(described))))
        elif course is None or envelope.key != (course.job, course.attempt):
            self._on_message(envelope)
        elif isinstance(message, Progress):
            done = course.begin + (course.end - course.begin) * message.fraction
            self._on_message(replace(envelope, message=Progress(round(done, 4), message.message)))
        elif isinstance(message, Stage) and message.state == "preparing" and course.step == "last":
            return  # a later step does not begin from the front
        elif isinstance(message, Done) and course.step == "first":
            qt.single_shot(0, lambda: self._next(course))
        else:
            if isinstance(message, (Done, Failed)):
                self._course = None
            self._on_message(envelope)

    def _silent(self, seconds: float) -> None:
        if self._on_hung is not None:
            self._on_hung(seconds)
        else:
            self.kill()

    def _worker_ended(self, end: Exit) -> None:
        self._leave()
        self._ended = True
        self._on_end(end)
