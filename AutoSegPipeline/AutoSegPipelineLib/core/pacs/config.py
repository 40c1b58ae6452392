"""``dicom.json`` in the home: who may send to us, what becomes of it, and where results go.

The administrator's file; nothing from a case or the web changes it. Keys are the fields of the
classes below. ``{}`` is a receiver on loopback that takes nothing from anybody.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Mapping, Union, get_args, get_type_hints

from .. import specs
from ..errors import PipelineError
from ..files import unique_keys
from ..messages.reader import ProtocolError, read
from .object_order import ENCODINGS, KINDS
from .query import StudyQuery
from .series_rules import SeriesRule, parse_series_rules

FILE = "dicom.json"
MOST_BYTES = 1 << 20
UNITS = ("series", "study")
AUTO = "auto"
# PS3.5, value representation AE: no backslash, no control characters, not only spaces.
_TITLE = re.compile(r"(?! +$)[ -\[\]-~]{1,16}")
_PREFIX = re.compile(r"[A-Za-z0-9_-]{1,16}")
_FINGERPRINT = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Receiver:
    """Where we listen; any ``host`` but loopback lets other machines connect, as far as ``callers`` allow."""

    host: str = "127.0.0.1"
    port: int = 11112
    title: str = "AUTOSEG"
    tls_cert: str = ""
    tls_key: str = ""
    tls_ca: str = ""  # whoever calls must show a certificate that this one signed
    most_associations: int = 16


@dataclass(frozen=True)
class Entry:
    """What is done with what comes in under one of our AE titles.

    A ``unit`` is complete when its association has ended and nothing has come for ``quiet_seconds``,
    at the latest after ``at_most_minutes``. ``send_to`` names peers, ``choose`` holds the rules for
    the series of a study. ``visible_to`` names accounts that see the jobs; empty: everybody who sees all.
    """

    title: str
    options: Dict[str, object] = field(default_factory=dict)
    send_to: List[str] = field(default_factory=list)
    unit: str = "series"
    quiet_seconds: float = 60.0
    at_most_minutes: float = 90.0
    choose: List[object] = field(default_factory=list)
    visible_to: List[str] = field(default_factory=list)

    @property
    def job_options(self) -> Dict[str, object]:
        """The options of its jobs: ``options``, and the peers of ``send_to`` where it names any."""
        return {**self.options, **({"send_to": list(self.send_to)} if self.send_to else {})}

    def rules(self, here: str = "choose") -> tuple[SeriesRule, ...]:
        """The rules of ``choose``; ``here`` names them in what is raised: ``options.*``."""
        return parse_series_rules(self.choose, here)


@dataclass(frozen=True)
class Caller:
    """Somebody who may send: AE title, address or network, SHA-256 of the client certificate under TLS."""

    title: str
    address: str
    certificate: str = ""


@dataclass(frozen=True)
class WebAccess:
    """A peer's DICOMweb service; secrets stand in files, never here."""

    url: str
    token_file: str = ""
    user: str = ""
    password_file: str = ""
    tls_ca: str = ""


@dataclass(frozen=True)
class Peer:
    """An archive or workstation that we ask and send to.

    ``use`` is ``dimse`` or ``web``; ``retrieve`` is ``get`` or ``move``. ``seg``: how segmentations are
    encoded; ``auto`` takes what the peer negotiates. ``give_up_hours`` after which a send fails.
    ``visible_to`` names accounts that may search it from the page; empty: every operator who sees all.
    """

    title: str = ""
    host: str = ""
    port: int = 104
    our_title: str = "AUTOSEG"
    tls: bool = False
    tls_ca: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    web: Union[WebAccess, None] = None
    use: str = "dimse"
    retrieve: str = "get"
    objects: List[str] = field(default_factory=lambda: ["seg", "report"])
    seg: str = "auto"
    give_up_hours: float = 72.0
    deidentify: bool = False
    visible_to: List[str] = field(default_factory=list)


@dataclass(frozen=True)
class Watch:
    """A query that is repeated; each study that is new to it is fetched once and goes to ``entry``."""

    name: str
    peer: str
    match: Dict[str, str]
    entry: str = ""
    every_minutes: float = 10.0
    at_most_studies: int = 20


@dataclass(frozen=True)
class Privacy:
    """De-identification: ``prefix`` begins each pseudonym, ``table`` is the file that leads back to patients.

    Without ``table`` it lies in ``state``, which is also where everything else of the home is.
    """

    prefix: str = "ANON"
    table: str = ""


