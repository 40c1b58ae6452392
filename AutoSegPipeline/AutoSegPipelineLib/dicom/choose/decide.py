"""Deciding about the series that have come, and writing down why."""

from __future__ import annotations

from typing import Iterable

from ...core.pacs.config import Entry
from ...core.pacs.series_rules import Verdict, choose_series
from ...core.pacs.store import PacsStore
from .series_headers import read_study


def decide(store: PacsStore, entry: Entry, paths: Iterable[str]) -> list[Verdict]:
    """A verdict on each series that the files ``paths`` of one complete unit hold; they are noted.

    ``verdict.series.uid`` is the series. Reads every header once: about a millisecond for each slice.
    """
    verdicts = choose_series(entry.rules(), read_study(paths))
    store.verdicts.note(entry.title, verdicts)
    return verdicts
