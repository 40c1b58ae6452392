"""Search and fetch over both kinds of service, against a real Orthanc."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from pathlib import Path
from typing import Any, Callable

import pydicom
import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.pacs.config import Peer, parse_config
from AutoSegPipelineLib.core.pacs.query import FoundSeries, StudyQuery
from AutoSegPipelineLib.dicom.query import retrieve
from AutoSegPipelineLib.dicom.query.find import echo, find_series, find_studies
from AutoSegPipelineLib.dicom.query.retrieve import Cancelled, SeriesFiles, fetch_series
from AutoSegPipelineLib.dicom.receive.offered import IMAGES, TRANSFER_SYNTAXES
from support.archive import Archive
from support.certificate import write_certificate

KINDS = ("dimse", "web")


@pytest.fixture(params=KINDS)
def peer(request: pytest.FixtureRequest, shared_archive: Archive) -> Peer:
    return peer_of(shared_archive.peer() if request.param == "dimse" else shared_archive.web_peer())


def peer_of(values: dict[str, Any]) -> Peer:
    return parse_config({"peers": {"pacs": values}}).peer("pacs")


def files(folder: Path, stopped: Callable[[], bool] = lambda: False) -> SeriesFiles:
    return SeriesFiles(folder, lambda count: None, stopped)


@pytest.mark.parametrize(
    ("match", "patients"),
    [
        ({"patient": "P1"}, ["P1"]),
        ({"name": "Roe*"}, ["P2"]),
        ({"name": "R?e*"}, ["P2"]),
        ({"accession": "A77"}, ["P1"]),
        ({"modality": "ct", "patient": "P*"}, ["P1", "P2"]),
        ({"modality": "MR"}, []),
        ({"date": "2026-10-01.."}, ["P1"]),
        ({"date": "2025-01-01..2025-12-31"}, ["P2"]),
        ({"description": "*HORA*"}, ["P1"]),
        ({"description": "THORAX", "patient": "P2"}, []),
    ],
)
def test_studies_are_found_by_each_field(peer: Peer, match: dict[str, object], patients: list[str]) -> None:
    found = find_studies("pacs", peer, StudyQuery.of(match, "x"))
    assert [one.patient for one in found.studies] == patients
    assert not found.more


def test_either_of_two_modalities_is_found_and_no_other(peer: Peer) -> None:
    def found(match: dict[str, object], most: int = 10) -> tuple[list[str], bool]:
        answer = find_studies("pacs", peer, StudyQuery.of(match, "test"), most)
        return sorted(one.patient for one in answer.studies), answer.more

    assert found({"patient": "P*", "modality": "MR,CT"}) == (["P1", "P2"], False)
    assert found({"patient": "P*", "modality": "MR,CT"}, 1)[1]
    assert found({"patient": "P*", "modality": "MR,US"}) == ([], False)


def test_c_get_offers_what_the_receiver_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offered: list[Any] = []

    @contextlib.contextmanager
    def link(name: str, peer: Peer, wanted: Any) -> Any:
        offered.extend(wanted.contexts)
        raise PipelineError("pacs.peer_away", "enough")
        yield

    monkeypatch.setattr(retrieve, "association", link)
    away = peer_of({"title": "A", "host": "127.0.0.1", "port": 1})
    with pytest.raises(PipelineError, match="enough"):
        fetch_series("pacs", away, "1.2", FoundSeries("1.3"), files(tmp_path))
    pairs = {(one.abstract_syntax, one.transfer_syntax[0]) for one in offered}
    assert {(image, syntax) for image in IMAGES for syntax in TRANSFER_SYNTAXES} <= pairs
    assert len(offered) <= 128  # of one association, PS3.8


def test_a_study_is_described(peer: Peer, shared_archive: Archive) -> None:
    first = pydicom.dcmread(shared_archive.files[0][0])
    by_uid = StudyQuery.of({"study": str(first.StudyInstanceUID)}, "x")
    [study] = find_studies("pacs", peer, by_uid).studies
    assert (study.name, study.description, study.date) == ("Müller Änne", "THORAX", "20261101")
    assert (study.modalities, study.series, study.instances) == (("CT",), 1, 12)
    [series] = find_series("pacs", peer, study.uid)
    assert series == FoundSeries(str(first.SeriesInstanceUID), 3, "CT", "soft", "", 12)
    assert series.is_scan


def test_a_name_in_other_letters_is_found_by_c_find(shared_archive: Archive) -> None:
    found = find_studies("pacs", peer_of(shared_archive.peer()), StudyQuery.of({"name": "Müll*"}, "x"))
    assert [one.patient for one in found.studies] == ["P1"]


def test_the_limit_is_kept_and_said(peer: Peer) -> None:
    found = find_studies("pacs", peer, StudyQuery.of({"modality": "CT"}, "x"), 1)
    assert len(found.studies) == 1 and found.more


def test_a_series_comes_as_it_is_stored(peer: Peer, shared_archive: Archive, tmp_path: Path) -> None:
    sent = {pydicom.dcmread(path).SOPInstanceUID: path for path in shared_archive.files[0]}
    study = pydicom.dcmread(shared_archive.files[0][0]).StudyInstanceUID
    [series] = find_series("pacs", peer, study)
    came = files(tmp_path / "series")
    fetch_series("pacs", peer, study, series, came)
    paths = list((tmp_path / "series").iterdir())
    assert came.count == len(paths) == 12
    for path in paths:
        data = pydicom.dcmread(path)
        original = pydicom.dcmread(sent.pop(data.SOPInstanceUID))
        assert data == original
        assert data.file_meta.TransferSyntaxUID == original.file_meta.TransferSyntaxUID
    fetch_series("pacs", peer, study, series, came)  # again: each replaces itself
    assert len(list((tmp_path / "series").iterdir())) == 12


def test_a_series_comes_with_the_pydicom_of_slicer(
    shared_archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = pydicom.dcmwrite

    def as_in_2_4(filename: object, dataset: pydicom.Dataset, write_like_original: bool = True) -> None:
        real(filename, dataset, enforce_file_format=not write_like_original)  # type: ignore[arg-type]

    first = pydicom.dcmread(shared_archive.files[0][0])
    peer = peer_of(shared_archive.web_peer())
    [series] = find_series("pacs", peer, str(first.StudyInstanceUID))
    monkeypatch.setattr(pydicom, "__version__", "2.4.4")
    monkeypatch.setattr(pydicom, "dcmwrite", as_in_2_4)
    came = files(tmp_path / "series")
    fetch_series("pacs", peer, str(first.StudyInstanceUID), series, came)
    assert came.count == 12
    assert pydicom.dcmread(next((tmp_path / "series").iterdir())).file_meta.TransferSyntaxUID


def test_fewer_than_the_archive_has_are_not_enough(
    peer: Peer, shared_archive: Archive, tmp_path: Path
) -> None:
    first = pydicom.dcmread(shared_archive.files[0][0])
    series = FoundSeries(str(first.SeriesInstanceUID), modality="CT", instances=13)
    with pytest.raises(PipelineError, match="sent 12 of 13") as caught:
        fetch_series("pacs", peer, str(first.StudyInstanceUID), series, files(tmp_path))
    assert caught.value.code == "pacs.incomplete"


def test_a_fetch_is_broken_off(peer: Peer, shared_archive: Archive, tmp_path: Path) -> None:
    study = str(pydicom.dcmread(shared_archive.files[0][0]).StudyInstanceUID)
    [series] = find_series("pacs", peer, study)
    came: list[SeriesFiles] = []
    came.append(files(tmp_path, lambda: bool(came) and came[0].count >= 3))
    with pytest.raises(Cancelled):
        fetch_series("pacs", peer, study, series, came[0])
    assert came[0].count == 3


def test_nothing_listens(peer: Peer) -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    away = {"title": "A", "host": "127.0.0.1", "port": port}
    for values in (away, {"use": "web", "web": {"url": f"http://127.0.0.1:{port}/dicom-web"}}):
        with pytest.raises(PipelineError, match="does not answer") as caught:
            echo("pacs", peer_of(values))
        assert caught.value.code == "pacs.peer_away"


def test_a_title_that_the_archive_does_not_know_is_named(
    shared_archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pynetdicom import AE, evt

    server = AE("STRICT")
    server.add_supported_context("1.2.840.10008.1.1")
    server.require_calling_aet = ["SOMEBODY"]
    running = server.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_ECHO, lambda e: 0)])
    try:
        port = running.server_address[1]
        with pytest.raises(PipelineError, match="rejects AUTOSEG calling STRICT: calling AE") as caught:
            echo("pacs", peer_of({"title": "STRICT", "host": "127.0.0.1", "port": port}))
        assert caught.value.code == "pacs.peer_refuses"
        echo("pacs", peer_of({"title": "STRICT", "host": "127.0.0.1", "port": port, "our_title": "SOMEBODY"}))
    finally:
        running.shutdown()


def test_a_peer_that_falls_silent_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    from AutoSegPipelineLib.dicom import connect

    monkeypatch.setattr(connect, "NEGOTIATE_SECONDS", 1.0)
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        threading.Thread(target=one.accept, daemon=True).start()
        began = time.monotonic()
        with pytest.raises(PipelineError, match="does not answer"):
            echo("pacs", peer_of({"title": "A", "host": "127.0.0.1", "port": one.getsockname()[1]}))
    assert time.monotonic() - began < 5


def test_tls_is_checked_on_both_sides(tmp_path: Path) -> None:
    import ssl

    from pynetdicom import AE, evt

    certificate, key = write_certificate(tmp_path)
    secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secure.load_cert_chain(certificate, key)
    secure.load_verify_locations(certificate)
    secure.verify_mode = ssl.CERT_REQUIRED
    server = AE("SECURE")
    server.add_supported_context("1.2.840.10008.1.1")
    handlers = [(evt.EVT_C_ECHO, lambda event: 0)]
    running = server.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers, ssl_context=secure)
    try:
        values = {"title": "SECURE", "host": "127.0.0.1", "port": running.server_address[1], "tls": True}
        ours = {"tls_cert": str(certificate), "tls_key": str(key)}
        echo("pacs", peer_of({**values, **ours, "tls_ca": str(certificate)}))
        for wrong in ({**ours}, {"tls_ca": str(certificate)}):  # unknown to the system; without our own
            with pytest.raises(PipelineError) as caught:
                echo("pacs", peer_of({**values, **wrong}))
            assert caught.value.code == "pacs.peer_away"
        with pytest.raises(PipelineError, match="cannot be used") as caught:
            echo("pacs", peer_of({**values, "tls_ca": str(tmp_path / "gone.pem")}))
        assert caught.value.code == "pacs.configuration"
    finally:
        running.shutdown()
