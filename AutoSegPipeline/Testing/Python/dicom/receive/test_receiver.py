"""What the receiver takes, from whom, and what it answers."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any, Iterator

import pydicom
import pytest
from AutoSegPipelineLib.dicom.receive import receiver
from AutoSegPipelineLib.dicom.receive.data_set_uids import NotFound, uids_of
from support import dicom
from support.dicom_peers import write_object
from support.orthanc import free_port
from support.receiving import CALLER, ENTRY, Receiving, associate, dcmsend, receiving, send, write_series

SUCCESS, FULL, NOT_SUPPORTED = 0x0000, 0xA700, 0x0122


@pytest.fixture
def taker(tmp_path: Path) -> Iterator[Receiving]:
    with receiving(tmp_path / "home") as one:
        yield one


def data_set_of(path: Path) -> bytes:
    """The bytes behind the file meta information."""
    data = path.read_bytes()
    return data[144 + int.from_bytes(data[140:144], "little") :]


@pytest.mark.parametrize(
    "syntax",
    ["ExplicitVRLittleEndian", "ImplicitVRLittleEndian", "ExplicitVRBigEndian", "RLELossless",
     "DeflatedExplicitVRLittleEndian"],
)  # fmt: skip
def test_the_bytes_of_a_data_set_are_kept_as_they_came(taker: Receiving, tmp_path: Path, syntax: str) -> None:
    (path, *_) = write_series(tmp_path / "in")
    dicom.write_as(path, syntax)
    (answer,) = send(taker.port, path)
    assert answer.Status == SUCCESS
    (kept,) = taker.noted()
    assert data_set_of(kept) == data_set_of(path)
    meta = pydicom.dcmread(kept).file_meta
    assert meta.TransferSyntaxUID == getattr(pydicom.uid, syntax)
    assert meta.MediaStorageSOPInstanceUID == pydicom.dcmread(path).SOPInstanceUID


def test_every_instance_is_on_the_disk_before_it_is_answered(
    taker: Receiving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    synced: list[int] = []
    real = os.fsync

    def noted(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    paths = write_series(tmp_path / "in")
    association = associate(taker.port, paths=paths)
    for count, path in enumerate(paths, 1):
        assert association.send_c_store(path).Status == SUCCESS
        assert sum(one.stat().st_ino in synced for one in taker.noted()) == count
    association.release()


@pytest.mark.parametrize("syntax", ["ExplicitVRLittleEndian", "ImplicitVRLittleEndian"])
def test_study_and_series_are_read_past_sequences_of_either_length(tmp_path: Path, syntax: str) -> None:
    (path, *_) = write_series(tmp_path / "in")
    data = pydicom.dcmread(path)
    inner = pydicom.Dataset()
    inner.SeriesInstanceUID = "1.2.3.999"
    inner.ReferencedImageSequence = [pydicom.Dataset()]
    inner["ReferencedImageSequence"].is_undefined_length = True
    for keyword in ("ReferencedSeriesSequence", "ReferencedStudySequence"):
        setattr(data, keyword, [inner, inner])
    data["ReferencedSeriesSequence"].is_undefined_length = True
    inner.is_undefined_length_sequence_item = True
    data.save_as(path)
    dicom.write_as(path, syntax)
    head, uid = memoryview(data_set_of(path)), getattr(pydicom.uid, syntax)
    assert uids_of(head, uid) == (data.StudyInstanceUID, "1.2.826.77.1")
    with pytest.raises(NotFound):
        uids_of(head[:200], uid)


def test_the_series_is_found_behind_long_sequences(taker: Receiving, tmp_path: Path) -> None:
    (path, *_) = write_series(tmp_path / "in")
    data = pydicom.dcmread(path)
    referenced = pydicom.Dataset()
    referenced.SeriesInstanceUID = "1.2.3.999"  # another one, which a search for the bytes would find
    referenced.ReferencedSOPInstanceUID = "1.2.3.4"
    data.ReferencedSeriesSequence = [referenced]
    data["ReferencedSeriesSequence"].is_undefined_length = True
    data.add_new(0x00190010, "LO", "VENDOR")
    data.add_new(0x00191001, "OB", b"\0" * 200_000)
    data.save_as(path)
    assert send(taker.port, path)[0].Status == SUCCESS
    (series,) = taker.receiver.spool.live()
    assert series.note.origin.series == "1.2.826.77.1"


def test_instances_without_a_series_belong_to_their_association(taker: Receiving, tmp_path: Path) -> None:
    paths = write_series(tmp_path / "in")
    dicom.edit_all(paths, SeriesInstanceUID=...)
    send(taker.port, *paths[:2])
    send(taker.port, *paths[2:])
    assert [len(taker.staged(intent)) for intent in taker.intents(2)] == [2, 2]


def test_verification_is_answered(taker: Receiving) -> None:
    association = associate(taker.port)
    assert association.send_c_echo().Status == SUCCESS
    association.release()


def test_a_segmentation_is_refused_by_name(taker: Receiving, tmp_path: Path) -> None:
    paths = write_series(tmp_path / "in", slices=2)
    dicom.edit(paths[0], SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4")
    data = pydicom.dcmread(paths[0])
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.save_as(paths[0])
    refused, taken = send(taker.port, *paths)
    assert refused.Status == NOT_SUPPORTED and "Segmentation" in refused.ErrorComment
    assert taken.Status == SUCCESS and len(taker.noted()) == 1


def test_a_result_of_our_own_that_comes_back_is_known(taker: Receiving, tmp_path: Path) -> None:
    sent = write_object(tmp_path)
    taker.pacs.sent_uids.note("j1", sent.sop_instance, sent.series)
    (refused,) = send(taker.port, tmp_path / sent.file)
    assert refused.Status == NOT_SUPPORTED and "sent from here" in refused.ErrorComment
    assert taker.noted() == []


def test_an_enhanced_mr_is_taken(taker: Receiving, tmp_path: Path) -> None:
    (path, *_) = write_series(tmp_path / "in")
    dicom.edit(path, SOPClassUID="1.2.840.10008.5.1.4.1.1.4.1")
    data = pydicom.dcmread(path)
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.save_as(path)
    assert send(taker.port, path)[0].Status == SUCCESS


@pytest.mark.parametrize(
    "callers, called, reason, wanted",
    [
        ([], "AUTOSEG", "the title is not among the callers", 3),
        ([{**CALLER, "title": "OTHER"}], "AUTOSEG", "the title is not among the callers", 3),
        ([{**CALLER, "address": "10.0.0.0/8"}], "AUTOSEG", "the title is known at another address", 3),
        ([CALLER], "NOBODY", "nothing is received under the called title", 7),
    ],
)
def test_who_is_not_admitted_is_noted_with_the_line_that_lets_them_in(
    tmp_path: Path, callers: list[Any], called: str, reason: str, wanted: int
) -> None:
    with receiving(tmp_path / "home", callers=callers) as taker:
        association = associate(taker.port, called)
        assert association.is_rejected
        assert association.acceptor.primitive.diagnostic == wanted
        (noted,) = taker.pacs.refusals.list()
        assert noted.reason.startswith(reason) and noted.called == called
        if wanted == 3:
            taker.configure(**{**taker.file, "callers": [json.loads(noted.line)]})
            assert associate(taker.port, called).is_established


def test_no_more_associations_than_were_allowed(tmp_path: Path) -> None:
    with receiving(tmp_path / "home", receiver={"most_associations": 1}) as taker:
        first = associate(taker.port)
        second = associate(taker.port)
        assert first.is_established and second.is_rejected
        assert second.acceptor.primitive.diagnostic == 2
        first.release()


def test_four_senders_at_once(taker: Receiving, tmp_path: Path) -> None:
    shared = write_series(tmp_path / "shared", number=9, slices=40)
    own = [write_series(tmp_path / str(number), number, slices=25) for number in range(4)]
    senders = [
        dcmsend(taker.port, *paths, *shared[number::4], shared[0])
        for number, paths in enumerate(own)
    ]  # fmt: skip
    for one in senders:
        assert one.wait(60) == 0, one.communicate()[0]
    assert len(taker.noted()) == 140
    for intent in taker.intents(5):
        assert len(taker.staged(intent)) in (25, 40)


def test_a_full_disk_is_out_of_resources_and_costs_nothing(
    taker: Receiving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write_series(tmp_path / "in")
    free = receiver.free_bytes
    monkeypatch.setattr(receiver, "free_bytes", lambda folder: 1000)
    assert [one.Status for one in send(taker.port, *paths)] == [FULL] * 4
    monkeypatch.setattr(receiver, "free_bytes", free)
    assert not taker.noted() and not list((taker.receiver.spool.root / "parts").iterdir())
    assert [one.Status for one in send(taker.port, *paths)] == [SUCCESS] * 4


@pytest.mark.parametrize("where", ["os.write", "os.fsync", "os.rename"])
def test_a_disk_that_fails_in_the_middle_takes_nothing_by_half(
    taker: Receiving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    import errno
    import os
    import threading

    paths = write_series(tmp_path / "in")
    name = where.partition(".")[2]
    real, calls = getattr(os, name), iter(range(10**6))

    def failing(*values: Any) -> Any:
        if threading.current_thread().name.startswith("association") and next(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*values)

    monkeypatch.setattr(os, name, failing)
    answers = [one.Status for one in send(taker.port, *paths)]
    monkeypatch.setattr(os, name, real)
    assert sorted(answers) == [SUCCESS] * 3 + [FULL]
    assert len(taker.noted()) == 3
    assert not list((taker.receiver.spool.root / "parts").iterdir())
    assert [one.Status for one in send(taker.port, *paths)] == [SUCCESS] * 4
    (intent,) = taker.intents()
    assert len(taker.staged(intent)) == 4


BROKEN = {
    "no request": b"GET / HTTP/1.1\r\n\r\n",
    "a request of rubbish": b"\x01\x00\x00\x00\x00\x50" + bytes(range(80)),
    "a very long request": b"\x01\x00\x7f\xff\xff\xff",
    "data before a request": b"\x04\x00\x00\x00\x00\x04\x00\x00\x00\x00",
}
LATER = {
    "an unknown PDU": b"\x09\x00\x00\x00\x00\x00",
    "a long PDU": b"\x04\x00\x7f\xff\xff\xff",
    "a context that was not agreed upon": b"\x04\x00\x00\x00\x00\x08\x00\x00\x00\x04\x63\x03ab",
    "a value longer than its PDU": b"\x04\x00\x00\x00\x00\x08\x00\x00\x00\x44\x01\x03ab",
    "a command of rubbish": b"\x04\x00\x00\x00\x00\x08\x00\x00\x00\x04\x01\x03ab",
    "data without a command": b"\x04\x00\x00\x00\x00\x08\x00\x00\x00\x04\x01\x02ab",
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_what_is_no_association_is_aborted(taker: Receiving, data: bytes) -> None:
    with socket.create_connection(("127.0.0.1", taker.port), timeout=10) as connection:
        connection.sendall(data)
        assert connection.recv(100)[:1] == b"\x07"
    association = associate(taker.port)
    assert association.send_c_echo().Status == SUCCESS
    association.release()


@pytest.mark.parametrize("data", LATER.values(), ids=LATER)
def test_who_breaks_the_protocol_is_aborted(taker: Receiving, data: bytes) -> None:
    association = associate(taker.port)
    association.dul.socket.socket.sendall(data)
    association.join(10)
    assert association.is_aborted
    again = associate(taker.port)
    assert again.send_c_echo().Status == SUCCESS
    again.release()


def test_a_sender_that_vanishes_leaves_nothing(taker: Receiving, tmp_path: Path) -> None:
    (path, *_) = write_series(tmp_path / "in")
    association = associate(taker.port, paths=[path])
    command = bytes.fromhex("000000000400000038000000000002001a000000") + b"1.2.840.10008.5.1.4.1.1.2\0"
    command += bytes.fromhex("000000010200000001000000100102000000010000000008020000000000")
    command += bytes.fromhex("0000001006000000") + b"1.2.3\0"
    context = association.accepted_contexts[1].context_id
    body = (len(command) + 2).to_bytes(4, "big") + bytes((context, 3)) + command
    begun = (1002).to_bytes(4, "big") + bytes((context, 0)) + bytes(1000)
    plain = association.dul.socket.socket
    plain.sendall(b"\4\0" + (len(body) + len(begun)).to_bytes(4, "big") + body + begun)
    parts = taker.receiver.spool.root / "parts"
    until(lambda: len(list(parts.iterdir())) == 1)
    plain.shutdown(socket.SHUT_RDWR)
    until(lambda: not list(parts.iterdir()))
    assert not taker.noted()


def until(condition: Any, seconds: float = 10.0) -> None:
    import time

    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_another_port_is_listened_on_as_soon_as_the_file_says_so(taker: Receiving) -> None:
    old, taker.port = taker.port, free_port()
    taker.configure(callers=[CALLER], entries=[ENTRY])

    def answers(port: int) -> bool:
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", port)) == 0

    until(lambda: answers(taker.port) and not answers(old))


def listening(taker: Receiving) -> Any:
    return json.loads(taker.pacs.note("receiver") or "{}")


def test_a_port_that_is_taken_is_named_and_taken_once_it_is_free(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        taker = Receiving(tmp_path / "home", receiver={"port": port})
        taker.receiver.start()
        assert "cannot listen" in listening(taker)["error"]
    try:
        until(lambda: not listening(taker)["error"])
        assert associate(port).is_established
    finally:
        taker.stop()
