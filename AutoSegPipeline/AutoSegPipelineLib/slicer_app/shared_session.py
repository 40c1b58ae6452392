"""The one session of this Slicer: made at its first use, ended when Slicer quits."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

from ..core.errors import PipelineError
from .remote.servers import Servers
from .remote.session import RemoteSession
from .session import Session
from .session_work import STOPPED
from .stdout_narrator import StdoutNarrator

_SERVER = "server"
_shared: Session | None = None
_remote: RemoteSession | None = None
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


def servers() -> Servers:
    """The other machines that this user knows."""
    return Servers(shared().home.state)


def chosen_server() -> str:
    """The name of the other machine whose pipeline is used; empty for this Slicer's own."""
    name = shared().host.recall(_SERVER)
    return name if servers().find(name) is not None else ""


def choose(name: str) -> None:
    """Use the machine of this name from now on, this Slicer's own pipeline for an empty one; remembered."""
    shared().host.remember(_SERVER, name)
    _leave_remote()


def chosen() -> Session:
    """The session that people see: of the other machine that was chosen, else :func:`shared`."""
    global _remote
    server = servers().find(chosen_server())
    if server is None:
        return shared()
    if _remote is None:
        _remote = RemoteSession(shared().host, server, shared().home.state)
    return _remote


def _leave_remote() -> None:
    global _remote
    ended, _remote = _remote, None
    if ended is not None:
        ended.close()


def stop() -> None:
    """End the pipeline: running cases go back to its queue. Again is fine."""
    global _shared, _disconnect
    _leave_remote()
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
