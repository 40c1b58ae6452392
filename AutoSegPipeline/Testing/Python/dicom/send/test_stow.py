"""STOW-RS to a real Orthanc, and to servers that answer otherwise."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any, Callable

import pydicom
import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.pacs.config import Peer, WebAccess
from AutoSegPipelineLib.dicom.send.c_store import NotTaken
from AutoSegPipelineLib.dicom.send.stow import store
from support.dicom_peers import (
    LABELMAP_SEG,
    REPORT,
    RLE,
    failed_answer,
    stored_answer,
    web_storage,
    write_object,
)
from support.orthanc import free_port, orthanc


def web(url: str, **values: str) -> Peer:
    return Peer(use="web", web=WebAccess(url, **values))


def test_orthanc_takes_label_maps_by_the_web_each_once(tmp_path: Path) -> None:
    objects = [
        write_object(tmp_path, "seg", LABELMAP_SEG, RLE, size=1024),
        write_object(tmp_path, "report", REPORT),
    ]
    with orthanc(tmp_path / "orthanc") as server:
        for _ in range(2):
            store("pacs", web(server.dicom_web), tmp_path, objects)
        found = server.instances()
        assert sorted(one["SOPInstanceUID"] for one in found) == sorted(one.sop_instance for one in objects)
        seg = next(one for one in found if one["Modality"] == "SEG")
        (tmp_path / "back.dcm").write_bytes(server.file(seg["ID"]))
    assert (
        pydicom.dcmread(tmp_path / "back.dcm").PixelData == pydicom.dcmread(tmp_path / "seg-1.dcm").PixelData
    )


def test_with_a_password_and_with_a_token(tmp_path: Path) -> None:
    one = write_object(tmp_path)
    (tmp_path / "secret").write_text("s3cret\n")
    with web_storage(lambda uid: (200, stored_answer(uid))) as (url, came):
        store("pacs", web(url, token_file=str(tmp_path / "secret")), tmp_path, [one])
        store("pacs", web(url, user="anna", password_file=str(tmp_path / "secret")), tmp_path, [one])
        said = [request["authorization"] for request in came]
        assert said == ["Bearer s3cret", "Basic " + base64.b64encode(b"anna:s3cret").decode()]
        with pytest.raises(PipelineError, match="none cannot be read") as caught:
            store("pacs", web(url, token_file=str(tmp_path / "none")), tmp_path, [one])
        assert caught.value.code == "pacs.configuration" and len(came) == 2


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda uid: (409, failed_answer(uid, 0x0122)), "answer 409, reason 0122"),
        (
            lambda uid: (202, {**stored_answer("1.2"), **failed_answer(uid, 0xA900)}),
            "answer 202, reason A900",
        ),
        (lambda uid: (200, b"<html>Sign in</html>"), "does not name the object as stored"),
        (lambda uid: (200, b""), "does not name the object as stored"),
        (lambda uid: (200, stored_answer("1.2.3")), "does not name the object as stored"),
        (lambda uid: (415, b""), "answer 415"),
        (lambda uid: (500, b"NullPointerException"), "answer 500"),
        (lambda uid: (302, b""), "answer 302"),
    ],
)
def test_only_what_an_answer_names_is_stored(
    tmp_path: Path, answer: Callable[[str], tuple[int, Any]], words: str
) -> None:
    one = write_object(tmp_path)
    with web_storage(answer) as (url, _), pytest.raises(NotTaken, match=words):
        store("pacs", web(url), tmp_path, [one])


def test_servers_that_are_away_or_in_trouble(tmp_path: Path) -> None:
    one = write_object(tmp_path)
    with pytest.raises(PipelineError) as caught:
        store("pacs", web(f"http://127.0.0.1:{free_port()}/dicom-web"), tmp_path, [one])
    assert caught.value.code == "pacs.peer_away"
    with web_storage(lambda uid: (503, b"")) as (url, _), pytest.raises(PipelineError, match="503") as caught:
        store("pacs", web(url), tmp_path, [one])
    assert caught.value.code == "pacs.peer_failed"
