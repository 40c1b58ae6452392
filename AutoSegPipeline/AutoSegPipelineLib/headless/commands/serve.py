"""Watching the inbox until somebody says stop."""

from __future__ import annotations

import os
from typing import Any

import click

from ...core import specs
from ...core.home import Home
from ...core.settings import Settings
from ..extras import check_engine
from ..flags import Command, common, given, spec_flags
from ..output import safe
from ..session import Session

SETTING_NAMES = tuple(spec.name for spec in specs.SETTINGS)


@click.command("serve", cls=Command)
@common(hidden=False)
@spec_flags(specs.OPTION_NAMES, "Options of cases that do not say otherwise")
@spec_flags(SETTING_NAMES, "Settings")
@click.pass_obj
def serve(session: Session, **flags: object) -> int:
    """Watch the inbox and process what is dropped there, until Ctrl+C.

    A web page on this machine (--port, --host) shows the cases and takes scans, too.

    The first Ctrl+C stops cleanly: the running case goes back to the queue and
    is done after the next start. The second stops at once; nothing is lost.

    \b
    Examples:
      autoseg serve
      autoseg serve --home /data/autoseg --quality fast
      autoseg serve --port 9000
      autoseg serve --no-web
      autoseg serve --inbox /mnt/scans --inputs archive --no-watch
    """
    from ..app import Serving

    settings = session.settings(given(flags))
    check_engine(settings["engine"], settings)
    return serve_home(session, session.home, settings, "serve", Serving())


def serve_home(session: Session, home: Home, settings: Settings, what: str, task: Any) -> int:
    """Serve ``home`` until ``task`` or a signal ends it, saying where to drop scans."""
    from ..app import Host
    from ..display import choose

    heading = heading_of(home, settings)

    def greet() -> None:
        for line in [] if session.quiet else heading:
            session.output.say(line)

    os.umask(0o077)  # results, too: whoever runs it for others opens the results folder on purpose
    display = choose(session.output.out, heading[-1:], session.quiet)
    return Host(home, settings, display, what, session.verbose, greet).run(task)


def heading_of(home: Home, settings: Settings) -> list[str]:
    """Where everything is, and what to do next."""
    inbox, results = safe(str(home.inbox)), safe(str(home.results))
    warning = _insecure(home, settings)
    if not settings["watch"]:
        return [
            *warning,
            f"results  {results}",
            "The inbox is not watched; hand scans over with: autoseg submit. Ctrl+C stops.",
        ]
    return [*warning, f"inbox    {inbox}", f"results  {results}", f"Drop a scan into {inbox}; Ctrl+C stops."]


def _insecure(home: Home, settings: Settings) -> list[str]:
    """Why the page should not be open to other machines as it is; mostly nothing."""
    from ...web.accounts.accounts import accounts_exist
    from ...web.config import WebConfig
    from ...web.gate.exposure_rule import warning

    text = warning(WebConfig.of(home, settings), accounts_exist(home)) if settings["web"] else ""
    return [text] if text and settings["insecure"] else []
