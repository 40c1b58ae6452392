"""What people, doors and hosts ask of a running pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

from ..core.errors import PipelineError
from ..core.job import Job
from ..core.settings import Settings
from ..core.store import Store
from .flow import Flow
from .processes.web_host import WebHost


class Steering:
    """The half of :class:`.pipeline.Pipeline` that only hands on what was asked."""

    flow: Flow
    web: WebHost
    store: Store
    settings: Settings
    ready: bool

    def about(self) -> dict[str, Any]:
        """What the store's note ``pipeline`` tells other processes."""
        raise AssertionError("the pipeline says it")

    def submit(self, path: str | Path, options: dict[str, Any] | None = None, **about: Any) -> Job:
        """Take a copy of the scan or folder at ``path``; see :meth:`.flow.Flow.submit`."""
        return self.flow.submit(path, options, **about)

    def adopt(self, job_id: str) -> Job:
        """Take what another process has staged under ``state/incoming/<job_id>``."""
        return self.flow.adopt(job_id)

    def make_durable(self, paths: list[str], then: Callable[[PipelineError | None], None]) -> None:
        """Have files and folders synced by the intake child; ``then`` hears whether it could."""
        self.flow.intake.ask("sync", {"paths": paths}, lambda _result, error: then(error))

    def cancel(self, job_id: str) -> Job:
        """Stop a job that has not ended; its input goes to ``failed/``."""
        return self.flow.cancel(job_id)

    def retry(self, job_id: str, then: Callable[[PipelineError | None], None] | None = None) -> None:
        """Run an ended job again with its own input; ``then`` hears how that began."""
        self.flow.retry(job_id, then)

    def set_priority(self, job_id: str, priority: int) -> Job:
        """0 (whenever) to 100 (next)."""
        return self.flow.set_priority(job_id, priority)

    def place(self, job_id: str, before: str | None) -> Job:
        """Give a queued job the turn before the queued job ``before``, or the last turn (None)."""
        return self.flow.place(job_id, before)

    def purge(self, job_id: str) -> None:
        """Remove every trace of one ended case."""
        self.flow.purge(job_id)

    def watch(self, on: bool) -> None:
        """Begin or stop to take what lies in the inbox; the queue goes on either way."""
        self.use(self.settings.changed(watch=on))
        if self.ready:  # else the start that is under way heeds the setting
            self.flow.watch(on)
        self.store.meta.set("pipeline", self.about())

    def use(self, settings: Settings) -> None:
        """New defaults of cases and what is asked anew each time (inputs, workers, retention).

        What processes and the watcher were started with holds until the next start.
        """
        self.settings = settings
        self.flow.context.settings = settings

    def pause(self) -> None:
        """Begin no new case; what runs goes on to its end."""
        self.flow.pause()

    def resume(self) -> None:
        """Go on after :meth:`pause`, or look at once whether the surroundings are well again."""
        self.flow.resume()

    def start_web(self, settings: Settings | None = None) -> None:
        """Serve the web page, by ``settings`` or the pipeline's own; the store's note ``web`` has its URL."""
        self.web.start(settings or self.settings)

    def stop_web(self) -> None:
        """End the web page and nothing else."""
        self.web.stop()
