"""Figures of the PACS for Prometheus, read when somebody asks."""

from __future__ import annotations

from typing import Iterable, Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from ..context import WebContext
from .dicom_process import KEY, DicomProcess
from .overview import fetch_counts


def pacs_figures(context: WebContext) -> Iterator[Metric]:
    """Nothing where no dicom process has ever run."""
    pacs: DicomProcess | None = context.shared.get(KEY)
    store = pacs.store if pacs is not None else None
    if pacs is None or store is None:
        return
    up = 0 if pacs.why_not() else 1
    yield GaugeMetricFamily("autoseg_pacs_up", "1 while the dicom process runs.", up)
    config, error = pacs.config()
    broken = 0 if error is None else 1
    yield GaugeMetricFamily("autoseg_pacs_configuration_wrong", "1 while dicom.json is wrong.", broken)
    states = [one for one in store.peers.list() if one.name in config.peers]
    asked = [(one.name, int(one.echo_ok)) for one in states if one.echo is not None]
    yield _by(("peer",), "autoseg_pacs_peer_up", "Whether the last C-ECHO was answered.", _keyed(asked))
    for name, text, values in (
        ("echo", "When a peer was asked last, since 1970.", [(one.name, one.echo) for one in states]),
        (
            "received",
            "When it sent something, since 1970.",
            [(one.name, one.received) for one in states],
        ),
        ("sent", "When it took something, since 1970.", [(one.name, one.sent) for one in states]),
    ):
        yield _by(("peer",), f"autoseg_pacs_last_{name}_seconds", text, _keyed(values))
    kept = _flat(fetch_counts(store))
    yield _by(("peer", "state"), "autoseg_pacs_fetches", "Fetches that are kept, by state.", kept)
    yield _by(("peer", "state"), "autoseg_pacs_sends", "Sends by state.", _flat(store.sends.counts()))
    series = _keyed(store.received.counts().items())
    yield _by(("state",), "autoseg_pacs_received_series", "Series that were sent to us, by state.", series)
    listens = 0 if not up or store.listening().get("error") else 1
    yield GaugeMetricFamily("autoseg_pacs_receiver_up", "1 while the receiver listens.", listens)
    rounds = [one for name, one in store.watched.rounds().items() if name in {w.name for w in config.watch}]
    good = _keyed([(one.watch, int(one.ok)) for one in rounds])
    yield _by(("watch",), "autoseg_pacs_watch_up", "Whether the last round of a watch went well.", good)
    waiting = _keyed([(one.watch, one.waiting) for one in rounds])
    yield _by(
        ("watch",), "autoseg_pacs_watch_waiting", "Studies that match and are not fetched yet.", waiting
    )
    refused = sum(one.count for one in store.refusals.list())
    yield GaugeMetricFamily("autoseg_pacs_refused_associations", "Refused, as far as kept.", refused)
    left = store.verdicts.count_left_out()
    yield GaugeMetricFamily("autoseg_pacs_series_left_out", "Series that no rule took, as far as kept.", left)


def _keyed(values: Iterable[tuple[str, float | None]]) -> dict[tuple[str, ...], float]:
    """By one label; what never happened has no figure."""
    return {(name,): value for name, value in values if value is not None}


def _flat(counts: Mapping[str, Mapping[str, int]]) -> dict[tuple[str, ...], float]:
    return {(peer, state): count for peer, states in counts.items() for state, count in states.items()}


def _by(labels: Iterable[str], name: str, text: str, values: Mapping[tuple[str, ...], float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=list(labels))
    for key, value in sorted(values.items()):
        family.add_metric(list(key), value)
    return family