@dataclass(frozen=True)
class PacsConfig:
    """The complete file."""

    receiver: Receiver = field(default_factory=Receiver)
    entries: List[Entry] = field(default_factory=list)
    callers: List[Caller] = field(default_factory=list)
    peers: Dict[str, Peer] = field(default_factory=dict)
    watch: List[Watch] = field(default_factory=list)
    privacy: Privacy = field(default_factory=Privacy)

    def entry(self, title: str) -> Entry | None:
        """What is done under ``title``; our own title needs no entry. None: nobody listens under it."""
        for one in self.entries:
            if one.title == title:
                return one
        return Entry(title) if title == self.receiver.title else None

    def peer(self, name: str) -> Peer:
        """The peer called ``name``; raises ``pacs.unknown_peer``."""
        if name not in self.peers:
            known = ", ".join(self.peers) or "none"
            near = specs.did_you_mean(name, self.peers)
            raise PipelineError("pacs.unknown_peer", f"there is no peer {name!r} (known: {known}){near}")
        return self.peers[name]


def read_config(root: Path) -> PacsConfig:
    """The file in the home ``root``; an absent one is empty. Raises ``pacs.configuration``."""
    path = root / FILE
    try:
        with open(path, "rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    except FileNotFoundError:
        return PacsConfig()
    except OSError as error:
        raise _wrong(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > MOST_BYTES:
        raise _wrong(f"{path} is too large")
    try:
        values = json.loads(data.decode("utf-8-sig"), object_pairs_hook=unique_keys)
    except (ValueError, RecursionError) as error:
        raise _wrong(f"{path} is not valid JSON: {error}") from None
    return parse_config(values, FILE)


def parse_config(values: object, origin: str = FILE) -> PacsConfig:
    """The configuration of a parsed file; raises as :func:`read_config`."""
    _refuse_unknown_keys(PacsConfig, values, origin)
    try:
        config = read(PacsConfig, values, origin)
    except ProtocolError as error:
        raise _wrong(error.message) from None
    _check(config, origin)
    return config


def _wrong(message: str) -> PipelineError:
    return PipelineError("pacs.configuration", message)


def _refuse_unknown_keys(kind: type, values: object, where: str) -> None:
    """Keys that no class has, at any depth; :func:`..messages.reader.read` checks the types."""
    if not isinstance(values, Mapping):
        return
    hints = get_type_hints(kind)
    for key, value in values.items():
        if key not in hints:
            raise _wrong(f"{where}: there is no key {key!r}{specs.did_you_mean(str(key), hints)}")
        kinds = [one for one in (hints[key], *get_args(hints[key])) if isinstance(one, type)]
        inner = [one for one in kinds if dataclasses.is_dataclass(one)]
        if not inner:
            continue
        for name, one in _within(value, hints[key] is inner[0]):
            _refuse_unknown_keys(inner[0], one, f"{where}: {key}{name}")


def _within(value: object, itself: bool) -> list[tuple[str, object]]:
    """The objects that ``value`` holds, each with what its place adds to the key."""
    if isinstance(value, list):
        return [(f" {number}", one) for number, one in enumerate(value, 1)]
    if isinstance(value, Mapping) and not itself and all(isinstance(one, Mapping) for one in value.values()):
        return [(f" {name!r}", one) for name, one in value.items()]
    return [("", value)]


def _check(config: PacsConfig, origin: str) -> None:
    receiver, privacy = config.receiver, config.privacy
    if not _PREFIX.fullmatch(privacy.prefix):
        raise _wrong(f"{origin}: privacy.prefix is 1 to 16 letters, digits, _ or -")
    if privacy.table and not Path(privacy.table).is_absolute():
        raise _wrong(f"{origin}: privacy.table is an absolute path")
    _title(receiver.title, f"{origin}: receiver.title")
    _port(receiver.port, f"{origin}: receiver.port", lowest=0)
    if receiver.most_associations < 1:
        raise _wrong(f"{origin}: receiver.most_associations is below 1")
    if bool(receiver.tls_cert) != bool(receiver.tls_key):
        raise _wrong(f"{origin}: receiver needs tls_cert and tls_key together")
    if receiver.tls_ca and not receiver.tls_cert:
        raise _wrong(
            f"{origin}: receiver.tls_ca needs tls_cert and tls_key, else nothing is encrypted or checked"
        )
    titles: set[str] = set()
    for entry in config.entries:
        _entry(entry, config, f"{origin}: entry {entry.title!r}")
        if entry.title in titles:
            raise _wrong(f"{origin}: two entries are called {entry.title!r}")
        titles.add(entry.title)
    for number, caller in enumerate(config.callers, 1):
        _caller(caller, f"{origin}: caller {number}")
        if caller.certificate and not receiver.tls_ca:
            raise _wrong(f"{origin}: caller {number}: without receiver.tls_ca nobody shows a certificate")
    for name, peer in config.peers.items():
        _peer(peer, f"{origin}: peer {name!r}")
    names: set[str] = set()
    for watch in config.watch:
        _watch(watch, config, f"{origin}: watch {watch.name!r}")
        if watch.name in names:
            raise _wrong(f"{origin}: two watches are called {watch.name!r}")
        names.add(watch.name)


def _entry(entry: Entry, config: PacsConfig, here: str) -> None:
    _title(entry.title, here)
    _one_of(entry.unit, UNITS, f"{here}: unit")
    specs.parse_options(entry.options, here)
    if entry.unit != "study" and any(rule.best for rule in entry.rules(here)):
        raise _wrong(f"{here}: a rule with best compares the series of a study and needs unit study")
    for name in entry.send_to:
        _known(name, config.peers, f"{here}: send_to")
    if entry.quiet_seconds <= 0 or entry.at_most_minutes <= 0:
        raise _wrong(f"{here}: quiet_seconds and at_most_minutes are above 0")


def _caller(caller: Caller, here: str) -> None:
    _title(caller.title, here)
    try:
        ipaddress.ip_network(caller.address, strict=False)
    except ValueError:
        raise _wrong(f"{here}: {caller.address!r} is no address or network") from None
    if caller.certificate and not _FINGERPRINT.fullmatch(caller.certificate):
        raise _wrong(f"{here}: certificate is sha256: and 64 hexadecimal digits")


def _peer(peer: Peer, here: str) -> None:
    _one_of(peer.use, ("dimse", "web"), f"{here}: use")
    _one_of(peer.retrieve, ("get", "move"), f"{here}: retrieve")
    _one_of(peer.seg, (AUTO, *ENCODINGS), f"{here}: seg")
    for kind in peer.objects:
        _one_of(kind, KINDS, f"{here}: objects")
    _title(peer.our_title, f"{here}: our_title")
    if peer.use == "web" and peer.web is None:
        raise _wrong(f"{here}: use is web, and there is no web")
    if peer.use == "web" and (peer.tls or peer.tls_ca or peer.retrieve != "get"):
        raise _wrong(
            f"{here}: tls, tls_ca and retrieve are for use dimse; with use web, web.url begins with https:// "
            "and web.tls_ca names the certificate"
        )
    if peer.use == "dimse" or peer.title:
        _title(peer.title, f"{here}: title")
        _port(peer.port, f"{here}: port")
        if not peer.host:
            raise _wrong(f"{here}: host is missing")
    if peer.web is not None and not peer.web.url.startswith(("http://", "https://")):
        raise _wrong(f"{here}: web.url begins with http:// or https://")
    if peer.give_up_hours <= 0:
        raise _wrong(f"{here}: give_up_hours is above 0")


def _watch(watch: Watch, config: PacsConfig, here: str) -> None:
    _known(watch.peer, config.peers, f"{here}: peer")
    if watch.entry and config.entry(watch.entry) is None:
        raise _wrong(f"{here}: there is no entry {watch.entry!r}")
    if watch.every_minutes <= 0 or watch.at_most_studies < 1:
        raise _wrong(f"{here}: every_minutes is above 0 and at_most_studies at least 1")
    if not watch.match:
        raise _wrong(f"{here}: match is empty; it would fetch the complete archive")
    try:
        StudyQuery.of(watch.match, f"{here}: match")
    except PipelineError as error:
        raise _wrong(error.message) from None


def _title(title: str, here: str) -> None:
    if not _TITLE.fullmatch(title):
        raise _wrong(f"{here}: {title!r} is no AE title (1 to 16 characters, no backslash)")


def _port(port: int, here: str, lowest: int = 1) -> None:
    if not lowest <= port <= 65535:
        raise _wrong(f"{here}: {port} is no port")


def _one_of(value: str, known: tuple[str, ...], here: str) -> None:
    if value not in known:
        raise _wrong(f"{here}: {value!r} is not one of {', '.join(known)}{specs.did_you_mean(value, known)}")


def _known(name: str, peers: Mapping[str, Peer], here: str) -> None:
    if name not in peers:
        raise _wrong(f"{here}: there is no peer {name!r}{specs.did_you_mean(name, peers)}")
