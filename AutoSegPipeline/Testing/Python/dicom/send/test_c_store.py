"""C-STORE to a real Orthanc, and to peers that are away, refuse, hang or want it otherwise."""

from __future__ import annotations

import contextlib
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pydicom
import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.pacs.config import Peer
from AutoSegPipelineLib.dicom import connect
from AutoSegPipelineLib.dicom.send import c_store
from AutoSegPipelineLib.dicom.send.c_store import NotTaken, negotiated, store
from support.certificate import write_certificate
from support.dicom_peers import EXPLICIT, IMPLICIT, LABELMAP_SEG, REPORT, RLE, SEG, storage, write_object
from support.inner_parts import PYNETDICOM, complaints
from support.orthanc import free_port, needed, orthanc


def peer_at(port: int, **values: object) -> Peer:
    return Peer(title="STORAGE", host="127.0.0.1", port=port, **values)  # type: ignore[arg-type]


def test_orthanc_has_each_object_once_however_often_it_is_sent(tmp_path: Path) -> None:
    objects = [write_object(tmp_path, "seg", size=1024), write_object(tmp_path, "report", REPORT)]
    with orthanc(tmp_path / "orthanc") as server:
        for _ in range(2):
            store("pacs", peer_at(server.port), tmp_path, objects)
        found = server.instances()
        assert sorted(one["SOPInstanceUID"] for one in found) == sorted(one.sop_instance for one in objects)
        seg = next(one for one in found if one["Modality"] == "SEG")
        (tmp_path / "back.dcm").write_bytes(server.file(seg["ID"]))
    assert pydicom.dcmread(tmp_path / "back.dcm") == pydicom.dcmread(tmp_path / objects[0].file)


def test_orthanc_1_10_negotiates_no_label_maps_and_refuses_one(tmp_path: Path) -> None:
    one = write_object(tmp_path, sop_class=LABELMAP_SEG, syntax=RLE)
    with orthanc(tmp_path / "orthanc") as server:
        assert negotiated("pacs", peer_at(server.port)) == ()
        with pytest.raises(NotTaken, match="pacs did not take the seg: it does not negotiate"):
            store("pacs", peer_at(server.port), tmp_path, [one])
        assert server.instances() == []


@pytest.mark.parametrize(
    ("syntaxes", "words"),
    [((EXPLICIT, IMPLICIT, RLE), ("rle", "")), ((RLE,), ("rle",)), ((EXPLICIT,), ("",)), ((IMPLICIT,), ())],
)
def test_how_a_peer_takes_label_maps(syntaxes: tuple[str, ...], words: tuple[str, ...]) -> None:
    with storage(syntaxes=syntaxes) as (port, _):
        assert negotiated("pacs", peer_at(port)) == words


def test_a_compressed_label_map_goes_as_it_is(tmp_path: Path) -> None:
    one = write_object(tmp_path, sop_class=LABELMAP_SEG, syntax=RLE)
    with storage() as (port, got):
        store("pacs", peer_at(port), tmp_path, [one])
    written = pydicom.dcmread(tmp_path / one.file)
    assert got[0].PixelData == written.PixelData and got[0].file_meta.TransferSyntaxUID == RLE


def test_a_peer_that_takes_only_implicit_gets_it_so(tmp_path: Path) -> None:
    one = write_object(tmp_path)
    with storage(syntaxes=(IMPLICIT,)) as (port, got):
        store("pacs", peer_at(port), tmp_path, [one])
    assert got[0].PixelData == pydicom.dcmread(tmp_path / one.file).PixelData


@pytest.mark.parametrize(
    ("status", "words"), [(0xA700, "A700, out of resources"), (0xC123, "cannot understand")]
)
def test_a_refusal_names_its_status(tmp_path: Path, status: int, words: str) -> None:
    with storage(answer=lambda data: status) as (port, _), pytest.raises(NotTaken, match=words):
        store("pacs", peer_at(port), tmp_path, [write_object(tmp_path)])


def test_a_remark_is_an_acknowledgement(tmp_path: Path) -> None:
    with storage(answer=lambda data: 0xB000) as (port, got):
        store("pacs", peer_at(port), tmp_path, [write_object(tmp_path)])
    assert len(got) == 1


