"""What happens to an input when its case has ended: spent, archived or fetched back."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Callable

from ...core import states
from ...core.clock import rfc3339
from ...core.crash_points import reached
from ...core.errors import PipelineError
from ...core.files import fsync_folder, remove_tree, write_json
from ...core.home import Home
from ...core.incoming import folder_of, input_of, read_intent, write_intent
from ...core.job import Job
from ...core.messages.intake_messages import ArchivedInput, ArchiveInput, FetchBack, FetchedBack
from ...core.pacs.source_series import kept_headers
from ...intake.case_names import OPTIONS_ENDING, file_stem
from ...intake.options_files import folder_options_path, read_options
from ..context import Context
from ..processes.intake_client import IntakeClient

log = logging.getLogger(__name__)

# Doors whose caller still has the file; the staged copy is ours to throw away.
THROWAWAY_DOORS = ("run", "export")


class InputDisposal:
    """Each method may be called again after a crash and then finishes what was begun."""

    def __init__(self, context: Context, intake: IntakeClient) -> None:
        self._context = context
        self._intake = intake
        self._unsynced = ""  # the newest row that a power cut could take back
        # Job -> what waits for its input to be archived: nobody may fetch it back before.
        self._on_the_way: dict[str, list[Callable[[], None]]] = {}

    def dispose(self, job: Job, then: Callable[[], None] | None = None) -> None:
        """Clear ``state/incoming/<id>`` of an ended job."""
        home = self._context.home
        remove_tree(home.work / job.id)
        folder = folder_of(home, job.id)
        if not folder.exists():
            return then() if then else None
        if job.door in THROWAWAY_DOORS:
            remove_tree(folder)
            return then() if then else None
        if job.staged.get("kept_at") and not (folder / "intent.json").exists():
            # A crash while the input was fetched back: finish that, then archive it again.
            return self._fetch(job, lambda error: self.dispose(job, then) if error is None else None)
        if job.state == states.DONE:
            if self._context.settings["inputs"] == "archive":
                return self._archive_input(job, home.archive, then)
            self.spend(job)
            return then() if then else None
        self._archive_input(job, home.refused if job.state == states.REFUSED else home.failed, then)

    def sync(self) -> None:
        """Every two seconds: one wait for the disk for all places that were noted meanwhile."""
        job_id, self._unsynced = self._unsynced, ""
        job = self._context.store.jobs.find(job_id) if job_id else None
        if job is not None:
            self._context.store.jobs.save(job)  # a durable commit takes all before it along

    def spend(self, job: Job) -> None:
        """Keep the input for the grace, out of the way."""
        home = self._context.home
        folder, target = folder_of(home, job.id), home.spent / job.id
        _keep_volume_only(folder / "work", str(job.staged.get("path") or ""))
        write_json(folder / "spent.json", {"at": rfc3339(self._context.clock.now()), "job": job.id})
        remove_tree(target)
        os.rename(folder, target)
        fsync_folder(home.spent)
        reached("input spent")

    def _archive_input(self, job: Job, parent: Path, then: Callable[[], None] | None) -> None:
        reason: dict[str, object] = {
            "job": job.id,
            "state": job.state,
            "label": job.label,
            "input": job.input,
            "error": job.error,
            "at": rfc3339(self._context.clock.now()),
        }
        name = job.name or str(job.staged.get("stem") or "") or file_stem(job.label)
        folder = str(folder_of(self._context.home, job.id))

        waiting = self._on_the_way.setdefault(job.id, [])

        def moved(result: ArchivedInput | None, error: PipelineError | None) -> None:
            if error is not None:
                log.error("the input of %s stays in %s: %s", job.id, folder, error)
            elif result is not None:
                fresh = self._context.store.jobs.find(job.id)
                if fresh is not None:
                    fresh.staged["kept_at"] = result.folder
                    self._context.store.jobs.save(fresh, durable=False)
                    self._unsynced = fresh.id
            self._on_the_way.pop(job.id, None)
            for action in [*([then] if then else []), *waiting]:
                action()

        self._intake.ask(ArchiveInput(folder, str(parent), name, reason), moved)

    def fetch_back(self, job: Job, then: Callable[[PipelineError | None], None]) -> None:
        """Bring the input back to ``state/incoming/<id>`` so that the job can run again.

        Options files that somebody has mended meanwhile hold.
        """

        def fetched(error: PipelineError | None) -> None:
            if error is None:
                read_options_again(self._context.home, job.id)
            then(error)

        return self._bring(job, fetched)

    def _bring(self, job: Job, then: Callable[[PipelineError | None], None]) -> None:
        if job.id in self._on_the_way:
            self._on_the_way[job.id].append(lambda: self._fetch_again(job.id, then))
            return None
        home = self._context.home
        folder, spent = folder_of(home, job.id), home.spent / job.id
        if (folder / "intent.json").exists():
            return then(None)
        if spent.exists():
            (spent / "spent.json").unlink(missing_ok=True)
            remove_tree(spent / "work")  # inspected again
            os.rename(spent, folder)
            fsync_folder(home.incoming)
            return then(None)
        if not job.staged.get("kept_at"):
            return then(PipelineError("input.missing", f"the input of {job.label} was purged; give it again"))
        self._fetch(job, then)

    def _fetch_again(self, job_id: str, then: Callable[[PipelineError | None], None]) -> None:
        fresh = self._context.store.jobs.find(job_id)
        if fresh is None:
            return then(PipelineError("request.unknown_job", f"job {job_id} was purged"))
        return self._bring(fresh, then)

    def _fetch(self, job: Job, then: Callable[[PipelineError | None], None]) -> None:
        target = folder_of(self._context.home, job.id)

        def fetched(_: FetchedBack | None, error: PipelineError | None) -> None:
            if error is not None:
                log.error("the input of %s cannot be fetched back: %s", job.id, error)
            then(error)

        self._intake.ask(FetchBack(str(job.staged["kept_at"]), str(target)), fetched)

    def forget(self, job: Job) -> None:
        """Remove every copy of the input that the pipeline has, the kept headers among them."""
        home = self._context.home
        kept_headers(home, job.id).unlink(missing_ok=True)
        for folder in (folder_of(home, job.id), home.spent / job.id, home.work / job.id):
            remove_tree(folder)
        if job.staged.get("kept_at"):
            remove_tree(Path(str(job.staged["kept_at"])))


def _keep_volume_only(work: Path, path: str) -> None:
    """Of what inspection made only the volume stays, which the viewer shows beside the result.

    Unless it was converted from DICOM it is a second name of the input and takes no room.
    """
    parts = Path(path).parts
    kept = parts[1] if len(parts) > 2 and parts[0] == "work" else ""
    if not kept:
        return remove_tree(work)
    for one in work.iterdir() if work.is_dir() else ():
        if one.name != kept:
            remove_tree(one)
    return None


def read_options_again(home: Home, job_id: str) -> None:
    """Bring the options in the intent of an inbox file up to what its options files say now.

    Where they are wrong the intent says so, and the job ends refused as it would have at the door.
    """
    intent = read_intent(folder_of(home, job_id))
    if intent is None or intent.door != "inbox":
        return
    named = [item for item in intent.files if item.original.endswith(OPTIONS_ENDING)]
    if not named and intent.file_options != intent.folder_options:
        return  # a part of an archive: what lay beside that is not here
    wrong = intent.refusal is not None and intent.refusal.get("code", "").startswith("options.")
    try:
        folder = folder_options_path(str(home.inbox), intent.input)
        if folder:
            intent.folder_options = read_options(folder)
        intent.file_options = dict(intent.folder_options)
        for item in named:
            path = input_of(home, job_id) / item.name
            intent.file_options.update(read_options(str(path), os.path.basename(item.original)))
        intent.refusal = None if wrong else intent.refusal
    except PipelineError as error:
        intent.refusal = error.to_dict()
    write_intent(home, intent)
