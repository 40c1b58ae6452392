"""Results out of a bundle into a folder: each case complete or not at all, nothing overwritten."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ..core import states
from ..core.bundles.layout import KEPT, Bundle, BundleEntry, CaseFolder, Outcome
from ..core.bundles.packing import facts_of, fetch_result
from ..core.errors import PipelineError
from ..core.files import fsync_folder, remove_tree

WAITING, RUNNING = "waiting", "running"


@dataclass
class CaseState:
    """One case of a bundle as a person asks for it; ``progress`` 0..1."""

    entry: BundleEntry
    name: str
    state: str
    progress: float = 0.0
    message: str = ""
    host: str = ""
    error: dict[str, str] | None = None

    def to_dict(self) -> dict[str, object]:
        """For ``--json``."""
        return {
            "job": self.entry.job,
            "attempt": self.entry.attempt,
            "name": self.name,
            "state": self.state,
            "progress": self.progress,
            "message": self.message,
            "host": self.host,
            "error": self.error,
        }


def state_of(outcome: Outcome) -> str:
    """An outcome in the words of jobs."""
    if outcome.ok:
        return states.DONE
    cancelled = (outcome.error or {}).get("code") == "job.cancelled"
    return states.CANCELLED if cancelled else states.FAILED


def look(bundle: Bundle) -> list[CaseState]:
    """Every case in the order of the list; raises as :meth:`Bundle.read` does."""
    return [_look(bundle.folder(entry), entry) for entry in bundle.read().cases]


def _look(folder: CaseFolder, entry: BundleEntry) -> CaseState:
    try:
        name, outcome = folder.read().order.stem, folder.outcome()
    except PipelineError as error:
        return CaseState(entry, entry.folder, states.FAILED, error=error.to_dict())
    if outcome is not None:
        return CaseState(entry, name, state_of(outcome), float(outcome.ok), "", outcome.host, outcome.error)
    progress = folder.progress() if folder.claim_number() else None
    if progress is None:
        return CaseState(entry, name, WAITING)
    return CaseState(
        entry, name, RUNNING, progress.progress, progress.message or progress.stage, progress.host
    )


def collect(bundle: Bundle, out: Path) -> list[CaseState]:
    """Bring every result into the folder ``out`` that is not there yet; the state of each case.

    One whose files cannot be brought is ``failed`` with the error. Raises OSError where the share or the
    disk fails: what was brought until then is complete.
    """
    found = look(bundle)
    for case in found:
        if case.state == states.DONE:
            try:
                _bring(bundle.folder(case.entry), out)
            except PipelineError as error:
                case.state, case.error = states.FAILED, error.to_dict()
    return found


def _bring(folder: CaseFolder, out: Path) -> None:
    outcome = folder.outcome()
    manifest = str((outcome.result or {}).get("manifest_name") or "") if outcome else ""
    if outcome is None or manifest not in outcome.files:
        raise PipelineError("environment.bundle_damaged", f"{folder.result} has no manifest")
    there = out / manifest
    if there.is_file() and facts_of(there) == outcome.files[manifest]:
        return  # it came last, so the others are there as well
    names = [name for name in outcome.files if name not in (manifest, KEPT)] + [manifest]
    taken = [name for name in names if os.path.lexists(out / name)]
    part = out / f".collect-{folder.name}"
    remove_tree(part)
    part.mkdir(mode=0o700)
    try:
        fetch_result(folder, outcome, part)
        # A collection that was interrupted has left some of the very same files.
        other = next((name for name in taken if facts_of(out / name) != outcome.files[name]), None)
        if other is not None:
            text = f"{out / other} is there already and is another file"
            raise PipelineError("export.failed", text, "Collect into an empty folder.")
        for name in names:
            os.replace(part / name, out / name)
        fsync_folder(out)
    finally:
        remove_tree(part)
