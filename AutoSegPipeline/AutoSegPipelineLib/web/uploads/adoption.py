"""The jobs of what was handed over: asks the pipeline to adopt it and waits a little for its answers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from ...core.errors import from_dict
from ...core.incoming import Intent
from ...core.job import Job
from ...intake.received.grouping import ReceivedFile
from ...intake.received.handover import Handed, ask_to_adopt
from ..ask import is_running
from ..context import WebContext
from ..documents import job_document

ANSWER_SECONDS = 10.0
_FIRST_LOOK, _LAST_LOOK = 0.02, 0.2


@dataclass
class Outcome:
    """Jobs in their public form; ``taken`` is False where the pipeline has not answered yet."""

    jobs: list[dict[str, Any]]
    taken: bool = True
    files: list[ReceivedFile] = field(default_factory=list)


async def adopted(
    context: WebContext, handed: Handed, files: list[ReceivedFile], seconds: float = ANSWER_SECONDS
) -> Outcome:
    """The jobs of ``handed``, and whether the pipeline has taken all of them.

    What it has not taken is taken when it can, at the latest at its next start; until then the job is
    shown as it will be.
    """
    intents, requests = handed.intents, context.store.requests
    asked = ask_to_adopt(context.store, intents if handed.carried else [])
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
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
    return Outcome(jobs, handed.carried and not waiting, files)


def _shown(context: WebContext, intent: Intent, answer: dict[str, Any] | None) -> dict[str, Any]:
    job = context.store.jobs.find(intent.id)
    if job is None:
        job = Job(
            id=intent.id, label=intent.label, input=intent.input, door=intent.door, submitted_by=intent.by
        )
        if answer and "error" in answer:
            job.error = from_dict(answer["error"]).to_dict()
    return job_document(context, job)
