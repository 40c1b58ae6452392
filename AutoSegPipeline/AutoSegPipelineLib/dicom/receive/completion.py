"""When a series or study is complete, and its hand-over to the pipeline."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sqlite3
import threading
import time
from pathlib import Path
from typing import Iterable

from ...core.crash_points import reached
from ...core.error_origin import origin_of
from ...core.errors import PipelineError
from ...core.files import free_bytes, remove_tree
from ...core.pacs.config import Entry
from ...core.pacs.store import PacsStore
from ...core.store import Store
from ...intake.received.client_input import CaseRequest, clean_name
from ...intake.received.grouping import ReceivedFile
from ...intake.received.handover import Handover, ask_to_adopt, read_plan
from ..choose.decide import decide
from ..context import Context
from .received_rows import ReceivedRows
from .series_folder import SeriesFolder
from .spool import Spool
from .study_input import belongs, earlier_job, is_one_input, note_members, noted_members, together

log = logging.getLogger(__name__)

DOOR = "dicom"
LOOK_SECONDS = 1.0
RETRY_SECONDS = 30.0
BROKEN_OFF = 5
EXPIRE_SECONDS = 60.0
STOP_SECONDS = 10.0
_PARTIAL = {
    "code": "dicom.earlier_images_gone",
    "message": "Images of this series that came earlier are no longer kept here; this case is of those that "
    "came after them.",
}


class Completion:
    """One thread with connections of its own; it alone closes series and hands them over."""

    def __init__(self, context: Context, spool: Spool) -> None:
        self._context = context
        self._spool = spool
        self._handover = Handover(
            context.home, DOOR, spool.root, int(context.settings["disk_min_free_mb"]) << 20
        )
        self._keep_seconds = float(context.settings["grace_hours"]) * 3600
        self._expired_at = 0.0
        self._thread = threading.Thread(target=self._run, name="completion", daemon=True)

    def start(self) -> None:
        """Begin with what an earlier process has planned."""
        self._thread.start()

    def stop(self) -> None:
        """End after the hand-over at hand; the rest is carried on at the next start."""
        self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        while not self._context.ended.is_set():
            try:
                self._serve()
            except Exception as error:  # the thread's boundary: what could not be done now is tried again
                log.error("what was received could not be looked through: %s", _said(error))
                self._context.ended.wait(RETRY_SECONDS)

    def _serve(self) -> None:
        with contextlib.ExitStack() as stack:
            pacs = stack.enter_context(contextlib.closing(self._context.pacs_store()))
            store = stack.enter_context(contextlib.closing(self._context.store()))
            rows = ReceivedRows(pacs, self._context.clock)
            self._finish_planned(store)
            while not self._context.ended.wait(LOOK_SECONDS):
                self._look(pacs, store, rows)

    def _finish_planned(self, store: Store) -> None:
        """Hand-overs of series that are done already: only the folder was left."""
        pending = {_handed_name(one) for one in self._spool.live() if one.pending}
        for folder in self._handover.root.glob("h-*"):
            if folder.name in pending:
                continue
            try:
                intents = self._handover.resume(folder)
                if intents:
                    ask_to_adopt(store, intents)
                self._handover.remove(folder)
            except (OSError, sqlite3.Error, PipelineError) as error:
                log.warning("%s stays until the next start: %s", folder, error)

    # --- one look ------------------------------------------------------------------------------------

    def _look(self, pacs: PacsStore, store: Store, rows: ReceivedRows) -> None:
        now = time.monotonic()
        for entry, unit in self._units():
            ready = [one for one in unit if one.retry_at <= now]
            try:
                if any(one.has_open for one in ready) and is_complete(unit, entry, now):
                    for one in ready:
                        one.close()
                waiting = [one for one in ready if one.pending]
                if waiting:
                    self._take(pacs, store, entry, waiting)
            except Exception as error:  # the unit's boundary: the others go on
                _put_off(ready, error)
        live = self._spool.live()
        rows.note(live, self._context.config())
        for one in live:
            self._spool.rest(one)
        if now - self._expired_at > EXPIRE_SECONDS or not self._expired_at:
            self._expired_at = now
            is_short = free_bytes(self._spool.root) < self._handover.min_free_bytes
            self._spool.expire(0 if is_short else self._keep_seconds)

    def _units(self) -> list[tuple[Entry, list[SeriesFolder]]]:
        """What is complete together, each with what dicom.json says of it now."""
        config = self._context.config()
        found: dict[tuple[str, ...], tuple[Entry, list[SeriesFolder]]] = {}
        for one in self._spool.live():
            origin = one.note.origin
            entry = config.entry(origin.called) or Entry(origin.called)
            unit = origin.study if entry.unit == "study" and origin.study else one.key
            found.setdefault((origin.called, unit), (entry, []))[1].append(one)
        return list(found.values())

    def _take(self, pacs: PacsStore, store: Store, entry: Entry, unit: list[SeriesFolder]) -> None:
        left_out = self._left_out(pacs, entry, unit)
        joined = is_one_input(entry, self._context.settings)
        taken = [one for one in unit if one.note.origin.series not in left_out]
        for inputs in together(taken) if joined else [[one] for one in taken]:
            try:
                members = self._members(inputs, left_out) if joined else inputs
                self._hand_over(store, entry, inputs, members)
            except Exception as error:  # the input's boundary: the others of its study go on
                _put_off(inputs, error)
        for one in unit:
            if one in taken:
                continue
            try:
                reason = left_out[one.note.origin.series]
                log.info("a series for %s is left out: %s", entry.title, reason)
                one.finish([])
                one.problem = reason
            except Exception as error:
                _put_off([one], error)

    def _left_out(self, pacs: PacsStore, entry: Entry, unit: list[SeriesFolder]) -> dict[str, str]:
        """Why series are not processed, by UID; decided among all of the study that are here."""
        if not entry.choose:
            return {}
        studies = {one.note.origin.study for one in unit}
        here = [
            one
            for one in self._spool.all()
            if one.note.origin.called == entry.title and one.note.origin.study in studies
        ]
        paths = [str(path) for one in here for path in one.files()]
        return {one.series.uid: one.reason for one in decide(pacs, entry, paths) if not one.taken}

    def _members(self, pending: list[SeriesFolder], left_out: dict[str, str]) -> list[SeriesFolder]:
        """All series of the study that are here, those of earlier jobs too: together they are the case."""
        here = {one.key: one for one in self._spool.all() if belongs(one, pending[0])}
        here.update({one.key: one for one in pending})
        return [here[key] for key in sorted(here) if here[key].note.origin.series not in left_out]

    def _hand_over(
        self, store: Store, entry: Entry, pending: list[SeriesFolder], members: list[SeriesFolder]
    ) -> None:
        """``members`` become one input, for which ``pending`` among them wait.

        Again is fine at any point: the plan in the folder says what was meant. The series after which the
        folder is called is finished last, so that a crash before leaves it to be found.
        """
        places = [(one, self._spool.root / _handed_name(one)) for one in pending]
        series, folder = next((place for place in places if read_plan(place[1]) is not None), places[0])
        files: list[ReceivedFile] = []
        if read_plan(folder) is None:
            remove_tree(folder)
            folder.mkdir(mode=0o700)
            paths = [path for one in members for path in one.files()]
            files = _linked(paths, folder, clean_name(series.note.origin.calling))
            if len(members) > 1:
                note_members(folder, members)
        noted = noted_members(folder) or {series.key: series.closed}
        version, earlier = earlier_job(store, members)
        complete = all(one.has_last for one in members if one.note.done)
        handed = self._handover.hand_over(
            folder, files, CaseRequest(entry.job_options), series.note.origin.calling,
            version=version, supersedes=earlier if complete else None,
            visible_to=_visible_to(entry, series),
            warnings=[] if all(one.has_all for one in members) else [_PARTIAL],
        )  # fmt: skip
        if not handed.carried:
            raise PipelineError("environment.disk_full", "the disk does not take the rest of it")
        ask_to_adopt(store, handed.intents)
        reached("series asked for")
        for one in [*(one for one in pending if one is not series), series]:
            if noted.get(one.key) == one.closed:  # what came after the plan waits for the next
                one.finish([intent.id for intent in handed.intents])
                reached("series finished")
        self._handover.remove(folder)


def is_complete(unit: Iterable[SeriesFolder], entry: Entry, now: float) -> bool:
    """Whether the associations of ``unit`` have ended and nothing came for ``quiet_seconds``, or it is time.

    A sender whose association broke off, or which met a receiver that was killed, gets five times as long to
    come again. ``now`` is monotonic.
    """
    coming = [one for one in unit if one.has_open]
    if now - min(one.first for one in coming) >= entry.at_most_minutes * 60:
        return True
    quiet = entry.quiet_seconds * (BROKEN_OFF if any(one.broken_off for one in coming) else 1)
    return all(not one.associations and now - one.last >= quiet for one in coming)


def _said(error: Exception) -> str:
    """In its own words where they are ours or the system's; others may quote a header."""
    if isinstance(error, PipelineError):
        return error.message
    return str(error) if isinstance(error, (OSError, sqlite3.Error)) else origin_of(error)


def _put_off(unit: list[SeriesFolder], error: Exception) -> None:
    """It is tried again; what is in the spool is safe."""
    for one in unit:
        one.problem = _said(error)
        one.retry_at = time.monotonic() + RETRY_SECONDS
        log.error("a series waits in %s: %s", one.folder, one.problem)


def _handed_name(series: SeriesFolder) -> str:
    return f"h-{series.key}-{series.closed:04d}"


def _visible_to(entry: Entry, series: SeriesFolder) -> list[str]:
    account = series.note.origin.account
    return [*entry.visible_to, *([account] if account and account not in entry.visible_to else [])]


def _linked(paths: list[Path], folder: Path, name: str) -> list[ReceivedFile]:
    """Second names of ``paths`` in ``folder``, so that they stay for a later version."""
    found = []
    for number, path in enumerate(paths, 1):
        target = folder / f"{number:06d}.dcm"
        try:
            os.link(path, target)
        except OSError:  # a file system without links
            shutil.copyfile(path, target)
        size = target.stat().st_size
        found.append(ReceivedFile(f"{folder.name}/{target.name}", f"{name}/{target.name}", size))
    return found
