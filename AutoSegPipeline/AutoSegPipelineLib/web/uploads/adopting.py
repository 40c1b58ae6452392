"""Asks the pipeline to take what was handed over, and waits a little for its answers."""

from __future__ import annotations

import asyncio
from typing import Any

from ...core.commands import Adopt
from ...core.errors import from_dict
from ...core.incoming import Intent
from ...core.job import Job
from ..ask import is_running
from ..context import WebContext
from ..documents import job_document

ANSWER_SECONDS = 10.0
_FIRST_LOOK, _LAST_LOOK = 0.02, 0.2


async def adopted(
    context: WebContext, intents: list[Intent], ask: bool = True, seconds: float | None = None
) -> tuple[list[dict[str, Any]], bool]:
    """The jobs of ``intents`` as their public form, and whether the pipeline has taken all of them.

    What it has not taken is taken when it can, at the latest at its next start; until then the
    row is made up here.
    """
    requests = context.store.requests
    with context.store.transaction():
        wanted = intents if ask else []
        asked = {one.id: requests.ask(Adopt(one.id), one.by) for one in wanted}
    loop = asyncio.get_running_loop()
    until = loop.time() + (ANSWER_SECONDS if seconds is None else seconds)
    waiting, answers, pause = list(reversed(asked)), dict[str, Any](), _FIRST_LOOK
    while waiting:
        while waiting:  # they are answered in their order
            answer = requests.answer_of(asked[waiting[-1]])
            if answer is None:
                break
            answers[waiting.pop()] = answer
        if not waiting or loop.time() >= until or not is_running(context):
            break
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, _LAST_LOOK)
    jobs = [_shown(context, one, answers.get(one.id)) for one in intents]
    return jobs, ask and not waiting


def _shown(context: WebContext, intent: Intent, answer: dict[str, Any] | None) -> dict[str, Any]:
    job = context.store.jobs.find(intent.id)
    if job is None:
        job = Job(
            id=intent.id, label=intent.label, input=intent.input, door=intent.door, submitted_by=intent.by
        )
        if answer and "error" in answer:
            job.error = from_dict(answer["error"]).to_dict()
    return job_document(context, job)
