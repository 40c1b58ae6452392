"""What changes a job is asked of the pipeline and waited for, without holding the event loop."""

from __future__ import annotations

import asyncio

from ..core.commands import Command
from ..core.errors import PipelineError
from ..core.store import ask as requests
from .context import WebContext


async def ask(
    context: WebContext, command: Command, by: str, seconds: float = requests.ANSWER_SECONDS
) -> requests.Answer:
    """The pipeline's answer to ``command``.

    Raises what the pipeline answers as an error, ``request.no_pipeline`` where none runs and
    ``web.unavailable`` where it does not answer in time; the request is then withdrawn.
    """
    check_running(context)
    question = requests.Question(context.store, context.home, command, by, seconds)
    while True:
        try:
            answer = question.look()
        except requests.Waiting as waiting:
            if question.withdraw():
                raise PipelineError("web.unavailable", "the pipeline does not answer") from waiting
            continue  # answered meanwhile
        if answer is not None:
            return answer
        await asyncio.sleep(requests.LOOK_SECONDS)


def check_running(context: WebContext) -> None:
    """Raise ``request.no_pipeline`` where no pipeline holds this home."""
    if not is_running(context):
        raise PipelineError("request.no_pipeline", "the pipeline is not running")


def is_running(context: WebContext) -> bool:
    """Whether a pipeline holds this home."""
    return requests.is_running(context.home)
