"""A worker whose cases do a part in this process, before or between what the real worker does.

To the scheduler it is a child like any other: it takes ``case``, says ``stage``,
``progress`` and ``done`` with the attempt they belong to, can be cancelled and killed.
"""

from __future__ import annotations

import logging
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

from ...core import protocol
from ...core.clock import SystemClock
from ...core.errors import Cancelled, PipelineError
from .. import qt
from .child import CANCEL_SECONDS, ChildLike, OnEnd, OnLog, OnMessage
from .hang_watch import HungWatch
from .host_steps import HostSteps, steps_of

log = logging.getLogger(__name__)
MADE = "made.seg.nrrd"
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
    case: dict[str, Any]
    steps: list[str]
    step: str = ""
    begin: float = 0.0
    end: float = 0.0
    cancelled: bool = False
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def made(self) -> Path:
        return Path(self.case["work"]) / MADE


class _Report:
    """What the host tells, as messages of the protocol."""

    def __init__(self, course: _Course, say: Callable[..., None], moved: Callable[[], None]) -> None:
        self._course = course
        self._say = say
        self._moved = moved

    def stage(self, state: str, message: str = "") -> None:
        self.check()
        self._say(self._course, "stage", state=state, message=message)

    def progress(self, fraction: float, message: str = "") -> None:
        self.check()
        self._moved()
        width = self._course.end - self._course.begin
        done = self._course.begin + width * min(max(fraction, 0.0), 1.0)
        self._say(self._course, "progress", fraction=round(done, 4), message=message[:500])

    def log(self, text: str, level: str = "info") -> None:
        self._moved()
        self._say(self._course, "log", level=level, text=text)

    def check(self) -> None:
        if self._course.cancelled:
            raise Cancelled()


class HostStepsChild:
    """A real worker and, for cases that ask for it, the host's engine and exporter.

    ``spawn`` makes the real worker. All callbacks are those of :class:`.children.Child`.
    """

    def __init__(
        self,
        spawn: Callable[..., ChildLike],
        inside: HostSteps,
        on_message: OnMessage,
        on_log: OnLog,
        on_end: OnEnd,
        on_hung: Callable[[float], None] | None = None,
        hung_seconds: float | None = None,
    ) -> None:
        self._inside = inside
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

    def send(self, message: dict[str, Any]) -> None:
        """A case with steps in this process begins from the event loop; everything else is passed on."""
        if message["type"] != "case":
            self._worker.send(message)
            return
        case = protocol.unpack("case", message)
        course = _Course(str(message["job"]), int(message["attempt"]), case, steps_of(case))
        if course.steps == ["last"]:
            self._give(course, case)
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
            self._inside.stop()
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
            self._inside.stop()

    # --- the way of a case ---------------------------------------------------------------------

    def _next(self, course: _Course) -> None:
        """The next step; a host that is at another case is waited for."""
        if self._course is not course or self._ended:
            return
        if course.cancelled:
            self._failed(course, Cancelled())
            return
        if course.steps[0] in _HERE and self._inside.running:
            if not course.step:
                self._say(course, "stage", state="preparing", message="waits for another case inside Slicer")
            qt.single_shot(_AGAIN_MS, lambda: self._next(course))
            return
        course.step = course.steps.pop(0)
        ends = _ENDS["export" in steps_of(course.case)]
        course.begin, course.end = course.end, ends[course.step]
        if course.step in _HERE:
            self._work_here(course)
        elif course.step == "first":
            self._give(course, {**course.case, "only": "segmentation", "made": str(course.made)})
        else:
            self._give(course, {**course.case, "made": str(course.made), "made_facts": course.facts})

    def _give(self, course: _Course, case: dict[str, Any]) -> None:
        packed = protocol.pack("case", case, str(case["work"]))
        self._worker.send({"type": "case", "job": course.job, "attempt": course.attempt, **packed})

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
            self._say(course, "log", level="error", text=traceback.format_exc())
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
        work = Path(course.case["work"])
        work.mkdir(mode=0o700, parents=True, exist_ok=True)
        if course.step == "segment":
            course.facts = self._inside.segment(course.case, course.made, report, self._guard)
            made, kind = course.made, "segmentation"
        else:
            folder = work / "exported"
            folder.mkdir(mode=0o700, exist_ok=True)
            made, kind = self._inside.export(course.case, course.made, folder, report), "glTF"
            course.case["given"] = {"gltf": str(made)}
        report.check()
        # Exit first, output second: a host that is content without a file has not done its part.
        if not made.is_file() or made.stat().st_size == 0:
            raise PipelineError("engine.failed", f"Slicer ended without an error and without a {kind}")

    def _guard(self, pid: int) -> None:
        """A process of the host's: the worker ends it where this process is killed and cannot."""
        if not self._ended:
            self._worker.send({"type": "guard", "job": "guard", "attempt": 0, "pid": pid})

    # --- hearing --------------------------------------------------------------------------------

    def _say(self, course: _Course, kind: str, **what: Any) -> None:
        if self._course is course and not self._ended:
            self._on_message({"type": kind, "job": course.job, "attempt": course.attempt, **what})

    def _failed(self, course: _Course, error: PipelineError) -> None:
        if self._course is course:
            self._say(course, "failed", error=error.to_dict())
            self._course = None

    def _heard(self, message: dict[str, Any]) -> None:
        """What the real worker says, put in its place in the whole case."""
        kind, course = message["type"], self._course
        if message.get("job") == "describe" and kind == "done":
            described = protocol.unpack("result", message)
            described["engines"] += self._inside.describe(described["engines"])
            self._on_message({"type": "done", "job": "describe", "attempt": 0, "result": described})
            return
        own = course is not None and (message.get("job"), message.get("attempt")) == (
            course.job,
            course.attempt,
        )
        if course is None or not own:
            self._on_message(message)
        elif kind == "progress":
            done = course.begin + (course.end - course.begin) * float(message.get("fraction", 0.0))
            self._on_message({**message, "fraction": round(done, 4)})
        elif kind == "stage" and message.get("state") == "preparing" and course.step == "last":
            return  # a later step does not begin from the front
        elif kind == "done" and course.step == "first":
            protocol.unpack("result", message)
            qt.single_shot(0, lambda: self._next(course))
        else:
            if kind in ("done", "failed"):
                self._course = None
            self._on_message(message)

    def _silent(self, seconds: float) -> None:
        if self._on_hung is not None:
            self._on_hung(seconds)
        else:
            self.kill()

    def _worker_ended(self, end: Any) -> None:
        self._leave()
        self._ended = True
        self._on_end(end)
