"""Jobs as tables for people."""

from __future__ import annotations

import time
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from ..core import states
from ..core.clock import parse_rfc3339
from ..core.job import Job
from .output import safe

STYLES = {
    states.DONE: "green",
    states.FAILED: "red",
    states.REFUSED: "yellow",
    states.CANCELLED: "dim",
    **dict.fromkeys(states.RUNNING, "cyan"),
}


def state_text(state: str) -> Text:
    """The state in its colour."""
    return Text(state, style=STYLES.get(state, ""))


def duration(seconds: float) -> str:
    """``8 s``, ``3:07``, ``2:05:00``, ``4 d``: the shortest clear form."""
    seconds = max(0, round(seconds))
    if seconds < 60:
        return f"{seconds} s"
    if seconds >= 2 * 86400:
        return f"{seconds // 86400} d"
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


def day_and_time(at: float | None, never: str = "never") -> str:
    """``2026-11-29 16:13``, local time of seconds since 1970; ``never`` for None."""
    return never if at is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(at))


def moment(job: Job, state: str) -> float | None:
    """When ``job`` last entered ``state`` (seconds since 1970)."""
    stamp = job.times.get(state)
    return parse_rfc3339(stamp) if stamp else None


def took(job: Job) -> float | None:
    """Seconds from the start of work to its end."""
    begin, end = moment(job, states.PREPARING), moment(job, job.state)
    return end - begin if begin is not None and end is not None and end >= begin else None


def age(job: Job) -> str:
    """How long ago it came to its present state."""
    since = moment(job, job.state)
    return "" if since is None else duration(time.time() - since)


def news(job: Job) -> str:
    """What a person wants to know of it in one line."""
    if job.error and job.state in (states.FAILED, states.REFUSED):
        return safe(job.error.get("message", ""))
    if job.state in states.RUNNING:
        eta = f", {duration(job.eta_s)} left" if job.eta_s is not None else ""
        place = f" on {safe(job.where)}" if job.where else ""
        return f"{job.progress:.0%}{eta} {safe(job.message)}{place}".rstrip()
    if job.state == states.DONE and job.warnings:
        return f"{len(job.warnings)} warning{'s' if len(job.warnings) > 1 else ''}"
    return safe(job.message) if job.state not in states.ENDS else ""


def job_table(jobs: list[Job]) -> Table:
    """One row a job; the id's first eight letters are enough for every command."""
    table = Table(box=box.SIMPLE, pad_edge=False, show_edge=False)
    table.add_column("id", no_wrap=True)
    table.add_column("case", overflow="ellipsis", no_wrap=True, min_width=12, ratio=2)
    table.add_column("state", no_wrap=True)
    table.add_column("for", justify="right", no_wrap=True)
    table.add_column("", overflow="ellipsis", no_wrap=True, ratio=3)
    for job in jobs:
        table.add_row(job.id[:8], safe(job.label or job.name), state_text(job.state), age(job), news(job))
    return table


def facts_table(facts: list[tuple[str, object]]) -> Table:
    """Two columns, a name and what there is to say about it; empty facts are left out."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for name, value in facts:
        if value not in (None, "", []):
            table.add_row(name, value if isinstance(value, Text) else safe(str(value)))
    return table


def job_facts(job: Job, document: dict[str, Any], log: str) -> list[tuple[str, object]]:
    """Everything about one job, for ``autoseg show``."""
    shape = " x ".join(str(n) for n in job.shape) if job.shape else ""
    spacing = " x ".join(f"{mm:g}" for mm in job.spacing) + " mm" if job.spacing else ""
    error = job.error or {}
    options = ", ".join(f"{name}={_plain(value)}" for name, value in job.options.items())
    facts: list[tuple[str, object]] = [
        ("id", job.id), ("case", job.label), ("name", job.name), ("state", state_text(job.state)),
        ("progress", news(job) if job.state in states.RUNNING else ""),
        ("error", error.get("message", "")), ("", error.get("hint", "")), ("code", error.get("code", "")),
        ("input", job.input), ("door", job.door), ("by", job.submitted_by), ("engine", job.engine),
        ("runs on", job.where),
        ("modality", job.modality), ("voxels", shape), ("spacing", spacing), ("version", _version(job)),
        ("from cache of", job.cached_from), ("review", _review(job)), ("priority", job.priority),
        ("options", options), ("log", log),
    ]  # fmt: skip
    facts += [("warning", f"{found.get('message', '')} ({found.get('code', '')})") for found in job.warnings]
    facts += [("result", found["path"]) for found in document["outputs"]]
    facts += [(state, stamp) for state, stamp in sorted(job.times.items(), key=lambda pair: pair[1])]
    return facts


def _review(job: Job) -> str:
    """``good by ada: liver complete``; empty without a review."""
    found = job.review
    if not found:
        return ""
    words = f"{found['mark'] or 'remark'} by {found['by'] or 'somebody'}"
    outdated = " (of an earlier result)" if found["outdated"] else ""
    return words + (f": {found['remark']}" if found["remark"] else "") + outdated


def _version(job: Job) -> str:
    return f"{job.version} of its series" if job.series_key else ""


def _plain(value: object) -> str:
    return ",".join(str(item) for item in value) if isinstance(value, list) else str(value)
