"""What is said of a DICOMweb service that does not work: the truth, and never what was asked of it."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from pathlib import Path
from typing import Iterator

import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.pacs.config import Peer, WebAccess
from AutoSegPipelineLib.dicom.web_peer import web_session
from support.certificate import write_certificate
from support.orthanc import free_port


@contextlib.contextmanager
def listening(context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Takes connections, over TLS where a context is given, and closes each without an answer."""
    ended = threading.Event()

    def run() -> None:
        while not ended.is_set():
            with contextlib.suppress(OSError):
                link, _ = server.accept()
                link.settimeout(5)
                if context is not None:
                    link = context.wrap_socket(link, server_side=True)
                link.recv(1 << 16)
                link.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            ended.set()
            thread.join(10)


def asked(url: str) -> PipelineError:
    """The error of a search for a patient."""
    with (
        pytest.raises(PipelineError) as caught,
        web_session("pacs", Peer(use="web", web=WebAccess(url))) as (
            session,
            base,
        ),
    ):
        session.get(f"{base}/studies", params={"PatientName": "Doe^Jane"}, timeout=(5, 5))
    assert "Doe" not in caught.value.message and caught.value.__suppress_context__
    return caught.value


def test_a_certificate_that_nobody_knows(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*write_certificate(tmp_path))
    with listening(context) as port:
        error = asked(f"https://127.0.0.1:{port}/dicom-web")
    assert error.code == "pacs.peer_refuses" and error.message.startswith("pacs: TLS: self")


def test_away_is_who_takes_no_connection(tmp_path: Path) -> None:
    assert asked(f"http://127.0.0.1:{free_port()}/dicom-web").code == "pacs.peer_away"
    with listening() as port:
        error = asked(f"http://127.0.0.1:{port}/dicom-web")
    assert (error.code, error.message) == ("pacs.peer_failed", "pacs broke off, or fell silent")


def test_an_address_that_is_none() -> None:
    assert asked("http://[::1/dicom-web").message == "pacs broke off: InvalidURL"
