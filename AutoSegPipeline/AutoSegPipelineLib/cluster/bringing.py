"""Reading a case on the share from the pipeline's side: its results and what its workers logged."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path

from ..core.bundles.layout import KEPT, CaseFolder, Outcome
from ..core.bundles.packing import fetch_result
from ..core.errors import PipelineError
from ..core.files import remove_tree
from ..core.messages.worker_messages import CaseOrder
from .out_bundle import OutCase

log = logging.getLogger(__name__)

_LOG_BLOCK = 16 << 10


def bring(order: CaseOrder, folder: CaseFolder, outcome: Outcome) -> None:
    """Copy the files of a good outcome to where ``order`` wants them; what an earlier call left goes first.

    Each is checked by its hash: raises ``environment.bundle_damaged``, or OSError.
    """
    try:
        _bring(order, folder, outcome)
    except PipelineError:
        discard(order)
        raise


def discard(order: CaseOrder) -> None:
    """Remove what was brought for an attempt that nobody wants; what was accepted lies elsewhere."""
    if order.out:
        try:
            remove_tree(Path(order.out))
        except OSError as error:
            log.warning("%s cannot be removed: %s", order.out, error)


def _bring(order: CaseOrder, folder: CaseFolder, outcome: Outcome) -> None:
    target = Path(order.out)
    remove_tree(target)
    target.mkdir(mode=0o700)
    kept = {name: facts for name, facts in outcome.files.items() if name == KEPT}
    others = {name: facts for name, facts in outcome.files.items() if name != KEPT}
    fetch_result(folder, replace(outcome, files=others), target)
    if kept and order.keep:
        place = Path(order.keep)
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fetch_result(folder, replace(outcome, files=kept), place.parent)
        if place.name != KEPT:
            os.replace(place.parent / KEPT, place)


def next_log(case: OutCase, folder: CaseFolder) -> str:
    """The complete lines that came to the case's log since the last call, a block at most."""
    try:
        with open(folder.log, "rb") as stream:
            stream.seek(case.logged)
            data = stream.read(_LOG_BLOCK)
    except OSError:
        return ""
    if b"\n" in data:  # a line that is being written waits
        data = data[: data.rindex(b"\n") + 1]
    elif len(data) < _LOG_BLOCK:
        return ""
    case.logged += len(data)
    return data.decode("utf-8", "replace").rstrip()
