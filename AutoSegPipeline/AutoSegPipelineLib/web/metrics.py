"""Figures for Prometheus: the queue, stages and their durations, failures by code, the disk, the PACS."""

from __future__ import annotations

import contextlib
from collections import Counter, OrderedDict
from typing import Any, AsyncIterator, Iterable, Iterator

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from ..core import states
from ..core.clock import parse_rfc3339
from ..core.files import free_bytes
from ..core.job import Job
from .ask import is_running
from .context import WebContext
from .events import Hub
from .pacs.figures import pacs_figures

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_STAGES = (
    states.RECEIVING, states.INSPECTING, states.QUEUED,
    states.PREPARING, states.SEGMENTING, states.EXPORTING, states.PUBLISHING,
)  # fmt: skip
_SECONDS = (0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600)
_REMEMBERED = 10000


class Figures:
    """What is counted while this process lives, and what is read when somebody asks."""

    def __init__(self, context: WebContext) -> None:
        self._context = context
        self._seen: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._began = context.clock.now()
        self.registry = CollectorRegistry(auto_describe=False)
        self._stages = Histogram(
            "autoseg_stage_seconds", "How long cases were in each stage.", ("stage",),
            buckets=_SECONDS, registry=self.registry,
        )  # fmt: skip
        self._cases = Histogram(
            "autoseg_case_seconds", "From arrival to the end.", ("state",),
            buckets=_SECONDS, registry=self.registry,
        )  # fmt: skip
        ProcessCollector(registry=self.registry)
        self.registry.register(_Now(context))

    def hear(self, job: Job) -> None:
        """Count a job that has ended since this process began, once."""
        at = job.times.get(job.state, "")
        key = (job.id, at)
        if not job.ended or not at or key in self._seen or parse_rfc3339(at) < self._began:
            return
        self._seen[key] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        for stage, seconds in durations(job):
            self._stages.labels(stage).observe(seconds)
        first = min(job.times.values())
        self._cases.labels(job.state).observe(max(0.0, parse_rfc3339(at) - parse_rfc3339(first)))


def durations(job: Job) -> Iterator[tuple[str, float]]:
    """(stage, seconds) of an ended job, from the times at which it entered each."""
    # Times have milliseconds: states of one and the same keep the order of the table.
    entered = sorted(
        (at, states.ALL.index(state), state) for state, at in job.times.items() if state in states.ALL
    )
    for (begin, _, stage), (end, _, _) in zip(entered, entered[1:]):
        if stage in _STAGES:
            yield stage, max(0.0, parse_rfc3339(end) - parse_rfc3339(begin))


class _Now:
    """Gauges that are read from the store and the disk when somebody asks."""

    def __init__(self, context: WebContext) -> None:
        self._context = context

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        context = self._context
        counts = context.store.jobs.counts()
        yield _gauge("autoseg_jobs", "Jobs by state.", "state", counts)
        waiting = sum(counts[state] for state in states.WAITING)
        yield GaugeMetricFamily("autoseg_queue_waiting", "Jobs that wait for their turn.", waiting)
        running = sum(counts[state] for state in states.RUNNING)
        yield GaugeMetricFamily("autoseg_jobs_running", "Jobs that are worked on.", running)
        failed = context.store.jobs.list((states.FAILED, states.REFUSED))
        codes = Counter(str((job.error or {}).get("code", "")) for job in failed)
        yield _gauge("autoseg_jobs_failed", "Failed and refused jobs that are kept, by code.", "code", codes)
        folders = {"state": context.home.state, "results": context.home.results}
        free = {}
        for name, folder in folders.items():
            with contextlib.suppress(OSError):  # a share that is away has no figure
                free[name] = free_bytes(folder)
        yield _gauge("autoseg_disk_free_bytes", "Free disk.", "folder", free)
        least = context.config.disk_min_free_mb << 20
        yield GaugeMetricFamily("autoseg_disk_watermark_bytes", "Below this nothing is taken.", least)
        paused = context.store.meta.get("paused")
        yield GaugeMetricFamily("autoseg_paused", "1 while no case is begun.", 1 if paused else 0)
        up = 1 if is_running(context) else 0
        yield GaugeMetricFamily("autoseg_up", "1 while the pipeline runs.", up)
        yield from pacs_figures(context)
        streams = context.shared["hub"].streams
        yield GaugeMetricFamily("autoseg_event_streams", "Open event streams.", streams)


def _gauge(name: str, text: str, label: str, values: dict[str, Any]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in sorted(values.items()):
        family.add_metric([key], value)
    return family


def text(context: WebContext) -> bytes:
    """Everything in Prometheus' text format."""
    figures: Figures = context.shared["figures"]
    return bytes(generate_latest(figures.registry))


@contextlib.asynccontextmanager
async def lifespan(context: WebContext) -> AsyncIterator[None]:
    """Counts as long as the application lives; at ``context.shared["figures"]``."""
    hub: Hub = context.shared["hub"]
    figures = context.shared["figures"] = Figures(context)
    hub.listeners.append(figures.hear)
    yield
