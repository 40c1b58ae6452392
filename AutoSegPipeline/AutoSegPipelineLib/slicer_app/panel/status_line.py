"""The status line, in the words of the original: new file added, processing, how many in the queue. Pure."""

from __future__ import annotations

from typing import Iterable

from ...core import states
from ...core.store.jobs import Brief
from .job_list import JobList
from .texts import _

_MANY = 10


class News:
    """Remembers which state each job was last seen in, and tells what is new."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}
        self._latest: list[str] = []  # two, because a quick job is added and at work in one look

    def hear(self, changed: Iterable[Brief], quietly: bool = False) -> list[str]:
        """Sentences about what changed; ``quietly`` only remembers (what was there before)."""
        lines: list[str] = []
        added: list[Brief] = []
        for job in changed:
            before = self._seen.get(job.id)
            self._seen[job.id] = job.state
            if quietly or before == job.state:
                continue
            if before is None:
                added.append(job)
            if job.state in states.RUNNING and before not in states.RUNNING:
                lines.append(_("Processing {name}").format(name=job.label))
            elif job.state in states.ENDS:
                lines.append(_ending(job))
        if len(added) > _MANY:
            lines.insert(0, _("{number} new files added").format(number=len(added)))
        else:
            lines[:0] = [_("New file added: {name}").format(name=job.label) for job in added]
        if lines:
            self._latest = lines[-2:]
        return lines

    def line(self, jobs: JobList, watching: bool, paused: dict[str, object] | None, state: str) -> str:
        """What to show now."""
        parts = list(self._latest)
        running = jobs.running
        if running:
            sentence = _("Processing {name}").format(name=", ".join(job.label for job in running))
            parts = [part for part in parts if not part.startswith(sentence)] + [sentence]
        parts.append(_("{number} in the queue").format(number=jobs.waiting))
        if paused:
            parts.append(_("Paused: {reason}").format(reason=paused.get("reason") or paused.get("code")))
        elif state == "stopped":
            parts.append(_("The pipeline is not running"))
        elif state in ("starting", "stopping"):
            parts.append(_("Starting") if state == "starting" else _("Stopping"))
        elif not running and watching:
            parts.append(_("Waiting for new files"))
        return ". ".join(part for part in parts if part)


def _ending(job: Brief) -> str:
    if job.state == states.DONE:
        return _("Done: {name}").format(name=job.label)
    words = {
        states.FAILED: _("Failed: {name}: {why}"),
        states.REFUSED: _("Refused: {name}: {why}"),
        states.CANCELLED: _("Cancelled: {name}"),
    }
    return words[job.state].format(name=job.label, why=job.message)
