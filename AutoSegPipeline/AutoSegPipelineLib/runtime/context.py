"""What every part of the pipeline shares."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from ..core.clock import Clock
from ..core.events import EventBus, JobChanged, JobEnded
from ..core.files import is_disk_full
from ..core.home import Home
from ..core.job import Job
from ..core.settings import Settings
from ..core.store import Store
from .processes.host_steps import HostSteps


@dataclass
class Context:
    """Handed to every part: folders, settings, store, clock, bus, what the host can do itself."""

    home: Home
    settings: Settings
    store: Store
    clock: Clock
    bus: EventBus
    host_steps: HostSteps | None = None

    def enter(self, job: Job, state: str, message: str = "") -> None:
        """Move ``job`` on, write it and tell everybody."""
        job.message = message
        self.store.jobs.enter(job, state)
        self.publish_change(job)

    def publish_change(self, job: Job) -> None:
        """Publish what the store now says of ``job``."""
        self.bus.publish(JobChanged(job.id, job.state, job.progress, job.message))
        if job.ended:
            self.bus.publish(JobEnded(job.id, job.state))


def disk_is_full(error: BaseException) -> bool:
    """Whether a write failed for lack of space, SQLite's way of saying it included."""
    if isinstance(error, sqlite3.OperationalError):
        return "full" in str(error)
    return is_disk_full(error)
