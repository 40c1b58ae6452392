"""Answers the rows of ``requests``: what other processes want of the pipeline."""

from __future__ import annotations

import logging
from typing import Any, Callable, Protocol

from ..core.errors import PipelineError
from ..core.job import Job
from ..core.store.requests import Request
from .context import Context

log = logging.getLogger(__name__)


class Actions(Protocol):
    """What can be asked; the pipeline itself."""

    def cancel(self, job_id: str) -> Job: ...

    def retry(self, job_id: str, then: Callable[[PipelineError | None], None]) -> None: ...

    def adopt(self, job_id: str) -> Job: ...

    def set_priority(self, job_id: str, priority: int) -> Job: ...

    def purge(self, job_id: str) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def stop(self) -> None: ...


class RequestAnswerer:
    """Looks at the open requests and answers each in its row, errors too."""

    def __init__(self, context: Context, actions: Actions) -> None:
        self._context = context
        self._actions = actions
        self._under_way: set[int] = set()

    def look(self) -> None:
        """Answer what is open."""
        for request in self._context.store.requests.open():
            if request.id not in self._under_way:
                self._serve(request)

    def _serve(self, request: Request) -> None:
        handler = getattr(self, f"_do_{request.kind}", None)
        try:
            if handler is None:
                raise PipelineError("request.invalid", f"the pipeline knows no request {request.kind!r}")
            answer = handler(request)
        except PipelineError as error:
            answer = {"error": error.to_dict()}
        except (KeyError, TypeError, ValueError) as error:
            log.exception("request %s", request.kind)
            answer = {"error": PipelineError("request.invalid", f"{request.kind}: {error}").to_dict()}
        if answer is not None:  # a retry answers when the input is back
            self._context.store.requests.answer(request.id, answer)

    def _do_cancel(self, request: Request) -> dict[str, Any]:
        return _ok(self._actions.cancel(_job_id(request)))

    def _do_retry(self, request: Request) -> None:
        job_id = self._context.store.jobs.get(_job_id(request)).id

        def done(error: PipelineError | None) -> None:
            self._under_way.discard(request.id)
            answer = {"error": error.to_dict()} if error else _ok(self._context.store.jobs.get(job_id))
            self._context.store.requests.answer(request.id, answer)

        # The answer may come at once; then the row is answered before it counts as under way.
        self._under_way.add(request.id)
        try:
            self._actions.retry(job_id, done)
        except PipelineError as error:
            done(error)

    def _do_adopt(self, request: Request) -> dict[str, Any]:
        return _ok(self._actions.adopt(str(request.args["id"])))

    def _do_priority(self, request: Request) -> dict[str, Any]:
        return _ok(self._actions.set_priority(_job_id(request), request.args["priority"]))

    def _do_purge(self, request: Request) -> dict[str, Any]:
        self._actions.purge(_job_id(request))
        return {"ok": True}

    def _do_pause(self, request: Request) -> dict[str, Any]:
        self._actions.pause()
        return {"ok": True}

    def _do_resume(self, request: Request) -> dict[str, Any]:
        self._actions.resume()
        return {"ok": True}

    def _do_stop(self, request: Request) -> dict[str, Any]:
        # Answered first: afterwards nobody is left to do it.
        self._context.store.requests.answer(request.id, {"ok": True})
        self._actions.stop()
        return {"ok": True}


def _job_id(request: Request) -> str:
    if not request.job:
        raise PipelineError("request.invalid", f"{request.kind} needs a job")
    return request.job


def _ok(job: Job) -> dict[str, Any]:
    return {"ok": True, "job": job.id, "state": job.state}
