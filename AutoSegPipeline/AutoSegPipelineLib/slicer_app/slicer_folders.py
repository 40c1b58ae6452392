"""Where the folders of a Slicer's pipeline are, and what Slicer remembers of that."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import PipelineError
from ..core.home import Home, default_root
from .host import Host


def default_home() -> Path:
    """Slicer's own home beside the headless one, so that both can run at the same time."""
    return default_root().with_name("AutoSegPipeline-Slicer")


class Places:
    """Root, inbox and results. A ``home`` that was given (by a test or script) is not remembered."""

    def __init__(self, host: Host, home: Path | None) -> None:
        self._host = host
        self.move(home)

    def move(self, home: Path | None) -> None:
        """To ``home``, or for ``None`` to the folders that are remembered."""
        self._private = home is not None
        self.root = home or self._kept("home") or default_home()
        self.inbox, self.results = self._kept("inbox"), self._kept("results")

    def _kept(self, key: str) -> Path | None:
        found = "" if self._private else self._host.recall(key)
        return Path(found) if found else None

    @property
    def home(self) -> Home:
        """The folders, made or not."""
        return Home.at(self.root, self.inbox, self.results)

    def set(
        self,
        inbox: str | Path | None = None,
        results: str | Path | None = None,
        home: str | Path | None = None,
        remember: bool = True,
    ) -> None:
        """Other folders; ``""`` is the home's own. Raises ``environment.*``; then nothing has changed."""
        before = (self.root, self.inbox, self.results)
        if home is not None:
            self.root = Path(home).expanduser() if str(home) else default_home()
        if inbox is not None:
            self.inbox = self._elsewhere(inbox, "inbox")
        if results is not None:
            self.results = self._elsewhere(results, "results")
        try:
            self.home.check()
        except PipelineError:
            self.root, self.inbox, self.results = before
            raise
        if remember and not self._private:
            root = None if self.root == default_home() else self.root
            for key, path in (("home", root), ("inbox", self.inbox), ("results", self.results)):
                self._host.remember(key, "" if path is None else str(path))

    def _elsewhere(self, folder: str | Path, name: str) -> Path | None:
        path = Path(folder).expanduser()
        return None if not str(folder) or path == self.root / name else path
