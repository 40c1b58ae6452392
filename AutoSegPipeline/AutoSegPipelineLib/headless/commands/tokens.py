"""``tokens``: access for programs."""

from __future__ import annotations

import click

from ...core.errors import PipelineError
from ...web.accounts.roles import OPERATOR, lesser
from ..flags import common
from ..output import safe
from ..session import Session
from .jobs import as_json
from .users import day, noted, opened, role_choice, table_of


@click.group("tokens")
def tokens() -> None:
    """Make and revoke tokens, with which programs use the web API.

    A token acts for one account, with its own role at most, and ends by itself.

    \b
    Examples:
      autoseg tokens create anna "upload from the CT" --days 30
      autoseg tokens list
    """


@tokens.command("create")
@click.argument("user", metavar="NAME")
@click.argument("label", metavar="LABEL")
@click.option("--role", type=role_choice, default=OPERATOR, show_default=True, help="What it may do at most.")
@click.option(
    "--days", default=90.0, show_default=True, type=click.FloatRange(0, 730, min_open=True), help="Its life."
)
@as_json
@common()
@click.pass_obj
def create_token(session: Session, user: str, label: str, role: str, days: float, as_json: bool) -> int:
    """Make a token of an account; it is shown once and kept as a hash only.

    \b
    Examples:
      autoseg tokens create anna "upload from the CT" --days 30
      autoseg tokens create anna prometheus --role viewer
    """
    with opened(session) as accounts:
        owner = accounts.users.get(user)
        if owner.disabled:
            raise PipelineError("account.invalid", f"{owner.name} is disabled")
        role = lesser(role, owner.role)
        token, secret = accounts.tokens.create(owner.name, label, role, days)
        noted(accounts, "token.create", f"{token.id} {token.role} of {owner.name}")
    if as_json:
        session.output.document({**token.to_dict(), "secret": secret})
        return 0
    session.output.say(secret)
    session.output.note(
        f"Token {token.id} of {safe(owner.name)}, {token.role}, until {day(token.to_dict()['expires'])} UTC. "
        "It is not shown again. Use it as: Authorization: Bearer TOKEN"
    )
    return 0


@tokens.command("list")
@click.argument("user", metavar="[NAME]", required=False)
@as_json
@common()
@click.pass_obj
def list_tokens(session: Session, user: str | None, as_json: bool) -> int:
    """List the tokens of all accounts, or of one.

    \b
    Examples:
      autoseg tokens list
      autoseg tokens list anna
    """
    with opened(session) as accounts:
        name = accounts.users.get(user).name if user else None
        found = [token.to_dict() for token in accounts.tokens.list(name)]
    if as_json:
        session.output.document({"tokens": found})
        return 0
    rows = [
        (
            one["id"], one["user"], one["label"], one["role"], day(one["used"]),
            "revoked" if one["revoked"] else day(one["expires"]),
        )
        for one in found
    ]  # fmt: skip
    session.output.table(table_of(("id", "account", "for", "role", "last used", "until"), rows))
    return 0


@tokens.command("revoke")
@click.argument("token_id", metavar="ID")
@common()
@click.pass_obj
def revoke_token(session: Session, token_id: str) -> int:
    """End a token at once.

    \b
    Examples:
      autoseg tokens revoke 3f0c81ab
    """
    with opened(session) as accounts:
        token = accounts.tokens.revoke(token_id)
        noted(accounts, "token.revoke", f"{token.id} of {token.user}")
    session.output.say(f"{token.id} of {safe(token.user)}: revoked")
    return 0
