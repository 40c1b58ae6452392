"""What a case comes to when whoever had it is done with it, be it a worker here or on another machine."""

from __future__ import annotations

from typing import Mapping, Protocol

from ...core import states
from ...core.errors import PipelineError
from ...core.job import Job
from ...core.ladder import next_rung
from ...core.messages.reader import plain, read
from ...core.messages.worker_messages import CaseResult
from ...core.resolved import qualities
from ..conditions import Conditions
from ..context import Context
from ..ending.end_queue import EndQueue
from .engine_catalogue import EngineCatalogue
from .limits import VANISHED_LIMIT
from .result_cache import ResultCache

_STAGES = (states.PREPARING, states.SEGMENTING, states.EXPORTING)


class Learner(Protocol):
    """Remembers how long cases take."""

    def learn(self, job: Job, used: dict[str, str], seconds: float) -> None: ...


class CaseEnds:
    """Writes each row; what is to be published or has ended goes into the queue ``ends``."""

    def __init__(
        self, context: Context, conditions: Conditions, result_cache: ResultCache,
        catalogue: EngineCatalogue, ends: EndQueue,
    ) -> None:  # fmt: skip
        self._context = context
        self._conditions = conditions
        self._result_cache = result_cache
        self._catalogue = catalogue
        self._ends = ends

    def stage(self, job: Job, state: str, message: str) -> None:
        """The case is at ``state`` now, as far as the table of states has that step."""
        job.message = message
        if state in _STAGES and state in states.TRANSITIONS[job.state]:
            self._conditions.durably(lambda: self._context.enter(job, state, message))
        else:
            self._context.publish_change(job)

    def done(self, job: Job, answer: object, seconds: float, forecast: Learner) -> None:
        """Processed in ``seconds``, which ``forecast`` learns; raises ``worker.protocol`` for no result."""
        result = read(CaseResult, answer, "result")
        job.staged["coming"] = [plain(output) for output in result.outputs]
        job.warnings = _merged(job.warnings, result.warnings)
        job.engine = result.engine or job.engine
        job.modality = result.modality or job.modality
        job.progress, job.eta_s = 1.0, None
        if not job.cached_from and job.staged["kind"] == "scan":
            forecast.learn(job, result.used, seconds)
        self._conditions.durably(lambda: self._context.enter(job, states.PUBLISHING))
        self._ends.add(job)

    def failed(self, job: Job, error: PipelineError, used: Mapping[str, str]) -> None:
        """It failed over ``error``, which is its own: tried again in another way where there is one."""
        if error.code == "engine.no_memory" and self._step_down(job, used):
            self.back(job, "Tried again with less memory.")
        elif job.cached_from:
            self._result_cache.discard(job)
            job.cached_from = None
            self.back(job, "The kept label map did not serve; computed again.")
        else:
            self.end(job, states.FAILED, error)

    def _step_down(self, job: Job, used: Mapping[str, str]) -> bool:
        have = qualities(self._catalogue.for_now, job.options, job.modality)
        rung = next_rung(job.options, have, used.get("device", ""))
        if rung is None:
            return False
        job.options, sentence = rung
        job.staged["ladder"] = [*job.staged.get("ladder", []), sentence]
        job.warnings = _merged(job.warnings, [{"code": "engine.stepped_down", "message": sentence}])
        return True

    def vanished(self, job: Job, error: PipelineError, message: str) -> None:
        """Whoever had it has gone, which counts."""
        job.vanished += 1
        if job.vanished >= VANISHED_LIMIT:
            self.end(job, states.FAILED, error)
        else:
            self.back(job, message, wait=float(2 ** (job.vanished - 1)))

    def back(self, job: Job, message: str, wait: float = 0.0) -> None:
        """Back into the queue, not to begin within the next ``wait`` seconds."""
        job.not_before = self._context.clock.now() + wait if wait else 0.0
        job.progress, job.eta_s = 0.0, None
        self._conditions.durably(lambda: self._context.enter(job, states.QUEUED, message))

    def cancelled(self, job: Job) -> None:
        """Somebody asked for its end."""
        self.end(job, states.CANCELLED, PipelineError("job.cancelled", "It was cancelled."))

    def end(self, job: Job, state: str, error: PipelineError) -> None:
        """It ends here, in ``state``."""
        job.error, job.eta_s = error.to_dict(), None
        self._conditions.durably(lambda: self._context.enter(job, state, error.message))
        self._ends.add(job)


def _merged(old: list[dict[str, str]], new: list[dict[str, str]]) -> list[dict[str, str]]:
    return old + [warning for warning in new if warning not in old]
