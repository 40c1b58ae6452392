"""An account that sees a case through somebody's share link alone: what the link opens, and no more."""

from __future__ import annotations

import hashlib
import json
from typing import Iterator

import pytest
from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.core.job import Job
from support.cohort import structure, write_case
from support.security import Answer, Served

NAME = "Roe_Jane_1970"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("beside") / "home", visibility="own") as made:
        yield made


@pytest.fixture(scope="module")
def job(served: Served) -> Job:
    write_case(served.home.results, NAME, [structure("liver", 1500.0, 50.0)])
    outputs = []
    for kind, ending in (("manifest", ".manifest.json"), ("statistics", ".statistics.json")):
        data = (served.home.results / (NAME + ending)).read_bytes()
        sha = hashlib.sha256(data).hexdigest()
        outputs.append({"kind": kind, "name": NAME + ending, "size": len(data), "sha256": sha})
    (served.home.logs / "jobs").mkdir(exist_ok=True)
    return served.job(NAME, "olga", state=states.DONE, outputs=outputs)


@pytest.fixture(scope="module", params=[False, True], ids=["no names", "names"])
def otto(request: pytest.FixtureRequest, served: Served, job: Job) -> Person:
    """An operator who has opened a link to olga's case."""
    with served.accounts() as book:
        secret = book.links.create(job.id, "olga", 1, names=request.param)[1]
    return Person(served, "otto", f"; autoseg-share-{served.port}={secret}")


class Person:
    """A login, and the links that its browser has opened."""

    def __init__(self, served: Served, name: str, links: str = "") -> None:
        self._served = served
        browser = served.log_in(name)
        self._headers = {"Cookie": browser.cookie + links, "X-CSRF-Token": browser.csrf}

    def ask(self, method: str, path: str, value: object = None) -> Answer:
        if value is None:
            return self._served.ask(method, path, headers=self._headers)
        return self._served.json(method, path, value, **self._headers)


def test_a_link_does_not_make_further_links(otto: Person, served: Served, job: Job) -> None:
    assert otto.ask("GET", f"/api/v1/jobs/{job.id}").status == 200, "the link does open it"
    wanted = {"job": job.id, "hours": 2160, "names": True}
    answer = otto.ask("POST", "/api/v1/links", wanted)
    assert (answer.status, answer.code) == (404, "request.unknown_job")
    assert Person(served, "olga").ask("POST", "/api/v1/links", wanted).status == 201


def test_the_table_its_files_and_the_log_show_no_case_of_a_link(
    otto: Person, served: Served, job: Job
) -> None:
    olga = Person(served, "olga")
    for person, cases in ((otto, 0), (olga, 1)):
        assert person.ask("GET", "/api/v1/table").json["cases"] == cases
        assert (b"liver" in person.ask("GET", "/api/v1/table.csv").body) == bool(cases)
    answer = otto.ask("GET", f"/api/v1/jobs/{job.id}/log")
    assert (answer.status, answer.code) == (404, "request.unknown_job")
    assert otto.ask("GET", f"/api/v1/table/methods?job={job.id}").code == "request.unknown_job"
    assert NAME not in json.dumps(otto.ask("GET", "/api/v1/table/methods").json)
    assert olga.ask("GET", f"/api/v1/jobs/{job.id}/log").status == 200


def test_a_link_lets_nobody_review(otto: Person, served: Served, job: Job) -> None:
    body = {"mark": "bad", "remark": "mine"}
    answer = otto.ask("PUT", f"/api/v1/jobs/{job.id}/review", body)
    assert (answer.status, answer.code) == (404, "request.unknown_job")
    answer = otto.ask("POST", "/api/v1/jobs/review", {"jobs": [job.id], **body})
    assert answer.json["jobs"][0]["error"]["code"] == "request.unknown_job"
    assert Person(served, "olga").ask("PUT", f"/api/v1/jobs/{job.id}/review", body).status == 200
