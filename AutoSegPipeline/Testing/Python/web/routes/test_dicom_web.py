"""STOW-RS: what a client sends reaches the dicom process byte by byte, and is answered as PS3.18 says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Iterator

import pytest
from support.stow import RELATED, Notes, left_in, related
from support.uploads import Site

ONE, TWO = b"\0" * 128 + b"DICM one\r\n--b", b"\0" * 128 + b"DICM two" + bytes(range(256)) * 3000


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    found = Site(tmp_path_factory.mktemp("stow") / "home", upload_max_files=5).start()
    (found.home.root / "dicom.json").write_text(json.dumps({"entries": [{"title": "THIN"}]}))
    try:
        yield found
    finally:
        found.stop()


def sequence(answer: dict[str, object], tag: str) -> list[str]:
    found = answer.get(tag, {})
    assert isinstance(found, dict)
    return [one["00081155"]["Value"][0] for one in found.get("Value", [])]


@pytest.mark.parametrize(
    "path, called, study",
    [
        ("/dicom-web/studies", "", ""),
        ("/dicom-web/studies/1.2.840", "", "1.2.840"),
        ("/dicom-web/THIN/studies", "THIN", ""),
        ("/dicom-web/THIN/studies/1.2.840", "THIN", "1.2.840"),
    ],
)
def test_instances_reach_the_dicom_process_as_they_are(
    site: Site, path: str, called: str, study: str
) -> None:
    with Notes(site.home) as notes:
        answer = site.ask("POST", path, related(ONE, TWO), Content_Type=RELATED)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/dicom+json"
    (given,) = notes.given
    assert given["bytes"] == [ONE, TWO]
    assert (given["called"], given["study"]) == (called, study)
    assert sequence(answer.json, "00081199") == ["1.2.0", "1.2.1"]
    assert "00081198" not in answer.json
    assert left_in(site.uploads) == []


@pytest.mark.parametrize("statuses, status", [([0, 0xA700], 202), ([0xA700, 0x0122], 409)])
def test_what_was_not_stored_is_named_with_its_reason(site: Site, statuses: list[int], status: int) -> None:
    with Notes(site.home, statuses):
        answer = site.ask("POST", "/dicom-web/studies", related(ONE, TWO), Content_Type=RELATED)
    assert answer.status == status
    failed = answer.json["00081198"]["Value"]
    assert [one["00081197"]["Value"][0] for one in failed] == [one for one in statuses if one]
    assert [one["00000902"]["Value"] for one in failed] == [["no room"]] * len(failed)
    assert len(sequence(answer.json, "00081199")) == statuses.count(0)


@pytest.mark.parametrize(
    "kind, body",
    [
        (RELATED, related(ONE, before="\r\n")),
        ("multipart/related; boundary=b1", related(ONE)),
        ('multipart/related; type=application/dicom; boundary="b1"', related(ONE)),
        (RELATED, related(ONE, head="Content-Type: application/dicom; transfer-syntax=1.2.840.10008.1.2.1")),
        (RELATED, related(ONE, head="content-type: APPLICATION/DICOM\r\nContent-Length: 5")),
    ],
)
def test_bodies_are_taken_as_clients_write_them(site: Site, kind: str, body: bytes) -> None:
    with Notes(site.home) as notes:
        assert site.ask("POST", "/dicom-web/studies", body, Content_Type=kind).status == 200
    assert notes.given[0]["bytes"] == [ONE]


@pytest.mark.parametrize(
    "kind, body, accept, status",
    [
        ("application/dicom", ONE, "*/*", 415),
        ('multipart/related; type="application/dicom+json"; boundary=b1', related(ONE), "*/*", 415),
        (RELATED, related(ONE, head="Content-Type: image/jpeg"), "*/*", 415),
        ("multipart/form-data; boundary=b1", related(ONE), "*/*", 415),
        ('multipart/related; type="application/dicom"', related(ONE), "*/*", 400),
        (RELATED, related(ONE)[:-20], "*/*", 400),
        (RELATED, b"--b1--\r\n", "*/*", 400),
        (RELATED, related(*[ONE] * 6), "*/*", 413),
        (RELATED, related(ONE), "application/dicom+xml", 406),
    ],
)
def test_what_is_no_stow_is_refused_and_leaves_nothing(
    site: Site, kind: str, body: bytes, accept: str, status: int
) -> None:
    with Notes(site.home) as notes:
        answer = site.ask("POST", "/dicom-web/studies", body, Content_Type=kind, Accept=accept)
    assert answer.status == status, answer
    assert notes.given == []
    assert left_in(site.uploads) == []


def test_a_title_that_nobody_has_is_not_found(site: Site) -> None:
    with Notes(site.home):
        answer = site.ask("POST", "/dicom-web/NOBODY/studies", related(ONE), Content_Type=RELATED)
    assert answer.status == 404


@pytest.mark.parametrize("path, called", [("/dicom-web/studies", ""), ("/dicom-web/OLD/studies", "OLD")])
def test_while_dicom_json_is_wrong_the_dicom_process_decides_about_titles(
    site: Site, path: str, called: str
) -> None:
    file = site.home.root / "dicom.json"
    before = file.read_text()
    file.write_text("{")
    try:
        with Notes(site.home) as notes:
            assert site.ask("POST", path, related(ONE), Content_Type=RELATED).status == 200
    finally:
        file.write_text(before)
    assert notes.given[0]["called"] == called


def test_without_a_dicom_process_nothing_is_taken(site: Site) -> None:
    answer = site.ask("POST", "/dicom-web/studies", related(ONE), Content_Type=RELATED)
    assert (answer.status, answer.json["code"]) == (503, "request.no_pipeline")
    assert left_in(site.uploads) == []


def test_a_large_body_comes_through_the_fast_way(site: Site, tmp_path: Path) -> None:
    large = bytes(range(256)) * 40_000  # 10 MB, past the HTTP parser
    with Notes(site.home) as notes:
        answer = site.ask("POST", "/dicom-web/studies", related(large, ONE, large), Content_Type=RELATED)
    assert answer.status == 200
    assert notes.given[0]["bytes"] == [large, ONE, large]
