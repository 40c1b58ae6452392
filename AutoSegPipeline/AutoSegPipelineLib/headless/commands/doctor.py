"""``doctor``: is everything here that the pipeline needs?"""

from __future__ import annotations

import click
from rich.text import Text

from ..doctor import examine
from ..findings import FAIL, OK, WARN, Finding
from ..flags import common, given, spec_flags
from ..output import safe
from ..session import Session
from .jobs import as_json

_STYLES = {OK: "green", WARN: "yellow", FAIL: "bold red"}


@click.command("doctor")
@click.option(
    "--no-self-test", is_flag=True, help="Skip the phantom case that runs through the complete pipeline."
)
@spec_flags(("worker_python", "slicer"), "Settings")
@as_json
@common()
@click.pass_obj
def doctor(session: Session, no_self_test: bool, as_json: bool, **flags: object) -> int:
    """Check this machine, and the pipeline with a phantom case (about a minute).

    Exit code 0: all well, maybe with warnings. 1: something does not work; the
    line says how to mend it.

    \b
    Examples:
      autoseg doctor
      autoseg doctor --no-self-test --json
    """
    found: list[Finding] = []
    for finding in examine(session, not no_self_test, given(flags)):
        found.append(finding)
        if not as_json:
            _show(session, finding)
    failed = [finding for finding in found if finding.status == FAIL]
    if as_json:
        checks = [finding.to_dict() for finding in found]
        session.output.document({"ok": not failed, "checks": checks})
    else:
        warned = sum(finding.status == WARN for finding in found)
        session.output.say(
            f"{len(failed)} failed, {warned} to look at, {len(found) - len(failed) - warned} well",
            "bold red" if failed else "bold green",
        )
    return 1 if failed else 0


def _show(session: Session, finding: Finding) -> None:
    if session.quiet and finding.status == OK:
        return
    line = Text(f"{finding.status:4} ", style=_STYLES[finding.status])
    line.append(f"{finding.name:<14} ", style="bold not dim default").append(
        safe(finding.text), style="not bold default"
    )
    session.output.out.print(line, soft_wrap=True)
    if finding.fix and finding.status != OK:
        session.output.out.print(Text(" " * 20 + "-> " + safe(finding.fix)), soft_wrap=True)
