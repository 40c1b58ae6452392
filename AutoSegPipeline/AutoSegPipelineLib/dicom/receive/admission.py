"""Who may send: called and calling AE title, address and client certificate, by ``dicom.json``. Pure."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from ...core.pacs.config import Caller, Entry, PacsConfig

# Results, sources and reasons of A-ASSOCIATE-RJ (PS3.8, 9.3.4).
CALLED_UNKNOWN = (1, 1, 7)
CALLING_UNKNOWN = (1, 1, 3)
TOO_MANY = (2, 3, 2)


@dataclass(frozen=True)
class Sender:
    """Who asks for an association; ``certificate`` is ``sha256:...`` of the one shown under TLS, or empty."""

    title: str
    called: str
    address: str
    certificate: str = ""
    account: str = ""  # of the web application


@dataclass(frozen=True)
class Denied:
    """Why an association is rejected: the codes for the peer, the words for the administrator."""

    codes: tuple[int, int, int]
    reason: str


def admit(config: PacsConfig, sender: Sender) -> Entry | Denied:
    """The entry that decides what becomes of what comes."""
    named = [one for one in config.callers if one.title == sender.title]
    here = [one for one in named if _lies_in(sender.address, one.address)]
    if not any(_shows(sender, one) for one in here):
        return Denied(CALLING_UNKNOWN, _why(named, here))
    return config.entry(sender.called) or Denied(CALLED_UNKNOWN, "nothing is received under the called title")


def _why(named: list[Caller], here: list[Caller]) -> str:
    if here:
        return "it did not show the certificate that callers names"
    if named:
        return "the title is known at another address"
    return "the title is not among the callers"


def _lies_in(address: str, network: str) -> bool:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
        wanted = ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found) in wanted


def _shows(sender: Sender, caller: Caller) -> bool:
    return not caller.certificate or caller.certificate == sender.certificate
