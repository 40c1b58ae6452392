"""A job: one input on its way, as everybody sees it."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field, fields
from typing import Any

from . import states
from .clock import rfc3339

_JSON = ("options", "shape", "spacing", "times", "outputs", "warnings", "error", "staged")
# Known to the pipeline alone: where files lie, how often it was tried, who asked to stop.
_PRIVATE = frozenset(
    {
        "staged",
        "out",
        "attempt",
        "vanished",
        "deaths",
        "not_before",
        "queued_at",
        "cancel",
        "content",
        "parent",
    }
)


@dataclass
class Job:
    """One row of ``jobs``. :meth:`to_dict` is its public form, everywhere the same."""

    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    name: str = ""  # the stem of every result file; empty until inspected
    label: str = ""  # what the source called it
    input: str = ""  # where it came from
    door: str = "submit"  # inbox, submit, run, export, web, dicom, console
    submitted_by: str = ""
    state: str = states.RECEIVING
    progress: float = 0.0
    message: str = ""
    eta_s: float | None = None
    engine: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    modality: str = ""
    shape: list[int] | None = None  # (i, j, k)
    spacing: list[float] | None = None  # mm along i, j, k
    series_key: str | None = None
    version: int = 1
    supersedes: str | None = None
    cached_from: str | None = None
    priority: int = 50
    times: dict[str, str] = field(default_factory=dict)  # state -> RFC 3339 UTC of its last entry
    outputs: list[dict[str, Any]] = field(default_factory=list)  # kind, name, size, sha256
    warnings: list[dict[str, str]] = field(default_factory=list)  # code, message
    error: dict[str, str] | None = None  # code, message, hint
    revision: int = 0
    # private
    staged: dict[str, Any] = field(default_factory=dict)  # what intake said about the input
    out: str = ""  # results folder of this job; empty means the home's
    attempt: int = 0
    vanished: int = 0
    deaths: int = 0
    not_before: float = 0.0  # back-off: not started earlier (seconds since 1970)
    queued_at: float = 0.0  # place in the queue (seconds since 1970)
    cancel: int = 0
    content: str = ""  # hash of the input's bytes
    parent: str | None = None  # the job whose archive or folder held this one

    @property
    def ended(self) -> bool:
        """Whether nothing more happens to it by itself."""
        return self.state in states.ENDS

    def to_dict(self) -> dict[str, Any]:
        """The public form for command line, API, events and console."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in _PRIVATE}

    def stamp(self, now: float) -> None:
        """Note that the present state was entered at ``now`` (seconds since 1970)."""
        self.times[self.state] = rfc3339(now)

    def to_row(self) -> dict[str, Any]:
        """Column values for the store."""
        row = {f.name: getattr(self, f.name) for f in fields(self)}
        for name in _JSON:
            row[name] = None if row[name] is None else json.dumps(row[name])
        return row

    @classmethod
    def from_row(cls, row: Any) -> Job:
        """The job of one row (a mapping of column to value)."""
        values = {f.name: row[f.name] for f in fields(cls)}
        for name in _JSON:
            values[name] = None if values[name] is None else json.loads(values[name])
        return cls(**values)


COLUMNS: tuple[str, ...] = tuple(f.name for f in fields(Job))
