"""What changes a job is asked of the pipeline and waited for, without holding the event loop."""

from __future__ import annotations

import asyncio
from typing import Any

from ..core.errors import PipelineError, from_dict
from ..core.lock import HomeLock
from .context import WebContext

PATIENCE_SECONDS = 10.0
_LOOK_SECONDS = 0.05


async def ask(
    context: WebContext,
    kind: str,
    job: str | None,
    args: dict[str, Any] | None = None,
    *,
    by: str,
    keep: bool = False,
    patience: float = PATIENCE_SECONDS,
) -> dict[str, Any]:
    """The pipeline's answer to the request ``kind``.

    Raises what the pipeline answers as an error, ``request.no_pipeline`` where none runs and
    ``web.unavailable`` where it does not answer in time; the wish is then withdrawn, unless
    ``keep`` says that it stays for later.
    """
    if not keep and not is_running(context):
        raise PipelineError("request.no_pipeline", "the pipeline is not running")
    requests = context.store.requests
    number = requests.ask(kind, job, args, by)
    until = context.clock.monotonic() + patience
    while context.clock.monotonic() < until:
        await asyncio.sleep(_LOOK_SECONDS)
        answer = requests.answer_of(number)
        if answer is not None:
            return _checked(answer)
    if keep or requests.withdraw(number):
        raise PipelineError("web.unavailable", "the pipeline does not answer")
    return _checked(requests.answer_of(number) or {})


def is_running(context: WebContext) -> bool:
    """Whether a pipeline holds this home."""
    return HomeLock(context.home.lock).is_held()


def _checked(answer: dict[str, Any]) -> dict[str, Any]:
    if "error" in answer:
        raise from_dict(answer["error"])
    return answer
