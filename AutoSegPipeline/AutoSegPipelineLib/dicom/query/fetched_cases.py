"""What was fetched becomes cases by the same hand-over as what was sent to us."""

from __future__ import annotations

from pathlib import Path

from ...core.errors import PipelineError
from ...core.files import remove_tree
from ...core.incoming import Intent
from ...core.pacs.config import Entry, PacsConfig
from ...core.pacs.fetches import Fetch
from ...core.pacs.series_rules import Verdict
from ...core.pacs.store import PacsStore
from ...intake.received.client_input import CaseRequest
from ...intake.received.grouping import ReceivedFile
from ...intake.received.handover import Handover, check_free
from ..choose.decide import decide
from ..context import Context

FOLDER = "pacs-fetched"  # below state/
_DOOR = "dicom"


class FetchedFolder:
    """The folder of one fetch: a folder for each series, then the plan of its hand-over."""

    def __init__(self, context: Context, fetch: Fetch) -> None:
        least = int(context.settings["disk_min_free_mb"]) << 20
        self.handover = Handover(context.home, fetch.order.door, context.home.state / FOLDER, least)
        self.path = self.handover.root / f"fetch-{fetch.id}"
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def check_free(self) -> None:
        """Raise ``environment.disk_full``."""
        check_free(self.path, self.handover.min_free_bytes)

    def hand_over(self, entry: Entry, fetch: Fetch, series: list[Path]) -> list[Intent]:
        """Cases of the files in ``series``. Again is fine: it goes on where it was interrupted.

        Raises as :meth:`...intake.received.handover.Handover.hand_over`, and ``environment.disk_full`` where
        the disk breaks off after the input counts.
        """
        label = fetch.order.label or "study"
        files = [
            ReceivedFile(
                path.relative_to(self.handover.root).as_posix(),
                f"{label}/{number}/{path.name}",
                path.stat().st_size,
            )
            for number, one in enumerate(series, 1)
            for path in sorted(one.iterdir())
        ]
        options = {**entry.job_options, **fetch.order.options}
        handed = self.handover.hand_over(
            self.path, files, CaseRequest(options=options), fetch.order.by, visible_to=entry.visible_to
        )
        if not handed.carried:
            raise PipelineError("environment.disk_full", "the disk is full; it goes on when there is space")
        return handed.intents

    def resume(self) -> list[Intent] | None:
        """Carry on a hand-over; None where none had begun."""
        return self.handover.resume(self.path)

    def remove(self) -> None:
        """Remove everything that was fetched and not handed over."""
        self.handover.remove(self.path)


def remove_left(context: Context, keep: set[int]) -> None:
    """Remove the folders of fetches that a crash left behind their end; ``keep`` are those still to do."""
    root = context.home.state / FOLDER
    if not root.is_dir():
        return
    handover = Handover(context.home, _DOOR, root)
    for folder in root.iterdir():
        number = folder.name.rpartition("-")[2]
        if not number.isdigit() or int(number) not in keep:
            if handover.resume(folder) is None:
                remove_tree(folder)
            else:
                handover.remove(folder)


def entry_of(config: PacsConfig, title: str) -> Entry:
    """Whose options and rules apply. Raises ``pacs.configuration`` where the file has none of that title."""
    found = config.entry(title or config.receiver.title)
    if found is None:
        raise PipelineError("pacs.configuration", f"dicom.json has no entry {title!r}")
    return found


def chosen(
    store: PacsStore, entry: Entry, fetch: Fetch, folders: dict[str, Path]
) -> tuple[list[Path], list[Verdict]]:
    """The folders, by series UID, whose series are processed, and the noted verdicts of the entry's rules.

    Series that somebody named are taken without rules.
    """
    if fetch.order.series or not entry.choose:
        return list(folders.values()), []
    paths = [str(path) for folder in folders.values() for path in sorted(folder.iterdir())]
    verdicts = decide(store, entry, paths)
    left = {one.series.uid for one in verdicts if not one.taken}
    return [folder for uid, folder in folders.items() if uid not in left], verdicts
