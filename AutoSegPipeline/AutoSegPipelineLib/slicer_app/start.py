"""The composition root inside Slicer: panel, start with Slicer, reload."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any, Callable

from ..core.errors import PipelineError
from . import shared_session
from .panel.panel import Panel

_LIBRARY = __name__.split(".")[0]


def panel(switch: Callable[[str], None] = lambda name: None) -> Panel:
    """A panel over the session that was chosen. Unfinished cases of an earlier Slicer go on.

    ``switch(name)`` is called when a person chooses another machine, empty for this Slicer's own pipeline.
    """
    session = shared_session.chosen()
    panel = Panel(session, shared_session.servers(), shared_session.chosen_server(), switch)
    if session.is_remote:
        panel.folders.doing(session.start)()
    else:
        panel.go_on()
    return panel


def with_slicer() -> None:
    """Begin to watch; a fault stands in the panel and in Slicer's log, never in a window."""
    shared = shared_session.shared()
    try:
        shared.start_watching()
    except PipelineError as error:
        shared.fault = error
        _report(f"AutoSeg Pipeline did not start with Slicer: {error}")


def make_sample(folder: str | None = None) -> Path:
    """A phantom of a torso as ``torso.nii.gz``, by default in Slicer's temporary folder."""
    from ..processing.phantom import torso, write_nifti

    place = Path(folder).expanduser() if folder else shared_session.shared().host.temporary_folder()
    place.mkdir(parents=True, exist_ok=True)
    path = place / "torso.nii.gz"
    write_nifti(torso(shape=(183, 150, 120), spacing=(2.0,) * 3, noise_hu=12.0).volume, path)
    return path


def _report(text: str) -> None:
    import logging

    logging.warning(text)


def unload() -> Callable[[], None]:
    """Stop everything and forget the library's modules; the answer goes on with the new ones.

    Raises ``request.wrong_state`` while a case may not be interrupted.
    """
    shared = shared_session.shared()
    shared.check_may_stop()
    before = shared.resume_later()
    kept: dict[str, Any] = vars(before)
    chosen = shared_session.chosen_home()
    shared_session.stop()
    for name in [name for name in sys.modules if name == _LIBRARY or name.startswith(f"{_LIBRARY}.")]:
        del sys.modules[name]

    def resume() -> None:
        fresh = importlib.import_module(f"{_LIBRARY}.slicer_app.shared_session")
        work = importlib.import_module(f"{_LIBRARY}.slicer_app.session_work")
        fresh.use_home(chosen)
        fresh.shared().resume(work.Resume(**kept))

    return resume
