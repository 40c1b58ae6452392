"""What an engine's answer becomes in a bundle."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Mapping

from ... import __version__
from ...core.bundles.claims import Owner
from ...core.bundles.layout import KEPT, FileFacts, Outcome
from ...core.bundles.packing import facts_of
from ...core.errors import PipelineError
from ...core.messages.reader import plain, read
from ...core.messages.worker_messages import CaseResult
from ..processes.child import Exit


@dataclass
class AtHand:
    """How a case is tried now: ``options`` and ``ladder`` of the present try, ``used`` by the engine."""

    owner: Owner
    options: dict[str, object]
    ladder: list[str]
    tries: int = 1
    deaths: int = 0  # ends of the engine's process
    used: Mapping[str, str] = field(default_factory=dict)


def good(now: AtHand, result: object, making: Path, seconds: float) -> Outcome:
    """The outcome of an engine's ``done``; its files must be in ``making``.

    Raises ``worker.protocol`` or ``export.verification``, OSError where the share fails.
    """
    found = read(CaseResult, result, "result")
    files = {output.name: FileFacts(output.size, output.sha256) for output in found.outputs}
    for name, facts in files.items():
        path = making / name
        if not path.is_file() or path.stat().st_size != facts.size:
            raise PipelineError("export.verification", f"the output {name} is missing")
    if (making / KEPT).is_file():
        files[KEPT] = facts_of(making / KEPT)
    return _outcome(now, seconds, ok=True, result=plain(found), files=files, used=dict(found.used))


def bad(now: AtHand, error: PipelineError, seconds: float, memory: bool = False) -> Outcome:
    """The outcome of a case that has no result."""
    return _outcome(now, seconds, ok=False, error=error.to_dict(), memory=memory, used=dict(now.used))


def _outcome(
    now: AtHand,
    seconds: float,
    ok: bool,
    used: dict[str, str],
    result: dict[str, object] | None = None,
    files: dict[str, FileFacts] | None = None,
    error: dict[str, str] | None = None,
    memory: bool = False,
) -> Outcome:
    return Outcome(
        ok, result, files or {}, error, memory, used, now.options, now.ladder, round(seconds, 3), now.tries,
        now.owner.host, now.owner.scheduler_job, __version__,
    )  # fmt: skip


def ended_early(end: Exit, hung: bool, deaths: int) -> PipelineError:
    """Why a case has no answer: its engine's process ended."""
    code = "worker.hung" if hung else "worker.vanished"
    times = "once" if deaths == 1 else f"{deaths} times"
    return PipelineError(code, f"the engine's process ended {times} over this case ({end.how})")