def test_one_object_in_a_hundred_refused_is_a_refusal(tmp_path: Path) -> None:
    objects = [write_object(tmp_path, f"seg{n}", size=8) for n in range(100)]
    last = objects[-1].sop_instance
    refusing = storage(answer=lambda data: 0xA900 if data.SOPInstanceUID == last else 0)
    with refusing as (port, got), pytest.raises(NotTaken, match="did not take the seg99"):
        store("pacs", peer_at(port), tmp_path, objects)
    assert len(got) == 100


def test_peers_that_are_away_hang_or_do_not_know_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = write_object(tmp_path)
    with pytest.raises(PipelineError, match="pacs does not answer") as caught:
        store("pacs", peer_at(free_port()), tmp_path, [one])
    assert caught.value.code == "pacs.peer_away"
    monkeypatch.setattr(connect, "NEGOTIATE_SECONDS", 1.0)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        begun = time.monotonic()
        with pytest.raises(PipelineError) as caught:
            store("pacs", peer_at(silent.getsockname()[1]), tmp_path, [one])
        assert caught.value.code == "pacs.peer_away" and time.monotonic() - begun < 10
    strict = orthanc(tmp_path / "orthanc", more={"DicomCheckCalledAet": True})
    with (
        strict as server,
        pytest.raises(PipelineError, match=r"rejects AUTOSEG .*: called AE") as caught,
    ):
        store("pacs", peer_at(server.port), tmp_path, [one])
    assert caught.value.code == "pacs.peer_refuses"


def test_a_peer_that_stops_answering_is_there_and_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(c_store, "STORE_SECONDS", 1.0)

    def sleep(data: pydicom.Dataset) -> int:
        time.sleep(3)
        return 0

    with storage(answer=sleep) as (port, _), pytest.raises(PipelineError, match="not acknowledged") as caught:
        store("pacs", peer_at(port), tmp_path, [write_object(tmp_path)])
    assert caught.value.code == "pacs.peer_failed"


def test_over_tls_the_peer_must_be_known(tmp_path: Path) -> None:
    one = write_object(tmp_path)
    cert, key = write_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with storage(ssl_context=context) as (port, got):
        store("pacs", peer_at(port, tls=True, tls_ca=str(cert)), tmp_path, [one])
        assert len(got) == 1
        with pytest.raises(PipelineError) as caught:
            store("pacs", peer_at(port, tls=True), tmp_path, [one])
        assert caught.value.code == "pacs.peer_away" and len(got) == 1
        with pytest.raises(PipelineError, match="none cannot be used") as caught:
            store("pacs", peer_at(port, tls=True, tls_ca=str(tmp_path / "none")), tmp_path, [one])
        assert caught.value.code == "pacs.configuration"


def test_the_own_certificate_of_a_peer_is_enough_whoever_signed_it(tmp_path: Path) -> None:
    cert, key = write_certificate(tmp_path, issuer="Hospital CA")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with storage(ssl_context=context) as (port, got):
        store("pacs", peer_at(port, tls=True, tls_ca=str(cert)), tmp_path, [write_object(tmp_path)])
    assert len(got) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot stop a process by a signal")
def test_a_peer_that_stops_reading_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needed("storescp")
    monkeypatch.setattr(c_store, "STORE_SECONDS", 2.0)
    one, port, ended = write_object(tmp_path, size=4500), free_port(), []
    listener = subprocess.Popen(["storescp", "-od", str(tmp_path), str(port)])
    transfer = c_store._store

    def stop_and_store(*args: Any) -> None:
        listener.send_signal(signal.SIGSTOP)
        transfer(*args)

    monkeypatch.setattr(c_store, "_store", stop_and_store)

    def send() -> None:
        try:
            store("pacs", peer_at(port), tmp_path, [one])
        except PipelineError as error:
            ended.append(error.code)

    try:
        until = time.monotonic() + 60
        while not is_listening(port):
            assert time.monotonic() < until
            time.sleep(0.1)
        thread = threading.Thread(target=send, daemon=True)
        thread.start()
        thread.join(20)
        assert ended == ["pacs.peer_failed"]
    finally:
        listener.kill()
        listener.wait()


def is_listening(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def test_a_class_that_nobody_negotiated_refuses_all(tmp_path: Path) -> None:
    objects = [write_object(tmp_path), write_object(tmp_path, "report", REPORT)]
    with storage(classes=(SEG,)) as (port, got), pytest.raises(NotTaken, match="did not take the report"):
        store("pacs", peer_at(port), tmp_path, objects)
    assert got == []


def test_pynetdicom_has_the_settings_that_we_set() -> None:
    assert complaints(PYNETDICOM) == []
