"""The panel outside Slicer: the same .ui and code under PySide6, over a real pipeline."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, Callable, Iterator

from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.processing.phantom import torso, write_nifti
from AutoSegPipelineLib.slicer_app.panel import ui
from AutoSegPipelineLib.slicer_app.panel.panel import Panel
from AutoSegPipelineLib.slicer_app.session import Session

from support.qt import run_until

from .programs import package


class Host:
    """An application with plain methods: what it was asked stands in ``asked``, its answers are set."""

    what = "a test"
    has_window = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notes: dict[str, str] = {}
        self.asked: list[tuple[Any, ...]] = []
        self.files: list[str] = []
        self.chosen = ""
        self.yes = True
        self.written: str | None = None
        self.extensions: set[str] = set()
        self.volume: Path | None = None
        self.ticked: tuple[str, ...] = ()
        self.prepared = False  # whether `prepare` is noted, too
        self.quit: Callable[[], None] = lambda: None

    def temporary_folder(self) -> Path:
        return self.folder

    def on_quit(self, action: Callable[[], None]) -> Callable[[], None]:
        self.quit = action
        return lambda: None

    def recall(self, key: str, default: str = "") -> str:
        return self.notes.get(key, default)

    def remember(self, key: str, value: str) -> None:
        self.notes[key] = value

    def python(self) -> str:
        return sys.executable

    def inside(self, session: Any) -> Any:
        return None

    def is_volume(self, thing: Any) -> bool:
        return isinstance(thing, Path)

    own_packages_needed = False

    def prepare(self) -> None:
        self.asked.append(("prepare",)) if self.prepared else None

    def current_volume(self) -> Any:
        return self.volume

    def dragged_volumes(self, data: Any) -> list[Any]:
        return [self.volume] if data.hasFormat("application/x-volume") else []

    def choose_of(self, title: str, choices: list[str]) -> list[int]:
        self.asked.append(("choose", *choices))
        return [number for number, text in enumerate(choices) if any(word in text for word in self.ticked)]

    def uninstall(self, packages: list[str]) -> None:
        self.asked.append(("uninstall", *packages))

    def install(self, packages: list[str]) -> None:
        self.asked.append(("install", *packages))

    def export_volume(self, node: Path, folder: Path) -> Path:
        path = folder / "Volume.nii.gz"
        path.write_bytes(node.read_bytes())
        return path

    def load_result(self, session: Any, job_id: str, with_scan: bool) -> None:
        self.asked.append(("load", job_id, with_scan))

    def confirm(self, text: str) -> bool:
        self.asked.append(("confirm", text))
        return self.yes

    def ask_text(self, title: str, text: str) -> str | None:
        self.asked.append(("text", text))
        return self.written

    def show_error(self, text: str) -> None:
        raise AssertionError(text)

    def choose_folder(self, title: str, start: str) -> str:
        return self.chosen

    def choose_files(self, title: str, start: str) -> list[str]:
        return self.files

    def open_path(self, path: Path) -> None:
        self.asked.append(("open", path))

    def extension(self, module: str) -> bool:
        return module in self.extensions

    def set_up_extension(self, module: str) -> None:
        self.asked.append(("set up", module))
        if module == "Broken":
            raise PipelineError("request.invalid", module)


class Place:
    """A home with a host, a session and a panel."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host = Host(folder)
        self.session = Session(self.host, folder / "home")
        self.panel = self.make_panel()

    def make_panel(self) -> Panel:
        made = Panel(self.session)
        made.widget.resize(560, 1400)
        made.widget.show()
        return made

    @property
    def ui(self) -> Any:
        return self.panel.ui

    def scan(self, name: str, seed: int = 0, size: float = 6.0) -> Path:
        """A small CT of a torso."""
        shape = (int(366 / size), int(300 / size), int(240 / size))
        path = self.folder / name
        write_nifti(torso(shape=shape, spacing=(size,) * 3, seed=seed).volume, path)
        return path

    def drop(self, name: str) -> None:
        """Put a scan into the inbox whole."""
        path = self.scan(name)
        os.rename(path, self.session.home.inbox / name)

    def written(self) -> dict[str, Any]:
        """What stands in settings.json."""
        path = self.session.home.settings_file
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}

    def rows(self) -> list[tuple[str, str]]:
        """(label, state) of each row."""
        jobs = self.panel.feed.jobs
        return [(jobs.at(row).label, jobs.at(row).state) for row in range(len(jobs))]

    def select(self, *labels: str) -> None:
        """Select the rows of these jobs."""
        jobs = self.panel.feed.jobs
        every = [jobs.at(row) for row in range(len(jobs))]
        self.panel.jobs.table.select([job.id for job in every if job.label in labels])

    def until(self, predicate: Callable[[], object], timeout: float = 180.0) -> None:
        run_until(predicate, timeout)

    def until_state(self, label: str, *states: str) -> None:
        """Run the loop until the table says that the job is there."""
        self.until(lambda: any((label, state) in self.rows() for state in states))

    def close(self) -> None:
        self.session.close()
        self.panel.close()
        self.panel.widget.close()


def places(tmp_path: Path) -> Iterator[Place]:
    """For a fixture; skips where this machine cannot load widgets."""
    package("PySide6.QtWidgets", "OpenGL's libraries, libEGL")
    made = Place(tmp_path)
    yield made
    made.close()


def text(widget: Any) -> str:
    return str(ui.value(widget, "text"))
