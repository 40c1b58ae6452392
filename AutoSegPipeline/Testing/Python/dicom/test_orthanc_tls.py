"""Transfers to and from a real Orthanc over TLS, each side showing its certificate; and the self-test."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any, Iterator

import pydicom
import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.pacs.config import FILE, Peer
from AutoSegPipelineLib.core.pacs.query import FoundSeries
from AutoSegPipelineLib.dicom.query.retrieve import fetch_into
from AutoSegPipelineLib.dicom.send.c_store import store
from support.archive import write_study
from support.certificate import fingerprint, write_certificate
from support.dicom_peers import write_object
from support.headless import Running, autoseg
from support.orthanc import Orthanc, free_port, orthanc
from support.receiving import CALLER, Receiving, receiving


class Secured:
    """Orthanc that speaks DICOM over TLS only, and the receiver's port that it knows as ``us``."""

    def __init__(self, folder: Path, server: Orthanc, port: int) -> None:
        self.server = server
        self.port = port
        self.certificate, self.key = folder / "cert.pem", folder / "key.pem"

    @property
    def files(self) -> dict[str, str]:
        """The keys of ``dicom.json`` of whoever shows the certificate and trusts it."""
        found = {"tls_cert": self.certificate, "tls_key": self.key, "tls_ca": self.certificate}
        return {name: str(path) for name, path in found.items()}

    def peer(self, **more: Any) -> Peer:
        values = {"title": "ORTHANC", "host": "127.0.0.1", "port": self.server.port, "tls": True}
        return Peer(**{**values, **self.files, **more})  # type: ignore[arg-type]


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[Secured]:
    folder = tmp_path / "tls"
    folder.mkdir()
    certificate, key = map(str, write_certificate(folder))
    port = free_port()
    us = {"AET": "AUTOSEG", "Host": "127.0.0.1", "Port": port, "UseDicomTls": True}
    settings = {
        "DicomTlsEnabled": True, "DicomTlsCertificate": certificate, "DicomTlsPrivateKey": key,
        "DicomTlsTrustedCertificates": certificate, "DicomTlsRemoteCertificateRequired": True,
        "DicomModalities": {"us": us},
    }  # fmt: skip
    with orthanc(tmp_path / "orthanc", more=settings) as server:
        yield Secured(folder, server, port)


def test_we_send_and_fetch(tmp_path: Path, secured: Secured) -> None:
    result = write_object(tmp_path / "results")
    store("pacs", secured.peer(), tmp_path / "results", [result])
    assert [one["SOPInstanceUID"] for one in secured.server.instances()] == [result.sop_instance]
    paths = write_study(tmp_path / "study", 1)
    secured.server.add(*paths)
    first = pydicom.dcmread(paths[0])
    series = FoundSeries(str(first.SeriesInstanceUID), instances=len(paths))
    fetch_into(tmp_path / "got", "pacs", secured.peer(), str(first.StudyInstanceUID), series)
    assert len(list((tmp_path / "got").glob("*.dcm"))) == len(paths)


@pytest.mark.parametrize("less", [{"tls": False}, {"tls_cert": "", "tls_key": ""}, {"tls_ca": ""}])
def test_without_tls_or_a_certificate_nothing_is_stored(
    tmp_path: Path, secured: Secured, less: dict[str, Any]
) -> None:
    """The last one: we do not trust the certificate that it shows."""
    result = write_object(tmp_path / "results")
    with pytest.raises(PipelineError) as caught:
        store("pacs", secured.peer(**less), tmp_path / "results", [result])
    assert caught.value.code in ("pacs.peer_away", "pacs.peer_failed")
    assert secured.server.instances() == []


@pytest.mark.parametrize("known", [True, False])
def test_it_sends_to_us_as_far_as_its_certificate_is_known(
    tmp_path: Path, secured: Secured, known: bool
) -> None:
    paths = write_study(tmp_path / "study", 1)
    secured.server.add(*paths)
    shown = fingerprint(secured.certificate) if known else "sha256:" + "0" * 64
    callers = [{**CALLER, "certificate": shown}]
    taker = Receiving(tmp_path / "home", receiver={**secured.files, "port": secured.port}, callers=callers)
    order = {"Resources": secured.server.rest("/studies"), "Permissive": True, "LocalAet": "SENDER"}
    with receiving(tmp_path / "home", taker):
        try:
            secured.server.rest("/modalities/us/store", json.dumps(order).encode())
        except OSError:  # Orthanc's answer when it is rejected
            assert not known
        if known:
            (intent,) = taker.intents(seconds=60)
            assert len(taker.staged(intent)) == len(paths)
        else:
            (noted,) = taker.pacs.refusals.list()
            assert noted.certificate == fingerprint(secured.certificate) and taker.noted() == []


def test_the_self_test(tmp_path: Path, secured: Secured) -> None:
    """The receiver's certificate is for a name under which this machine does not reach itself."""
    home = tmp_path / "home"
    (home / "tls").mkdir(parents=True)
    certificate, key = write_certificate(home / "tls", host="autoseg.example")
    receiver = {"port": secured.port, "tls_cert": str(certificate), "tls_key": str(key)}
    receiver["tls_ca"] = str(certificate)
    peer = {"title": "ORTHANC", "host": "127.0.0.1", "port": secured.server.port, "tls": True}
    config = {"receiver": receiver, "peers": {"pacs": {**peer, **secured.files}}}
    (home / FILE).write_text(json.dumps(config))
    running = Running("serve", "--home", home, "--dicom", "--no-web")
    try:
        until = time.monotonic() + 60
        while not json.loads(autoseg("dicom", "status", "--json", "--home", home).stdout)["running"]:
            assert time.monotonic() < until
            time.sleep(0.3)
        done = autoseg("dicom", "test", "pacs", "--json", "--home", home, timeout=200)
        found = json.loads(done.stdout)
        assert done.returncode == 0 and found["passed"], found
        assert found["steps"][-1]["note"] == "the study holds SEG, SR"
        assert {one["PatientID"] for one in secured.server.instances()} == {"AUTOSEG-SELFTEST"}
    finally:
        running.signal(signal.SIGINT)
        assert running.end() == 0
