"""What changes a job is asked of the pipeline and waited for, without holding the event loop."""

from __future__ import annotations

import asyncio
from typing import Sequence

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


async def ask_each(
    context: WebContext, commands: Sequence[Command], by: str, seconds: float = requests.ANSWER_SECONDS
) -> list[requests.Answer | PipelineError]:
    """The pipeline's answers to ``commands``, all written at once; an error stands in its place.

    Raises ``request.no_pipeline`` where none runs.
    """
    check_running(context)
    with context.store.transaction():  # one wait for the disk, not one for each of a hundred
        questions = [requests.Question(context.store, context.home, one, by, seconds) for one in commands]
    answers: dict[int, requests.Answer | PipelineError] = {}
    while True:
        # The pipeline answers in this order, so that the first open one is the one to look at.
        for number in range(len(answers), len(questions)):
            answer = _look(questions[number])
            if answer is None:
                break
            answers[number] = answer
        if len(answers) == len(questions):
            return [answers[number] for number in range(len(questions))]
        await asyncio.sleep(requests.LOOK_SECONDS)


def _look(question: requests.Question) -> requests.Answer | PipelineError | None:
    try:
        return question.look()
    except PipelineError as error:
        return error
    except requests.Waiting:
        if question.withdraw():
            return PipelineError("web.unavailable", "the pipeline does not answer")
        return _look(question)  # answered meanwhile


def check_running(context: WebContext) -> None:
    """Raise ``request.no_pipeline`` where no pipeline holds this home."""
    if not is_running(context):
        raise PipelineError("request.no_pipeline", "the pipeline is not running")


def is_running(context: WebContext) -> bool:
    """Whether a pipeline holds this home."""
    return requests.is_running(context.home)
