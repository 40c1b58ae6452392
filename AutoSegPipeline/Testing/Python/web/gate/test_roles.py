"""Role x owner x route: a table of every route of the application, asked for by everybody.

The job at hand is of olga. A route that has no row here fails the test, and so does one that
has no row in :mod:`AutoSegPipelineLib.web.gate.access`.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any, Iterator

import pytest
from AutoSegPipelineLib.web.gate import access
from AutoSegPipelineLib.web.gate.identify import csrf_of
from support.security import Answer, Served, routes

# Who may: everybody | this role | who sees the job | who may change it | olga alone | operators who see it
PUBLIC, VIEWER, OPERATOR, ADMIN = "public", "viewer", "operator", "admin"
SEES, CHANGES, OWN, REVIEWS = "sees", "changes", "own", "reviews"
EVERYONE = ("nobody", "link", "vera", "olga", "otto", "ada")
RANK = {"viewer": 1, "operator": 2, "admin": 3}
ROLE = {"vera": "viewer", "olga": "operator", "otto": "operator", "ada": "admin"}


@dataclass(frozen=True)
class Row:
    """How to ask, and who is answered. ``lists``: what of olga's must show to who sees the job only."""

    who: str
    path: str = ""  # where it differs from the route's
    body: Any = None
    lists: bool = False
    link: bool = False  # a share link is answered, too
    headers: dict[str, str] = field(default_factory=dict)


