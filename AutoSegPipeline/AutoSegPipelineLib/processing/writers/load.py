"""From a row of the table of formats to its writer."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from ...core.progress import Report
from ...core.result_formats import ResultFormat

if TYPE_CHECKING:
    from ..export_data import ExportData


class NotWritten(Exception):
    """Raised by a writer: the case is good without this file, and a warning says why it is missing."""


class Writer(Protocol):
    """A module of this folder: how one format is written and checked."""

    def write(self, path: Path, data: ExportData, report: Report) -> None:
        """Write one file of the format; a format of several endings is asked for each.

        ``report`` takes progress and answers cancelling. Raises OSError when the disk does not take
        it, PipelineError ``export.*`` for what the format cannot hold, :class:`NotWritten`.
        """

    def verify(self, path: Path, data: ExportData) -> None:
        """Open the written file again and compare it with ``data``.

        Raises PipelineError ``export.verification``, or what reading a damaged file raises.
        """


def load(row: ResultFormat) -> Writer:
    """The writer of ``row``, imported when first needed."""
    return cast(Writer, import_module(f"{__package__}.{row.writer}"))
