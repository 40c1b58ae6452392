"""Who may be let in from where: the rule about addresses that are not this machine's alone."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ...core.errors import PipelineError
from ..accounts.accounts import accounts_exist
from ..config import WebConfig, is_loopback
from . import hosts

if TYPE_CHECKING:
    from ..context import WebContext

log = logging.getLogger(__name__)


def exposed(config: WebConfig, accounts: bool) -> list[str]:
    """What is missing before other machines may reach it; nothing on loopback."""
    if is_loopback(config.host):
        return []
    return [
        text
        for text, missing in (
            ("there is no account", not accounts),
            ("there is no TLS (tls_cert, tls_key)", not config.tls),
        )
        if missing
    ]


def check(context: WebContext) -> None:
    """Raise ``web.exposed`` where the address is others' too and something is missing.

    With ``insecure`` it only warns; :func:`warning` says the same to people.
    """
    hosts.networks(context.config.trusted_proxy)
    missing = exposed(context.config, accounts_exist(context.home))
    if missing and not context.config.insecure:
        raise PipelineError(
            "web.exposed",
            f"{context.config.host or 'every address'} is open to other machines, but "
            + " and ".join(missing),
        )
    text = warning(context.config, accounts_exist(context.home))
    if text:
        log.warning("%s", text)


def warning(config: WebConfig, accounts: bool) -> str:
    """What a person has to know of an insecure page; empty when there is nothing."""
    missing = exposed(config, accounts)
    if not missing:
        return ""
    what = "anybody who reaches it can see, upload and delete scans" if not accounts else (
        "passwords and scans travel unencrypted"
    )  # fmt: skip
    return f"INSECURE: the web page is open to other machines, but {' and '.join(missing)}; {what}"
