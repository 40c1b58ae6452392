"""What the commands that talk to a peer share."""

from __future__ import annotations

from typing import Any

import click

from ....core.errors import PipelineError
from ....core.pacs.config import PacsConfig, read_config
from ...session import Session


class PeerName(click.ParamType):
    """A peer of ``dicom.json``, completed from it."""

    name = "peer"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        try:
            peers = read_config(ctx.ensure_object(Session).home.root).peers
        except PipelineError:
            return []
        return [CompletionItem(one) for one in peers if one.startswith(incomplete)]


def ready_config(session: Session) -> PacsConfig:
    """``dicom.json``, for a command that speaks with peers itself.

    Raises ``pacs.configuration``, and ``pacs.packages_missing`` for this Python.
    """
    # Only here: a command that looks at the store starts without them.
    from ....dicom import libraries
    from ....dicom.child import missing_packages

    config = read_config(session.home.root)
    missing = missing_packages()
    if missing:
        raise PipelineError("pacs.packages_missing", f"this needs the packages {', '.join(missing)}")
    libraries.load()
    return config
