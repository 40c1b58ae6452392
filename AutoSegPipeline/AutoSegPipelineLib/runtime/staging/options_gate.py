"""Where a case's options are held against what the engines can do, before it is queued."""

from __future__ import annotations

import logging
from typing import Any, Mapping, Protocol

from ...core import options_check
from ...core.errors import PipelineError
from ..queue.engine_catalogue import EngineCatalogue

log = logging.getLogger(__name__)


class DescribesEngines(Protocol):
    """The scheduler."""

    def describe_again(self) -> None:
        """Ask a worker that rests what its engines are, where the last answer is old."""


class OptionsGate:
    """Outcomes wait until the engines are known; never longer than the description allows."""

    def __init__(self, catalogue: EngineCatalogue, workers: DescribesEngines) -> None:
        self._catalogue = catalogue
        self._workers = workers

    @property
    def is_open(self) -> bool:
        """Whether outcomes may be written."""
        return self._catalogue.settled

    def refresh(self) -> None:
        """Ask the engines again where the answer is old and a worker rests."""
        self._workers.describe_again()

    def check(self, options: Mapping[str, Any], modality: str) -> None:
        """Raise the refusal that these options deserve; nothing where the engines are not known."""
        described = self._catalogue.known
        if described is None or self._catalogue.stale:
            return
        try:
            options_check.check(described, options, str(options.get("modality") or modality))
        except PipelineError as error:
            if error.code in options_check.VOLATILE and not self._catalogue.fresh:
                log.info("left to the worker, because it may have been mended: %s", error)
                return
            raise

    def check_at_the_door(self, options: Mapping[str, Any]) -> None:
        """The same for what a caller gave, before anything is taken: rules and settings may add to it."""
        self.check(options, "")
