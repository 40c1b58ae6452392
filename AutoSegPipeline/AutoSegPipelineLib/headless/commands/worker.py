"""``worker``: the cases of one bundle, on any machine that sees its folder."""

from __future__ import annotations

from pathlib import Path

import click

from ...core.bundles.claims import STALE_SECONDS
from ...core.bundles.layout import Bundle
from ...core.errors import PipelineError
from ..extras import check_engine
from ..flags import Command, common, given, spec_flags
from ..session import Session
from .jobs import as_json
from .run import RUN_SETTINGS

WORKER_SETTINGS = (*RUN_SETTINGS, "hung_minutes", "recycle_cases", "recycle_growth_mb")


@click.command("worker", cls=Command)
@click.argument("folder", metavar="BUNDLE", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--stale-seconds", type=click.FloatRange(1.0), default=STALE_SECONDS, show_default=True, metavar="X",
    help="Take over a case whose worker wrote nothing for this long.",
)  # fmt: skip
@spec_flags(WORKER_SETTINGS, "Settings")
@as_json
@common()
@click.pass_obj
def worker(session: Session, folder: Path, stale_seconds: float, as_json: bool, **flags: object) -> int:
    """Process the cases of BUNDLE, a folder on a share, and end.

    Results are written into the bundle, each complete or not at all. Cases with a
    result are skipped, so the command may be started again, and several workers
    may share a bundle. It needs no pipeline, no network and no home.

    Exit code 0: each case has a result, good or bad. 1: it cannot work here, or the
    share or a disk failed for a minute. 2: usage. 3: cases are left, because other
    workers are at them or the bundle was stopped. 128 + N: signal N (130 Ctrl+C, 143
    SIGTERM); the case at hand is left to another worker.

    \b
    Examples:
      autoseg worker /share/bundle
      autoseg worker /share/bundle --hung-minutes 60 --json
    """
    from ..bundle_host import BundleHost

    bundle = Bundle(folder.expanduser().absolute())
    settings = session.settings(given(flags))
    try:
        listed = bundle.read()
        for engine in listed.engines:
            check_engine(engine, settings)
        host = BundleHost(bundle, settings, session.output, stale_seconds)
        ending = host.run()
    except OSError as error:
        text = f"{bundle.path} cannot be read: {error.strerror or error}"
        raise PipelineError("environment.results_unreachable", text) from error
    output = session.output
    if as_json:
        error_fields = ending.error.to_dict() if ending.error else None
        output.document(
            {"exit_code": ending.code, "text": ending.text, "error": error_fields, "cases": host.cases}
        )
    elif ending.error is not None:
        output.error(ending.error)
    elif not session.quiet:
        output.say(ending.text, "" if ending.code else "green")
    return ending.code
