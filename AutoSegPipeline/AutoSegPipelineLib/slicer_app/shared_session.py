"""The one session of this Slicer: made at its first use, ended when Slicer quits."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

from ..core.errors import PipelineError
from .session import Session
from .session_work import STOPPED
from .stdout_narrator import StdoutNarrator

_shared: Session | None = None
_chosen: Path | None = None
_disconnect: Callable[[], None] | None = None


def shared() -> Session:
    """The session of this Slicer, made at the first call; it ends when Slicer quits."""
    global _shared, _disconnect
    if _shared is None:
        from .slicer_host import SlicerHost

        host = SlicerHost()
        _shared = Session(host, _chosen, StdoutNarrator)
        # Without a main window too, and whether or not the module's panel was ever built.
        _disconnect = host.on_quit(stop)
    return _shared


def stop() -> None:
    """End the pipeline: running cases go back to its queue. Again is fine."""
    global _shared, _disconnect
    ended, _shared = _shared, None
    if _disconnect is not None:
        _disconnect()
        _disconnect = None
    if ended is not None:
        ended.close()


def use_home(home: Path | None) -> None:
    """Where the session's home is to be, ``None`` for :func:`default_home`; before its first call.

    Raises ``request.invalid`` while a session runs in another home: stop it first.
    """
    global _chosen
    if _shared is not None and _shared.state != STOPPED:
        raise PipelineError("request.invalid", "the pipeline of this Slicer is running; stop it first")
    _chosen = home
    if _shared is not None:
        _shared.move_home(home)


def chosen_home() -> Path | None:
    """What :func:`use_home` was told last."""
    return _chosen
