"""``links`` and ``audit``: what was shared, and who did what."""

from __future__ import annotations

import click

from ..flags import common
from ..output import safe
from ..session import Session
from .jobs import as_json
from .users import day, noted, opened, table_of


@click.group("links")
def links() -> None:
    """List and revoke share links; they are created on the web page.

    Whoever has a link sees and downloads one result, until it ends.

    \b
    Examples:
      autoseg links list
      autoseg links revoke 3f0c81ab
    """


@links.command("list")
@as_json
@common()
@click.pass_obj
def list_links(session: Session, as_json: bool) -> int:
    """List all share links, the newest last.

    \b
    Examples:
      autoseg links list
    """
    with opened(session) as accounts:
        found = [link.to_dict() for link in accounts.links.list()]
    if as_json:
        session.output.document({"links": found})
        return 0
    rows = [
        (
            one["id"], one["job"][:8], one["user"], one["note"], day(one["used"]),
            "revoked" if one["revoked"] else day(one["expires"]),
        )
        for one in found
    ]  # fmt: skip
    session.output.table(table_of(("id", "job", "account", "note", "last used", "until"), rows))
    return 0


@links.command("revoke")
@click.argument("link_id", metavar="ID")
@common()
@click.pass_obj
def revoke_link(session: Session, link_id: str) -> int:
    """End a share link at once.

    \b
    Examples:
      autoseg links revoke 3f0c81ab
    """
    with opened(session) as accounts:
        link = accounts.links.revoke(link_id)
        noted(accounts, "link.revoke", link.id, link.job)
    session.output.say(f"{link.id}: revoked")
    return 0


@click.command("audit")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 100000), help="The newest N.")
@click.option("--who", default="", help="Only of this account.")
@click.option("--what", default="", help="Only what begins so: login, result., job., token. ...")
@click.option("--job", default="", help="Only entries about the job with this complete id.")
@as_json
@common()
@click.pass_obj
def audit(session: Session, limit: int, who: str, what: str, job: str, as_json: bool) -> int:
    """Show who saw, took and changed what on the web page, the newest last.

    \b
    Examples:
      autoseg audit
      autoseg audit --what login --limit 200
      autoseg audit --who anna --json
    """
    with opened(session) as accounts:
        found = [line.to_dict() for line in accounts.audit.list(limit, None, who, what, job)][::-1]
    if as_json:
        session.output.document({"lines": found})
        return 0
    rows = [
        (
            day(one["at"]), one["who"] or "?", one["via"], one["address"],
            one["what"] + ("" if one["ok"] else " (refused)"), one["job"][:8], one["detail"],
        )
        for one in found
    ]  # fmt: skip
    session.output.table(table_of(("at (UTC)", "who", "via", "from", "what", "job", ""), rows))
    if not found:
        session.output.note(f"Nothing of that is in the log of {safe(str(session.home.root))}.")
    return 0
