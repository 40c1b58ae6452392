"""What the watcher found becomes intents: names, options beside the scan, versions of a series."""

from __future__ import annotations

import os
from pathlib import Path

from ...core import incoming, states
from ...core.errors import PipelineError
from ...core.incoming import Intent, IntentFile, ending_of, folder_of
from ...core.job import Job
from ...core.store.small_tables import Consumed
from ...intake.dicom.late_slices import unnamed_places, were_late
from ...intake.options_files import folder_options_path, read_options
from ..context import Context
from ..ending.input_disposal import InputDisposal
from ..staging.series_keys import SeriesKeys
from .batches import InboxBatches
from .entries import ArrivedFile
from .watcher import Arrival

_LATE = "dicom.late_slices"


class InboxIntents:
    """Turns each :class:`Arrival` into an intent that ``batches`` stages."""

    def __init__(
        self,
        context: Context,
        disposal: InputDisposal,
        batches: InboxBatches,
        series_keys: SeriesKeys,
    ) -> None:
        self._context = context
        self._disposal = disposal
        self._batches = batches
        self._series_keys = series_keys
        self._later: list[Arrival] = []

    def arrived(self, arrivals: list[Arrival]) -> None:
        """The watcher's call: these inputs are complete."""
        for arrival in arrivals:
            self._one(arrival)

    def refused(self, paths: list[str], error: PipelineError, label: str) -> None:
        """The watcher's call: these cannot be taken; they are put away with the reason."""
        intent = Intent(door="inbox", input=paths[0], label=label or os.path.basename(paths[0]), consume=True)
        intent.files = [self._file(Path(path), number) for number, path in enumerate(paths, 1)]
        intent.refusal = error.to_dict()
        self._batches.take(intent)

    def passed_by(self, files: list[ArrivedFile]) -> None:
        """The watcher's call: these lie beside scans, are none, and must not be looked at at each start."""
        for found in files:
            self._context.store.ledger.note(Consumed(found.path, found.size, found.mtime_ns, "", ""))

    def again(self) -> None:
        """Look once more at what waited for an earlier version of its series to end."""
        waiting, self._later = self._later, []
        for arrival in waiting:
            self._one(arrival)

    @property
    def waiting(self) -> int:
        """Arrivals that wait for an earlier version of their series."""
        return len(self._later)

    def _one(self, arrival: Arrival) -> None:
        intent = self._intent(arrival)
        if arrival.series_uid and intent.refusal is None:
            intent.series_key = self._series_keys.of(arrival.series_uid)
            if not self._follow(intent, arrival):
                self._later.append(arrival)
                return
        self._batches.take(intent)

    def _intent(self, arrival: Arrival) -> Intent:
        main = Path(arrival.files[0].path)
        intent = Intent(door="inbox", input=str(main), label=arrival.label or main.name)
        intent.consume = self._context.settings["inputs"] != "keep"
        intent.container = arrival.format == "zip" or arrival.channels > 1
        intent.passed_by = list(arrival.passed)
        paths = [Path(found.path) for found in arrival.files]
        keep = arrival.kind == "file" and len(paths) > 1
        names = [self._name(path) for path in paths]
        intent.files = [
            IntentFile(incoming.safe_name(name, number, keep), found.path, name, found.size, found.mtime_ns)
            for number, (name, found) in enumerate(zip(names, arrival.files), 1)
        ]
        try:
            folder = folder_options_path(str(self._context.home.inbox), str(main))
            intent.folder_options = read_options(folder) if folder else {}
            intent.file_options = dict(intent.folder_options)
            if arrival.options_file:
                beside = Path(arrival.options_file)
                intent.files.append(self._file(beside, len(intent.files) + 1, keep=True))
                intent.file_options.update(read_options(str(beside)))
        except PipelineError as error:
            intent.refusal = error.to_dict()
        return intent

    def _name(self, path: Path) -> str:
        """Relative to the inbox: its subfolders become part of the stem."""
        inbox = self._context.home.inbox
        return path.relative_to(inbox).as_posix() if inbox in path.parents else path.name

    def _file(self, path: Path, number: int, keep: bool = False) -> IntentFile:
        try:
            found = os.lstat(path)
            size, mtime_ns = found.st_size, found.st_mtime_ns
        except OSError:
            size, mtime_ns = 0, 0  # the rename will say what is wrong
        name = self._name(path)
        return IntentFile(incoming.safe_name(name, number, keep), str(path), name, size, mtime_ns)

    # --- one more version of a series -----------------------------------------------------

    def _follow(self, intent: Intent, arrival: Arrival) -> bool:
        """Join ``count`` new files with the newest version of the series; False while that is under way."""
        earlier = self._context.store.jobs.of_series(str(intent.series_key))
        if not earlier:
            return True
        # Slices that came too late wait in refused/; what they were late for is the version before.
        versions = [job for job in earlier if (job.error or {}).get("code") != _LATE] or earlier
        last, places = versions[-1], unnamed_places(arrival.examined)
        known = last.ended or last.shape is not None
        if places is not None and known and not were_late(places, last):
            return True  # another scan of a folder whose files name no series
        if not last.ended and last.state != states.QUEUED:
            return False
        intent.version, intent.supersedes = earlier[-1].version + 1, last.id
        complete = last.shape is not None and len(arrival.files) >= last.shape[2]
        folder = "" if places is None else str(intent.files[0].original).rpartition("/")[0]
        if self._slices_of(last, folder) is None and not complete:
            error = PipelineError(_LATE, f"{intent.label}: its series was taken before")
            intent.refusal = error.to_dict()
            return True
        if last.state == states.QUEUED:
            self._replace(last)
        intent.union = self._slices_of(last, folder) or []
        return True

    def _slices_of(self, job: Job, below: str) -> list[list[str]] | None:
        """[path, staged name, given name] of each slice of ``job``; None where gone or in an archive.

        Slices that were put away have lost their folder, by which those without UIDs belong together: it is
        ``below``.
        """
        home, number = self._context.home, f"v{job.version}-"
        if ending_of(job.input) == ".zip":
            return None
        for folder in (home.spent / job.id, folder_of(home, job.id)):
            held = folder / "input"
            if held.is_dir():
                earlier = incoming.read_intent(folder)
                given = incoming.given_names(earlier) if earlier else {}
                paths = [path for path in sorted(held.iterdir()) if path.is_file()]
                return [[str(path), number + path.name, given.get(path.name, path.name)] for path in paths]
        kept = job.staged.get("kept_at")
        if kept and Path(kept).is_dir():
            paths = [path for path in sorted(Path(kept).rglob("*")) if path.is_file()]
            slices = [path for path in paths if path.name != "reason.json"]
            names = [f"{below}/{path.name}" if below else path.name for path in slices]
            staged = (f"{number}{n:06d}.dcm" for n in range(1, len(slices) + 1))
            return [[str(path), name, given_as] for path, name, given_as in zip(slices, staged, names)]
        return None if job.state == states.DONE else []

    def _replace(self, job: Job) -> None:
        """A queued version whose slices go into the next one needs no run of its own."""
        job.error = PipelineError("job.cancelled", "More slices arrived; the next version has all.").to_dict()
        self._context.enter(job, states.CANCELLED, "Superseded by a version with more slices.")
        self._disposal.spend(job)