TUS = {"Tus-Resumable": "1.0.0"}
PART = {**TUS, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
FORM = {"Content-Type": "multipart/form-data; boundary=x"}
SCAN = b'--x\r\nContent-Disposition: form-data; name="f"; filename="a.nii"\r\n\r\nabc\r\n--x--\r\n'
# Without a dicom process it would be a 503, so what is asked for is no answer that there is.
RELATED = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=x', "Accept": "text/plain"}
INSTANCE = b"--x\r\nContent-Type: application/dicom\r\n\r\nabc\r\n--x--\r\n"
PASSWORDS = {"old": "wrong in any case", "new": "four other horses"}

TABLE: dict[str, Row] = {
    "GET /healthz": Row(PUBLIC),
    "GET /healthz/ready": Row(PUBLIC),
    "GET /metrics": Row(PUBLIC),
    "GET /api/v1/openapi.json": Row(VIEWER),
    "GET /api/v1/status": Row(VIEWER),
    "GET /api/v1/engines": Row(VIEWER),
    "GET /api/v1/events": Row(VIEWER, lists=True, link=True),
    "GET /files": Row(VIEWER, lists=True),
    "GET /download/{filename}": Row(SEES, "/download/NAME.gltf"),
    "HEAD /download/{filename}": Row(SEES, "/download/NAME.gltf"),
    "GET /": Row(VIEWER),
    "GET /upload": Row(VIEWER),
    "GET /view/{case}": Row(SEES, link=True),
    "GET /compare/{case}": Row(SEES, "/compare/{case}?with={case}"),
    "GET /favicon.ico": Row(PUBLIC),
    "GET /static/{name:path}": Row(PUBLIC, "/static/js/api.js"),
    "GET /assets/{name:path}": Row(VIEWER, "/assets/none.js", link=True),
    "GET /api/v1/jobs": Row(VIEWER, lists=True, link=True),
    "GET /api/v1/jobs/{job_id}": Row(SEES, link=True),
    "GET /api/v1/jobs/{job_id}/log": Row(SEES),
    "POST /api/v1/jobs/example": Row(OPERATOR),
    "POST /api/v1/jobs/{job_id}/cancel": Row(CHANGES),
    "POST /api/v1/jobs/{job_id}/retry": Row(CHANGES),
    "PATCH /api/v1/jobs/{job_id}": Row(CHANGES, body={"priority": 60}),
    "PUT /api/v1/jobs/{job_id}/review": Row(REVIEWS, body={"mark": "good", "remark": "complete"}),
    "POST /api/v1/jobs/review": Row(OPERATOR, body={"jobs": ["JOB"], "mark": "bad"}),
    "DELETE /api/v1/jobs/{job_id}": Row(CHANGES),
    "GET /api/v1/jobs/counts": Row(VIEWER),
    "GET /api/v1/jobs/ids": Row(VIEWER),
    "POST /api/v1/jobs/actions": Row(OPERATOR, body={}),
    "GET /api/v1/results.zip": Row(VIEWER),
    "POST /api/v1/results.zip": Row(VIEWER, body=b"jobs=0"),
    "GET /api/v1/results": Row(VIEWER, lists=True),
    "GET /api/v1/results/{case}": Row(SEES, link=True),
    "GET /api/v1/results/{case}.zip": Row(SEES, link=True),
    "HEAD /api/v1/results/{case}.zip": Row(SEES, link=True),
    "GET /api/v1/results/{case}/files/{name}": Row(SEES, "/api/v1/results/JOB/files/NAME.gltf", link=True),
    "HEAD /api/v1/results/{case}/files/{name}": Row(SEES, "/api/v1/results/JOB/files/NAME.gltf", link=True),
    "GET /api/v1/results/{case}/scan": Row(SEES, link=True),
    "POST /upload": Row(OPERATOR, body=SCAN, headers=FORM),
    "POST /api/v1/uploads": Row(OPERATOR, body=SCAN, headers=FORM),
    "PUT /api/v1/uploads/{name:path}": Row(OPERATOR, "/api/v1/uploads/a.nii", b"abc"),
    "GET /api/v1/uploads": Row(OPERATOR, lists=True),
    "OPTIONS /api/v1/uploads": Row(OPERATOR),
    "OPTIONS /api/v1/uploads/{upload_id}": Row(OPERATOR),
    "HEAD /api/v1/uploads/{upload_id}": Row(OWN, headers=TUS),
    "GET /api/v1/uploads/{upload_id}": Row(OWN),
    "PATCH /api/v1/uploads/{upload_id}": Row(OWN, body=b"", headers=PART),
    "POST /api/v1/uploads/{upload_id}": Row(
        OWN, body=b"", headers={**PART, "X-HTTP-Method-Override": "PATCH"}
    ),
    "DELETE /api/v1/uploads/{upload_id}": Row(OWN, headers=TUS),
    "POST /api/v1/uploads/batches/{batch}/finish": Row(OPERATOR, "/api/v1/uploads/batches/b1/finish"),
    "DELETE /api/v1/uploads/batches/{batch}": Row(OPERATOR, "/api/v1/uploads/batches/b1"),
    "GET /table": Row(VIEWER),
    "GET /api/v1/table": Row(VIEWER),
    "GET /api/v1/table.{kind}": Row(VIEWER, "/api/v1/table.csv"),
    "GET /api/v1/table/methods": Row(SEES, "/api/v1/table/methods?job=JOB"),
    "GET /pacs": Row(OPERATOR),
    "GET /api/v1/pacs": Row(OPERATOR),
    "POST /api/v1/pacs/find": Row(OPERATOR, body={"peer": "x", "match": {"patient": "1"}}),
    "POST /api/v1/pacs/series": Row(OPERATOR, body={"peer": "x", "study": "1.2"}),
    "POST /api/v1/pacs/fetches": Row(OPERATOR, body={"peer": "x", "study": "1.2"}),
    "DELETE /api/v1/pacs/fetches/{number}": Row(OPERATOR, "/api/v1/pacs/fetches/7"),
    "POST /api/v1/pacs/peers/{peer}/echo": Row(OPERATOR, "/api/v1/pacs/peers/x/echo"),
    "POST /dicom-web/studies": Row(OPERATOR, body=INSTANCE, headers=RELATED),
    "POST /dicom-web/studies/{study}": Row(OPERATOR, "/dicom-web/studies/1.2", INSTANCE, headers=RELATED),
    "POST /dicom-web/{title}/studies": Row(OPERATOR, "/dicom-web/A/studies", INSTANCE, headers=RELATED),
    "POST /dicom-web/{title}/studies/{study}": Row(
        OPERATOR, "/dicom-web/A/studies/1.2", INSTANCE, headers=RELATED
    ),
    "POST /api/v1/pacs/sends/{number}/again": Row(OPERATOR, "/api/v1/pacs/sends/7/again"),
    "GET /login": Row(PUBLIC),
    "GET /login/provider": Row(PUBLIC),
    "GET /login/provider/back": Row(PUBLIC),
    "POST /login": Row(PUBLIC, body={"username": "vera", "password": "wrong in any case"}),
    "POST /logout": Row(PUBLIC),
    "GET /share/{secret}": Row(PUBLIC, "/share/wrong"),
    "GET /api/v1/session": Row(PUBLIC),
    "POST /api/v1/session": Row(PUBLIC, body={"username": "vera", "password": "wrong in any case"}),
    "DELETE /api/v1/session": Row(VIEWER),
    "PUT /api/v1/account/password": Row(VIEWER, body=PASSWORDS),
    "GET /api/v1/account/tokens": Row(VIEWER),
    "POST /api/v1/account/tokens": Row(VIEWER, body={"label": "x", "role": "viewer"}),
    "DELETE /api/v1/account/tokens/{token_id}": Row(CHANGES),
    "POST /api/v1/account/proof": Row(VIEWER, body={"password": "wrong in any case"}),
    "GET /api/v1/account/sessions": Row(VIEWER),
    "DELETE /api/v1/account/sessions": Row(VIEWER),
    "DELETE /api/v1/account/sessions/{session_id}": Row(VIEWER, "/api/v1/account/sessions/0123456789ab"),
    "GET /api/v1/account/second-factor": Row(VIEWER),
    "POST /api/v1/account/second-factor": Row(VIEWER),
    "PUT /api/v1/account/second-factor": Row(VIEWER, body={"code": "000000"}),
    "DELETE /api/v1/account/second-factor": Row(VIEWER),
    "POST /api/v1/account/second-factor/codes": Row(VIEWER),
    "GET /account": Row(VIEWER),
    "GET /admin": Row(ADMIN),
    "GET /api/v1/users": Row(ADMIN),
    "POST /api/v1/users": Row(ADMIN, body={"name": "x", "role": "viewer", "password": "too short"}),
    "PATCH /api/v1/users/{name}": Row(ADMIN, "/api/v1/users/vera", body={"disabled": False}),
    "GET /api/v1/audit": Row(ADMIN),
    "GET /api/v1/audit.csv": Row(ADMIN),
    "GET /api/v1/models": Row(ADMIN),
    "PUT /api/v1/models/files/{name}": Row(ADMIN, "/api/v1/models/files/m.zip", body=b"x"),
    "POST /api/v1/models": Row(ADMIN, body={"upload": "0" * 32}),
    "POST /api/v1/models/{name}/check": Row(ADMIN, "/api/v1/models/teeth/check"),
    "GET /api/v1/models/requests/{number}": Row(ADMIN, "/api/v1/models/requests/7"),
    "DELETE /api/v1/models/{name}": Row(ADMIN, "/api/v1/models/teeth"),
    "GET /api/v1/links": Row(VIEWER),
    "POST /api/v1/links": Row(OPERATOR, body={"job": "JOB"}),
    "DELETE /api/v1/links/{link_id}": Row(CHANGES),
}  # fmt: skip


def test_every_route_has_a_row_in_this_table_and_no_row_is_of_a_route_that_is_gone() -> None:
    assert routes() ^ set(TABLE) == set()


def test_every_route_has_its_rule_in_the_table_of_the_program() -> None:
    without = {key for key in routes() if access.access_of(*key.split(" ", 1)) is None}
    assert without == set()
    assert set(access.TABLE) - routes() == set()


def test_both_tables_ask_for_the_same_role() -> None:
    least = {SEES: VIEWER, OWN: OPERATOR, REVIEWS: OPERATOR, PUBLIC: access.PUBLIC}
    for key, row in TABLE.items():
        rule = access.access_of(*key.split(" ", 1))
        assert rule is not None and rule.share == row.link, key
        if row.who != CHANGES:
            assert rule.role == least.get(row.who, row.who), key


class Scene:
    """A server with olga's result, a link to it, a login for everybody."""

    def __init__(self, served: Served, visibility: str) -> None:
        self.served, self.visibility = served, visibility
        self.job = served.result("olgas-case", "olga")
        self.waiting = served.job("olgas-waiting", "olga")
        served.result("inbox-case", "", door="inbox")
        self.headers: dict[str, dict[str, str]] = {"nobody": {}}
        with served.accounts() as book:
            for name in ROLE:
                secret = book.sessions.begin(name, "127.0.0.1", 12)
                cookie = f"autoseg-session-{served.port}={secret}"
                self.headers[name] = {"Cookie": cookie, "X-CSRF-Token": csrf_of(secret)}
            _, secret = book.links.create(self.job.id, "olga", 1, names=True)
            self.headers["link"] = {"Cookie": f"autoseg-share-{served.port}={secret}"}
        self.upload = self._upload()

    def _upload(self) -> str:
        metadata = "filename " + base64.b64encode(b"olgas-upload.nii").decode()
        headers = {**self.headers["olga"], **TUS, "Upload-Length": "10", "Upload-Metadata": metadata}
        answer = self.served.ask("POST", "/api/v1/uploads", b"", headers)
        assert answer.status == 201, answer
        return answer.headers["location"].rsplit("/", 1)[1]

    def fresh(self, key: str, person: str) -> tuple[str, dict[str, str]]:
        """(the object of this call, headers): what a call uses up is made anew for each."""
        headers = self.headers[person]
        with self.served.accounts() as book:
            if key in ("DELETE /api/v1/session", "POST /logout") and person in ROLE:
                secret = book.sessions.begin(person, "127.0.0.1", 12)
                cookie = f"autoseg-session-{self.served.port}={secret}"
                headers = {"Cookie": cookie, "X-CSRF-Token": csrf_of(secret)}
            if "{token_id}" in key:
                return book.tokens.create("olga", "x", "viewer", 1)[0].id, headers
            if "{link_id}" in key:
                return book.links.create(self.job.id, "olga", 1)[0].id, headers
        if key == "DELETE /api/v1/uploads/{upload_id}" and person == "olga":
            return self._upload(), headers
        return self.upload, headers

    def ask(self, key: str, row: Row, person: str) -> Answer:
        """One call of the table."""
        method, _, route = key.partition(" ")
        thing, headers = self.fresh(key, person)
        path = row.path or route
        for name in ("{job_id}", "{case}", "JOB"):
            path = path.replace(name, self.job.id)
        for name in ("{upload_id}", "{token_id}", "{link_id}"):
            path = path.replace(name, thing)
        path = path.replace("NAME", self.job.name)
        body, more = row.body, dict(row.headers)
        if isinstance(body, dict):
            body = json.dumps(body).replace("JOB", self.job.id).encode()
            more["Content-Type"] = "application/json"
        return self.served.ask(method, path, body, {**headers, **more})

    def sees(self, person: str) -> bool:
        """Whether olga's job exists for somebody."""
        if self.visibility == "all":
            return person != "nobody"
        return person in ("link", "olga", "ada")

    def may(self, row: Row, person: str) -> bool:
        """Whether the route may answer at all."""
        if row.who == PUBLIC:
            return True
        if person == "nobody" or (person == "link" and not row.link):
            return False
        if row.who in RANK:
            return person == "link" or RANK[ROLE[person]] >= RANK[row.who]
        if row.who == SEES:
            return self.sees(person)
        if row.who == REVIEWS:
            return self.sees(person) and RANK.get(ROLE.get(person, ""), 0) >= RANK[OPERATOR]
        return person == "olga" or (row.who == CHANGES and person == "ada")


@pytest.fixture(scope="module", params=["all", "own"])
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    root = tmp_path_factory.mktemp("roles") / request.param
    with Served(root, visibility=request.param) as served:
        yield Scene(served, request.param)


def wrong(scene: Scene, key: str, row: Row, person: str) -> str:
    """What is wrong with the answer to ``person``; empty when nothing is."""
    answer = scene.ask(key, row, person)
    said = f"{key} by {person}: {answer.status} {answer.code} {answer.body[:120]!r}"
    if answer.status >= 500 and answer.code not in ("web.unavailable", "request.no_pipeline"):
        return f"a fault: {said}"
    refused = answer.code.startswith(("account.needed", "account.forbidden", "account.csrf")) or (
        answer.status in (401, 403) or (row.who in (SEES, CHANGES, OWN, REVIEWS) and answer.status == 404)
    )
    if key in ("POST /login", "POST /api/v1/session") or key == "GET /share/{secret}":
        refused = answer.code == "account.forbidden"
    if "/api/v1/account/" in key:  # a wrong password or code is told to whoever may try
        refused = refused and answer.code not in ("account.wrong", "account.code_wrong")
    if key.endswith("/scan"):  # there is none, which only who sees the job is told in these words
        refused = answer.status in (401, 403) or answer.code == "request.unknown_job"
    if refused == scene.may(row, person):
        return f"{'refused' if refused else 'let in'}: {said}"
    if person == "nobody" and row.who != PUBLIC and answer.status != 401:
        return f"not asked to log in: {said}"
    marks = (scene.job.id.encode(), scene.job.name.encode(), b"olgas-upload")
    shown = any(mark in answer.body for mark in marks)
    if row.lists and not refused:
        expected = person == "olga" if key == "GET /api/v1/uploads" else scene.sees(person)
        if shown != expected:
            return f"{'shows' if shown else 'hides'} olga's: {said}"
    if refused and scene.job.name.encode() in answer.body:
        return f"tells the name: {said}"
    return ""


def test_every_route_answers_whom_it_may_and_nobody_else(scene: Scene) -> None:
    found = [wrong(scene, key, row, person) for key, row in TABLE.items() for person in EVERYONE]
    wrongs = [text for text in found if text]
    assert wrongs == [], "\n".join(wrongs)


def test_counts_and_figures_are_of_what_one_sees(scene: Scene) -> None:
    counts = {
        person: scene.served.ask("GET", "/api/v1/status", headers=scene.headers[person]).json["counts"]
        for person in ("otto", "olga", "ada")
    }
    if scene.visibility == "own":
        assert (counts["otto"]["done"], counts["olga"]["done"]) == (0, 1)
    assert counts["ada"]["done"] == 2


def test_the_first_letters_of_an_id_find_only_what_one_sees(scene: Scene) -> None:
    path = f"/api/v1/jobs/{scene.job.id[:6]}"
    status = {p: scene.served.ask("GET", path, headers=scene.headers[p]).status for p in ("olga", "otto")}
    assert status == {"olga": 200, "otto": 404 if scene.visibility == "own" else 200}


def test_a_comparison_shows_no_result_that_one_does_not_see(scene: Scene) -> None:
    own = scene.served.result(f"otto-{scene.visibility}", "otto")
    for path in (f"/compare/{own.id}?with={scene.job.id}", f"/compare/{scene.job.id}?with={own.id}"):
        answer = scene.served.ask("GET", path, headers=scene.headers["otto"])
        seen = scene.visibility != "own"
        assert answer.status == (200 if seen else 404) and (scene.job.id.encode() in answer.body) == seen


def test_a_job_of_the_command_line_is_not_that_of_the_account_with_the_same_name(scene: Scene) -> None:
    job = scene.served.result(f"shell-{scene.visibility}", "olga", door="submit")
    answer = scene.served.ask("GET", f"/api/v1/jobs/{job.id}", headers=scene.headers["olga"])
    assert answer.status == (404 if scene.visibility == "own" else 200)
    cancel = scene.served.ask("POST", f"/api/v1/jobs/{job.id}/cancel", headers=scene.headers["olga"])
    assert cancel.status in (403, 404)


def test_a_route_without_a_row_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert access.access_of("GET", "/api/v1/new") is None
    assert not access.is_public("/api/v1/new")
    assert not access.is_public("/healthzz") and not access.is_public("/share/a/b")
