"""The folders of one pipeline and the rules about where they may lie."""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .errors import PipelineError
from .file_systems import is_network
from .files import contained, remove_tree
from .lock import is_locked


@dataclass(frozen=True)
class Home:
    """``inbox/ results/ failed/ refused/ logs/ state/`` below ``root``, or where the user put them."""

    root: Path
    inbox: Path
    results: Path
    state: Path

    @classmethod
    def at(
        cls,
        root: Path,
        inbox: Path | None = None,
        results: Path | None = None,
        state: Path | None = None,
    ) -> Home:
        """The home at ``root``; ``inbox``, ``results`` and ``state`` may lie elsewhere."""
        root = Path(os.path.abspath(root.expanduser()))

        def place(given: Path | None, name: str) -> Path:
            return root / name if given is None else Path(os.path.abspath(given.expanduser()))

        return cls(root, place(inbox, "inbox"), place(results, "results"), place(state, "state"))

    @property
    def failed(self) -> Path:
        return self.root / "failed"

    @property
    def refused(self) -> Path:
        return self.root / "refused"

    @property
    def archive(self) -> Path:
        return self.root / "archive"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def settings_file(self) -> Path:
        return self.root / "settings.json"

    @property
    def rules_file(self) -> Path:
        return self.root / "rules.json"

    @property
    def engines_file(self) -> Path:
        """Where the administrator declares programs as engines."""
        return self.root / "engines.json"

    @property
    def store(self) -> Path:
        return self.state / "store.sqlite"

    @property
    def table(self) -> Path:
        """The table over all cases; made again from result files where it is missing."""
        return self.state / "table.sqlite"

    @property
    def lock(self) -> Path:
        return self.state / "pipeline.lock"

    @property
    def incoming(self) -> Path:
        return self.state / "incoming"

    @property
    def work(self) -> Path:
        return self.state / "work"

    @property
    def spent(self) -> Path:
        return self.state / "spent"

    @property
    def cache(self) -> Path:
        return self.state / "cache"

    @property
    def reserve(self) -> Path:
        return self.state / "reserve"

    @property
    def uploads(self) -> Path:
        return self.state / "uploads"

    @property
    def pacs_headers(self) -> Path:
        return self.state / "pacs-headers"

    def job_log(self, job_id: str) -> Path:
        """The log of one case."""
        return self.logs / "jobs" / f"{job_id}.log"

    def check(self) -> None:
        """Raise where a rule about the places is broken; nothing is made."""
        self._check_nesting()
        if is_network(self.state):
            raise PipelineError("environment.network_state", f"{self.state} lies on a network file system")

    def create(self) -> None:
        """Make what is missing, private to the user; raise where a rule is broken."""
        self.check()
        private = (
            self.root, self.state, self.incoming, self.work, self.spent, self.cache, self.pacs_headers
        )  # fmt: skip
        shown = (self.inbox, self.results, self.failed, self.refused, self.logs, self.logs / "jobs")
        for folder in (*private, *shown):
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise PipelineError(
                    "environment.home_unwritable", f"{folder} cannot be made: {error.strerror}"
                ) from error

    def _check_nesting(self) -> None:
        named = {"inbox": self.inbox, "results": self.results, "state": self.state}
        for name, folder in named.items():
            for other, place in named.items():
                if name != other and contained(place, folder):
                    raise PipelineError(
                        "environment.nested_folders", f"{name} {folder} lies inside {other} {place}"
                    )


PREFIX = "autoseg-"


def throw_away_home(out: Path) -> Home:
    """A fresh private home whose results are ``out``; its folder goes with :func:`discard`.

    It lies in the system's temporary folder, or beside the user's own home where
    ``out`` holds the temporary folder: folders may not be nested. Homes that a
    killed program left there are removed: they hold scans.
    """
    place = Path(tempfile.gettempdir())
    if contained(out, place):
        place = default_root().parent
        place.mkdir(parents=True, exist_ok=True)
    for left in place.glob(f"{PREFIX}*/home/state/pipeline.lock"):
        if os.access(left, os.W_OK) and not is_locked(left):
            remove_tree(left.parents[2])
    return Home.at(Path(tempfile.mkdtemp(prefix=PREFIX, dir=place)) / "home", results=out)


def discard(home: Home) -> None:
    """Remove a home of :func:`throw_away_home`."""
    remove_tree(home.root.parent)


def default_root() -> Path:
    """Where a headless pipeline lives when nobody says: the user's data folder."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "AutoSegPipeline"
