"""Under TLS a caller may be known by its certificate."""

from __future__ import annotations

import ssl
import time
from pathlib import Path
from typing import Any

import pytest
from support.certificate import fingerprint, write_certificate
from support.receiving import CALLER, Receiving, associate, receiving


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Certificate and key; it is its own authority, and stands for both sides."""
    folder = tmp_path / "tls"
    folder.mkdir()
    certificate, key = write_certificate(folder)
    return certificate, key


def tls_receiver(root: Path, pair: tuple[Path, Path], caller: dict[str, str]) -> Any:
    certificate, key = map(str, pair)
    files = {"tls_cert": certificate, "tls_key": key, "tls_ca": certificate}
    return receiving(root, receiver=files, callers=[{**CALLER, **caller}])


def client(pair: tuple[Path, Path], shows: bool = True) -> tuple[ssl.SSLContext, str]:
    context = ssl.create_default_context(cafile=str(pair[0]))
    if shows:
        context.load_cert_chain(*map(str, pair))
    return context, "localhost"


def echoes(taker: Receiving, tls: Any) -> bool:
    association = associate(taker.port, tls=tls)
    if not association.is_established:
        return False
    answer = association.send_c_echo()
    association.release()
    return answer.get("Status") == 0


def test_the_certificate_of_a_caller_admits_it(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    with tls_receiver(tmp_path / "home", pair, {"certificate": fingerprint(pair[0])}) as taker:
        assert echoes(taker, client(pair))


def test_another_certificate_is_refused_and_shown_in_the_line(
    tmp_path: Path, pair: tuple[Path, Path]
) -> None:
    with tls_receiver(tmp_path / "home", pair, {"certificate": "sha256:" + "0" * 64}) as taker:
        assert not echoes(taker, client(pair))
        (noted,) = taker.pacs.refusals.list()
        assert noted.certificate == fingerprint(pair[0]) and noted.certificate in noted.line


def test_without_a_certificate_or_without_tls_nobody_connects(
    tmp_path: Path, pair: tuple[Path, Path]
) -> None:
    with tls_receiver(tmp_path / "home", pair, {}) as taker:
        assert not echoes(taker, client(pair, shows=False))
        assert not echoes(taker, None)
        end = time.monotonic() + 60
        while len(taker.pacs.refusals.list()) < 2:
            assert time.monotonic() < end
            time.sleep(0.05)
        noted = taker.pacs.refusals.list()
        assert {(one.title, one.address, one.line) for one in noted} == {("", "127.0.0.1", "")}
        assert all(one.reason.startswith("the TLS handshake failed: ") for one in noted)
        assert echoes(taker, client(pair))
