"""What the module needs of the application around it; tests hand in one with plain methods."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Callable, Protocol

if TYPE_CHECKING:
    from ..runtime.api import AutoSeg
    from ..runtime.processes.host_steps import HostSteps


class HostSession(Protocol):
    """What a host needs of the module's session."""

    host: Host
    guards: list[Callable[[], str]]

    @property
    def autoseg(self) -> AutoSeg:
        """The running pipeline."""


class Host(Protocol):
    """3D Slicer (:mod:`.slicer_host`), or a test's stand-in."""

    what: str  # "Slicer 5.8.1": who holds the home, told to others

    @property
    def has_window(self) -> bool:
        """False in ``Slicer --no-main-window``."""

    def temporary_folder(self) -> Path:
        """Where volume nodes are saved on their way."""

    def on_quit(self, action: Callable[[], None]) -> Callable[[], None]:
        """Call ``action`` when the application quits; the answer takes that back."""

    def recall(self, key: str, default: str = "") -> str:
        """A note of this computer's application (QSettings), as text."""

    def remember(self, key: str, value: str) -> None:
        """Keep such a note."""

    def python(self) -> str:
        """The Python of child processes."""

    def prepare(self) -> None:
        """Before each start of the pipeline: the surroundings that its processes inherit."""

    @property
    def own_packages_needed(self) -> bool:
        """Whether the page and the PACS need packages that only the home's own folder has."""

    def inside(self, session: HostSession) -> HostSteps | None:
        """What this application does of a case by itself, or None.

        See :class:`..runtime.processes.host_steps.HostSteps`.
        """

    # --- the scene ------------------------------------------------------------------------

    def is_volume(self, thing: object) -> bool:
        """Whether ``thing`` is a scalar volume node."""

    def current_volume(self) -> object | None:
        """The scalar volume node that the slice views show, if they do."""

    def dragged_volumes(self, data: object) -> list[object]:
        """The scalar volume nodes in the mime data of a drag out of the application's own lists."""

    def export_volume(self, node: object, folder: Path) -> Path:
        """Save ``node`` where it lies in the world; node and scene stay as they are.

        Raises ``request.invalid`` for anything but a scalar volume that can be saved.
        """

    def load_result(self, session: HostSession, job_id: str, with_scan: bool) -> object:
        """Show the segmentation of an ended job in the scene; its node. Raises :class:`PipelineError`."""

    # --- people ---------------------------------------------------------------------------

    def confirm(self, text: str) -> bool:
        """Ask before something that cannot be taken back."""

    def ask_text(self, title: str, text: str) -> str | None:
        """A line that the user writes, ``text`` at first; None where he changes his mind."""

    def show_error(self, text: str) -> None:
        """A fault that the user must see at once; rare."""

    def choose_of(self, title: str, choices: list[str]) -> list[int]:
        """The numbers of the ``choices`` that the user ticks; none where he changes his mind."""

    def choose_folder(self, title: str, start: str) -> str:
        """A folder that the user picks, or nothing."""

    def choose_files(self, title: str, start: str) -> list[str]:
        """Files that the user picks."""

    def open_path(self, path: Path) -> None:
        """Show a file or folder in the system's own program."""

    # --- other extensions -----------------------------------------------------------------

    def extension(self, module: str) -> bool:
        """Whether Slicer has a module of this name."""

    def set_up_extension(self, module: str) -> None:
        """Have an extension install its own Python packages; it may ask and take long."""

    def install(self, packages: list[str]) -> None:
        """Add Python packages to the application; holds its loop. Raises :class:`PipelineError`."""

    def uninstall(self, packages: list[str]) -> None:
        """Take Python packages out of the application; holds its loop. Raises :class:`PipelineError`."""
