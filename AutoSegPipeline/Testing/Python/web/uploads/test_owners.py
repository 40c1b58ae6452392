"""Uploads belong to whoever began them: with accounts nobody else sees, continues or ends them."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

import pytest
from AutoSegPipelineLib.web.accounts.accounts import Accounts
from support.uploads import PART, TUS, Answer, Site

UPLOADS = "/api/v1/uploads"


class Person:
    """Somebody with a token."""

    def __init__(self, site: Site, token: str) -> None:
        self._site, self._token = site, token

    def ask(self, method: str, path: str, data: bytes | None = None, **headers: str) -> Answer:
        return self._site.ask(method, path, data, Authorization=f"Bearer {self._token}", **headers)

    def create(self, length: int) -> str:
        answer = self.ask("POST", UPLOADS, **TUS, Upload_Length=str(length))
        assert answer.status == 201, answer
        return answer.headers["location"]


@pytest.fixture
def people(tmp_path: Path) -> Iterator[dict[str, Person]]:
    site = Site(tmp_path / "home", upload_quota_mb=1)
    site.home.create()
    book = Accounts.of(site.home)
    tokens = {}
    for name, role in {"anna": "operator", "bert": "operator", "vera": "viewer"}.items():
        book.users.add(name, role, "four horses in rain")
        tokens[name] = book.tokens.create(name, "test", role, 1)[1]
    book.close()
    site.start()
    yield {name: Person(site, token) for name, token in tokens.items()}
    site.stop()


def test_an_upload_is_its_owners_alone(people: dict[str, Person]) -> None:
    anna, bert = people["anna"], people["bert"]
    path = anna.create(100)
    for answer in (
        bert.ask("HEAD", path, **TUS),
        bert.ask("GET", path),
        bert.ask("PATCH", path, b"x", **PART, Upload_Offset="0"),
        bert.ask("DELETE", path, **TUS),
    ):
        assert answer.status == 404
    assert bert.ask("GET", UPLOADS).json == {"uploads": []}
    assert [one["href"] for one in anna.ask("GET", UPLOADS).json["uploads"]] == [path]
    assert anna.ask("PATCH", path, b"x" * 100, **PART, Upload_Offset="0").status == 204
    (job,) = anna.ask("GET", path).json["jobs"]
    assert job["submitted_by"] == "anna"


def test_batches_of_one_name_are_two_for_two_people(people: dict[str, Person]) -> None:
    for person in ("anna", "bert"):
        path = f"{UPLOADS}/{person}.nii?batch=same-name"
        assert people[person].ask("PUT", path, person.encode()).status == 201
    answer = people["anna"].ask("POST", f"{UPLOADS}/batches/same-name/finish")
    assert [job["label"] for job in answer.json["jobs"]] == ["anna.nii"]
    answer = people["bert"].ask("POST", f"{UPLOADS}/batches/same-name/finish")
    assert [(job["label"], job["submitted_by"]) for job in answer.json["jobs"]] == [("bert.nii", "bert")]


def test_the_quota_is_each_ones_own_and_a_viewer_uploads_nothing(people: dict[str, Person]) -> None:
    people["anna"].create(900 << 10)
    full = people["anna"].ask("POST", UPLOADS, **TUS, Upload_Length=str(900 << 10))
    assert (full.status, full.json["code"]) == (429, "web.upload_quota")
    people["bert"].create(900 << 10)
    for answer in (
        people["vera"].ask("POST", UPLOADS, **TUS, Upload_Length="1"),
        people["vera"].ask("PUT", f"{UPLOADS}/a.nii", b"x"),
        people["vera"].ask("GET", UPLOADS),
    ):
        assert (answer.status, answer.json["code"]) == (403, "account.forbidden")
