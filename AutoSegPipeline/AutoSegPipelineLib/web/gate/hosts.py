"""Whose address a request names, whose page sent it, who is really behind it. No framework here.

A browser sends what any page makes it send; ``Host``, ``Origin`` and ``Sec-Fetch-*`` are
what no page can change (WHATWG Fetch, forbidden header names).
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import Mapping, Union

from ...core.errors import PipelineError
from ..config import WebConfig

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_HOST = re.compile(r"(?P<name>[A-Za-z0-9_.-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(:(?P<port>[0-9]{1,5}))?\Z")
_ORIGIN = re.compile(r"(?P<scheme>https?)://(?P<host>[^/?#@\s]+)\Z")
_ANY = ("", "0.0.0.0", "::")
_FORWARDED = ("forwarded", "x-real-ip", "true-client-ip", "x-client-ip")
_PORTS = {"http": 80, "https": 443}


def forwarded_headers(headers: Mapping[str, str]) -> list[str]:
    """Names of headers with which a proxy says for whom it asks."""
    return sorted(name for name in headers if name.startswith("x-forwarded") or name in _FORWARDED)


def split_host(text: str) -> tuple[str, int | None] | None:
    """Name or address in lower case without brackets, and the port; None for what is neither."""
    found = _HOST.match(text)
    if found is None:
        return None
    port = int(found["port"]) if found["port"] else None
    if port is not None and port > 65535:
        return None
    return found["name"].strip("[]").rstrip(".").lower(), port


def networks(names: list[str]) -> tuple[Network, ...]:
    """``trusted_proxy`` as networks. Raises ``options.invalid``."""
    try:
        return tuple(ipaddress.ip_network(name, strict=False) for name in names)
    except ValueError as error:
        raise PipelineError(
            "options.invalid", f"trusted_proxy: {error}", "Give addresses or networks, such as 10.0.0.5."
        ) from None


def address_of(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An IP address, one with a port included; None for anything else."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(found, "ipv4_mapped", None)
    return mapped or found


@dataclass(frozen=True)
class Peer:
    """Who asks: the address, and the scheme that the browser used."""

    address: str
    scheme: str


class Site:
    """The names of this server and the proxies that it believes."""

    def __init__(self, config: WebConfig) -> None:
        host = config.host.strip("[]").rstrip(".").lower()
        self._any = host in _ANY
        self._names = {"localhost"} | {name.rstrip(".").lower() for name in config.server_names}
        if not self._any:
            self._names.add(host)
        if not config.loopback:
            # Nobody else can point these names of the machine itself at it.
            own = (socket.gethostname(), socket.getfqdn())
            self._names.update(name.rstrip(".").lower() for name in own if name)
        self._trusted = networks(config.trusted_proxy)

    def knows(self, host: str) -> bool:
        """Whether the header ``Host`` names this server.

        An address cannot be turned to point elsewhere as a name can, so any will do where
        the server listens on all of them.
        """
        parts = split_host(host)
        if parts is None:
            return False
        name = parts[0]
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return name in self._names
        return address.is_loopback or self._any or name in self._names

    def peer(self, address: str, scheme: str, headers: Mapping[str, str]) -> Peer:
        """Who asks, by the word of a trusted proxy if one stands between."""
        if not self.trusts(address):
            return Peer(address, scheme)
        client = address
        for hop in reversed(headers.get("x-forwarded-for", "").split(",")):
            found = address_of(hop)
            if found is None:
                break
            client = str(found)
            if not self.trusts(client):
                break
        said = headers.get("x-forwarded-proto", "").strip().lower()
        return Peer(client, said if said in _PORTS else scheme)

    def trusts(self, address: str) -> bool:
        """Whether the other end of a connection is a proxy that is believed."""
        found = address_of(address)
        return found is not None and any(found in network for network in self._trusted)


def same_origin(origin: str, scheme: str, host: str) -> bool:
    """Whether the header ``Origin`` names the server that was asked (RFC 6454)."""
    found = _ORIGIN.match(origin)
    parts = split_host(found["host"]) if found else None
    own = split_host(host)
    if found is None or parts is None or own is None or found["scheme"] != scheme:
        return False
    return (parts[0], parts[1] or _PORTS[scheme]) == (own[0], own[1] or _PORTS[scheme])


def cross_site(method: str, headers: Mapping[str, str], scheme: str, host: str, framed: bool = False) -> str:
    """Why this is the request of another site's page; empty when it is none.

    A program sends neither header. Following a link to a page is the one thing that
    another site may do, and with ``framed`` showing it in a frame.
    """
    origin = headers.get("origin")
    if origin is not None and not same_origin(origin, scheme, host):
        return f"it comes from a page of {origin[:100]}"
    site = headers.get("sec-fetch-site", "")
    if site in ("cross-site", "same-site"):
        shown = ("document", "iframe") if framed else ("document",)
        link = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") in shown
        if method not in SAFE_METHODS or not link:
            return "it comes from a page of another site"
    return ""
