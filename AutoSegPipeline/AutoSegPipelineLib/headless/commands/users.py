"""``users``, ``tokens``, ``links``, ``audit``: who may use the web page, from the machine it runs on."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any, Iterator

import click
from rich import box
from rich.table import Table

from ...core.errors import PipelineError
from ...web.accounts.accounts import FILE, Accounts
from ...web.accounts.roles import ADMIN, OPERATOR, ROLES
from ..flags import common
from ..output import safe
from ..session import Session, user_name
from .jobs import as_json


@contextlib.contextmanager
def opened(session: Session, make: bool = False) -> Iterator[Accounts]:
    """The accounts of the home. Raises ``account.unknown`` where nobody made any, unless ``make``."""
    home = session.home
    if make:
        os.umask(0o077)
        home.create()
    elif not (home.state / FILE).exists():
        raise PipelineError(
            "account.unknown",
            f"there are no accounts in {home.root} yet",
            "Make one with `autoseg users add`.",
        )
    accounts = Accounts.of(home)
    try:
        yield accounts
    finally:
        accounts.close()


def noted(accounts: Accounts, what: str, detail: str, job: str = "") -> None:
    """The line in the audit log of what somebody did at the machine itself."""
    accounts.audit.note(what, user_name() or "?", via="command", detail=detail, job=job, durable=True)


def new_password(from_stdin: bool) -> str:
    """Asked twice at the terminal, or the first line of standard input."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask for the password; use --password-stdin")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))


def table_of(columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Table:
    """A plain table for people."""
    table = Table(box=box.SIMPLE, pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=column in ("id", "role"), overflow="fold")
    for row in rows:
        table.add_row(*(safe("" if cell is None else str(cell)) for cell in row))
    return table


def day(stamp: str | None) -> str:
    """``2026-11-22 16:29``, in UTC."""
    return "" if stamp is None else stamp[:16].replace("T", " ")


password_stdin = click.option(
    "--password-stdin", is_flag=True, help="Read the password from the first line of standard input."
)
role_choice = click.Choice(ROLES)
name_argument = click.argument("name", metavar="NAME")


@click.group("users")
def users() -> None:
    """Make and change the accounts of the web page.

    Without any account the page is open to whoever sits at this machine, and to nobody else.
    The first account ends that: from then on everybody logs in.

    \b
    Roles: viewer (sees and downloads), operator (uploads; cancels and deletes its own),
    admin (everything, the audit log included).

    \b
    Examples:
      autoseg users add anna --role admin
      autoseg users list
    """


@users.command("add")
@name_argument
@click.option("--role", type=role_choice, default=OPERATOR, show_default=True, help="What it may do.")
@password_stdin
@common()
@click.pass_obj
def add_user(session: Session, name: str, role: str, password_stdin: bool) -> int:
    """Make an account; its password is asked for and never taken from the command line.

    \b
    Examples:
      autoseg users add anna --role admin
      pass show anna | autoseg users add anna --password-stdin
    """
    with opened(session, make=True) as accounts:
        if accounts.users.find(name) is not None:
            raise PipelineError("account.exists", f"there is an account {name} already")
        first = not accounts.users.exist()
        user = accounts.users.add(name, role, new_password(password_stdin))
        noted(accounts, "user.add", f"{user.name} {user.role}")
    session.output.say(f"{safe(user.name)}: {user.role}")
    if first:
        session.output.note("From now on the web page asks everybody to log in.")
        if role != ADMIN:
            session.output.note("There is no admin yet; nobody else can read the audit log on the page.")
    return 0


@users.command("list")
@as_json
@common()
@click.pass_obj
def list_users(session: Session, as_json: bool) -> int:
    """List the accounts.

    \b
    Examples:
      autoseg users list
      autoseg users list --json
    """
    found: list[dict[str, Any]] = []
    if (session.home.state / FILE).exists():
        with opened(session) as accounts:
            found = [user.to_dict() for user in accounts.users.list()]
    if as_json:
        session.output.document({"users": found})
    elif found:
        rows = [
            (one["name"], one["role"], "disabled" if one["disabled"] else "", day(one["last_login"]))
            for one in found
        ]
        session.output.table(table_of(("name", "role", "", "last login"), rows))
    else:
        session.output.note("No accounts: the web page is open to whoever sits at this machine.")
    return 0


@users.command("password")
@name_argument
@password_stdin
@common()
@click.pass_obj
def set_password(session: Session, name: str, password_stdin: bool) -> int:
    """Set a new password; every login and token of the account ends.

    \b
    Examples:
      autoseg users password anna
    """
    with opened(session) as accounts:
        user = accounts.users.get(name)
        accounts.users.set_password(user.name, new_password(password_stdin))
        noted(accounts, "user.password", user.name)
    session.output.say(f"{safe(user.name)}: new password; it has to log in again")
    return 0


@users.command("role")
@name_argument
@click.argument("role", type=role_choice)
@common()
@click.pass_obj
def set_role(session: Session, name: str, role: str) -> int:
    """Give an account another role; it holds from its next request on.

    \b
    Examples:
      autoseg users role anna operator
    """
    with opened(session) as accounts:
        user = accounts.users.set_role(name, role)
        noted(accounts, "user.role", f"{user.name} {user.role}")
    session.output.say(f"{safe(user.name)}: {user.role}")
    return 0


@users.command("disable")
@name_argument
@click.option("--undo", is_flag=True, help="Let it in again; its tokens and links stay revoked.")
@common()
@click.pass_obj
def disable_user(session: Session, name: str, undo: bool) -> int:
    """Shut an account out at once: its logins, tokens and share links end.

    Accounts are never removed: jobs belong to their names.

    \b
    Examples:
      autoseg users disable anna
      autoseg users disable anna --undo
    """
    with opened(session) as accounts:
        user = accounts.users.set_disabled(name, not undo)
        noted(accounts, "user.enable" if undo else "user.disable", user.name)
    session.output.say(f"{safe(user.name)}: {'disabled' if user.disabled else user.role}")
    return 0


@users.command("nofactor")
@name_argument
@common()
@click.pass_obj
def no_factor(session: Session, name: str) -> int:
    """Turn off the second factor of somebody who has lost both the app and the recovery codes.

    \b
    Examples:
      autoseg users nofactor anna
    """
    with opened(session) as accounts:
        user = accounts.users.get(name)
        accounts.second_factors.turn_off(user.name)
        noted(accounts, "factor.off", user.name)
    session.output.say(f"{safe(user.name)}: the password is enough again")
    return 0
