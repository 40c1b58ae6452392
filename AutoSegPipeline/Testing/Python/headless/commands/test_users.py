"""``autoseg users``, ``tokens``, ``links``, ``audit`` as a person calls them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.web.accounts import passwords
from AutoSegPipelineLib.web.accounts.accounts import Accounts, accounts_exist
from support.headless import COMMAND, autoseg, clean_environment

PASSWORD = "four horses in rain"


def call(home: Path, *arguments: str, password: str = PASSWORD) -> subprocess.CompletedProcess[str]:
    """A command whose standard input is a password."""
    return subprocess.run(
        [*COMMAND, "--home", str(home), *arguments], input=password + "\n", env=clean_environment(),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def told(home: Path, *arguments: str) -> Any:
    """The JSON of a command."""
    done = autoseg("--home", home, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_an_account_from_its_first_day_to_its_last(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert told(home, "users", "list") == {"users": []} and not home.exists(), "looking makes nothing"
    done = call(home, "users", "add", "anna", "--role", "admin", "--password-stdin")
    assert done.returncode == 0 and "everybody to log in" in done.stderr
    assert accounts_exist(Home.at(home))
    assert call(home, "users", "add", "Anna", "--password-stdin").returncode == 1
    assert call(home, "users", "role", "anna", "operator").returncode == 0
    assert (
        call(home, "users", "password", "anna", "--password-stdin", password="five horses in snow").returncode
        == 0
    )
    with_new = Accounts.of(Home.at(home))
    kept = with_new.users.kept_password("anna")
    with_new.close()
    assert passwords.verify(kept, "five horses in snow") and not passwords.verify(kept, PASSWORD)
    assert call(home, "users", "disable", "anna").returncode == 0
    user = told(home, "users", "list")["users"][0]
    assert (user["name"], user["role"], user["disabled"]) == ("anna", "operator", True)
    assert call(home, "users", "disable", "anna", "--undo").returncode == 0
    what = [line["what"] for line in told(home, "audit")["lines"]]
    assert what == ["user.add", "user.role", "user.password", "user.disable", "user.enable"]


def test_a_password_is_never_taken_from_the_command_line_nor_shown(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert call(home, "users", "add", "anna", PASSWORD).returncode == 2
    assert call(home, "users", "add", "anna", "--password", PASSWORD).returncode == 2
    done = call(home, "users", "add", "anna")
    assert done.returncode == 2 and "--password-stdin" in done.stderr, "no terminal to ask"
    done = call(home, "users", "add", "anna", "--password-stdin", password="secret")
    assert done.returncode == 1 and "secret" not in done.stderr + done.stdout
    assert not accounts_exist(Home.at(home))
    done = call(home, "users", "add", "anna", "--password-stdin")
    everything = (
        done.stdout + done.stderr + json.dumps(told(home, "audit")) + json.dumps(told(home, "users", "list"))
    )
    assert PASSWORD not in everything


def test_a_token_is_shown_once_and_can_be_revoked(tmp_path: Path) -> None:
    home = tmp_path / "home"
    call(home, "users", "add", "anna", "--role", "viewer", "--password-stdin")
    done = autoseg(
        "--home", home, "tokens", "create", "anna", "from the CT", "--role", "admin", "--days", "30"
    )
    secret = done.stdout.strip()
    assert secret.startswith("aseg_") and len(done.stdout.splitlines()) == 1
    listed = told(home, "tokens", "list", "anna")
    assert secret not in json.dumps(listed) and listed["tokens"][0]["role"] == "viewer", (
        "no more than its account"
    )
    accounts = Accounts.of(Home.at(home))
    try:
        assert accounts.tokens.find(secret) is not None
        assert autoseg("--home", home, "tokens", "revoke", listed["tokens"][0]["id"]).returncode == 0
        assert accounts.tokens.find(secret) is None
        link, opener = accounts.links.create("a" * 32, "anna", 1, "for the ward")
        assert told(home, "links", "list")["links"][0]["note"] == "for the ward"
        assert autoseg("--home", home, "links", "revoke", link.id).returncode == 0
        assert accounts.links.find(opener) is None
    finally:
        accounts.close()
    assert autoseg("--home", home, "tokens", "revoke", "nothing").returncode == 1


def test_tables_are_readable(tmp_path: Path) -> None:
    home = tmp_path / "home"
    call(home, "users", "add", "anna", "--password-stdin")
    autoseg("--home", home, "tokens", "create", "anna", "from the CT")
    for command, words in (
        ("users list", "anna operator"),
        ("tokens list", "from the CT"),
        ("audit", "token.create"),
    ):
        done = autoseg("--home", home, *command.split())
        assert done.returncode == 0 and all(word in done.stdout for word in words.split())
