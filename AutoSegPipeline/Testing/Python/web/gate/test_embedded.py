"""A share link's viewer in a frame of another site: only where allowed, and only as who has the link."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.specs import BY_NAME
from support.security import Answer, Served

SITES = ["https://teaching.example.org", "http://localhost:9000"]
FRAME = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}


@dataclass
class Place:
    """A server, olga's case on it, and the secret of a link to that."""

    served: Served
    job: str
    secret: str

    def frame(self, below: str = "", **headers: str) -> Answer:
        """What a frame of another site is answered."""
        return self.served.ask("GET", f"/embed/{self.secret}{below}", headers=FRAME, **headers)

    def load(self, below: str, method: str = "GET", **headers: str) -> Answer:
        """What the page in the frame is answered."""
        own = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
        return self.served.ask(method, f"/embed/{self.secret}{below}", headers=own, **headers)


def place_of(served: Served) -> Place:
    job = served.result("olgas-case", "olga")
    with served.accounts() as book:
        return Place(served, job.id, book.links.create(job.id, "olga", 1, names=True)[1])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    root = tmp_path_factory.mktemp("embedded") / "home"
    with Served(root, web_embed_sites=SITES, base_path="/seg") as served:
        yield place_of(served)


def test_the_viewer_names_the_sites_and_its_files_lie_below_the_link(place: Place) -> None:
    answer = place.frame()
    assert answer.status == 200, answer
    assert f"frame-ancestors {' '.join(SITES)}" in answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" not in answer.headers["content-security-policy"]
    assert "x-frame-options" not in answer.headers
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert answer.cookies == []
    text = answer.body.decode()
    assert f'data-base="/seg/embed/{place.secret}"' in text
    assert f'src="/seg/embed/{place.secret}/static/js/viewer/main.js"' in text
    assert "olgas-case" in text and 'href="/seg/"' not in text and '<a class="brand"' not in text


def test_what_the_page_loads_needs_no_cookie(place: Place) -> None:
    assert place.load("/static/js/viewer/main.js").status == 200
    file = place.load(f"/api/v1/results/{place.job}/files/olgas-case.gltf")
    assert (file.status, file.body) == (200, b"gltf of olga")
    assert place.load(f"/api/v1/jobs/{place.job}").json["id"] == place.job
    assert place.served.ask("GET", f"/api/v1/jobs/{place.job}").status == 401, "without it there is nothing"


@pytest.mark.parametrize("below", ["/login", "/upload", "/account", "/api/v1/session", "/table", "/files"])
def test_nothing_else_is_below_the_link(place: Place, below: str) -> None:
    answer = place.load(below, Accept="application/json")
    assert answer.status in (403, 404), answer
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_it_changes_nothing(place: Place, method: str) -> None:
    for below in ("", f"/api/v1/jobs/{place.job}", "/api/v1/session", "/login", "/logout", "/upload"):
        answer = place.load(below, method, Accept="application/json")
        assert answer.status in (403, 404, 405), (method, below, answer)
    assert place.served.ask("GET", f"/seg/embed/{place.secret}").status == 200


def test_who_is_logged_in_is_nobody_in_the_frame(place: Place) -> None:
    olga = place.served.log_in("olga")
    answer = place.frame(Cookie=olga.cookie, Authorization=place.served.token("ada"))
    text = answer.body.decode()
    assert answer.status == 200 and 'data-via="share"' in text and 'data-csrf=""' in text
    assert "Log out" not in text and "All results" not in text
    own = {"Cookie": olga.cookie, "X_CSRF_Token": olga.csrf}
    cancel = place.load(f"/api/v1/jobs/{place.job}/cancel", "POST", **own)
    assert cancel.status in (403, 404)


def test_every_other_page_is_in_no_frame(place: Place) -> None:
    olga = place.served.log_in("olga")
    for page in ("", f"view/{place.job}", "login", "account", f"share/{place.secret}"):
        path = f"/seg/{page}"
        assert place.served.ask("GET", path, headers={**FRAME, "Cookie": olga.cookie}).status == 403, path
        answer = place.served.ask("GET", path, headers={"Cookie": olga.cookie})
        assert answer.headers["x-frame-options"] == "DENY", path
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"], path
    below = place.load(f"/view/{place.job}")
    assert "frame-ancestors 'none'" in below.headers["content-security-policy"]


def test_opening_it_is_in_the_audit_log_without_the_secret(place: Place) -> None:
    place.frame()
    with place.served.accounts() as book:
        entries = [one.to_dict() for one in book.audit.list(what="link.open")]
        (link,) = book.links.list("olga")
    assert (f"link {link.id}", place.job) in [(one["who"], one["job"]) for one in entries]
    assert link.used is not None
    assert place.secret not in str(entries)


def test_a_link_that_is_wrong_or_was_revoked_shows_nothing(place: Place) -> None:
    with place.served.accounts() as book:
        link, secret = book.links.create(place.job, "olga", 1)
        book.links.revoke(link.id)
    for wrong in (secret, "wrong", "x" * 5000, f"{place.secret}.{place.secret}", "..", ""):
        for below in ("", "/static/js/api.js", f"/api/v1/jobs/{place.job}"):
            answer = place.served.ask("GET", f"/embed/{wrong}{below}", headers={"Accept": "application/json"})
            assert answer.status in (404, 431), (wrong[:20], below, answer)
            assert "frame-ancestors 'none'" in answer.headers.get("content-security-policy", "") or (
                answer.status == 431
            )


def test_the_link_says_how_to_show_it(place: Place) -> None:
    answer = place.served.log_in("olga").json("POST", "/seg/api/v1/links", {"job": place.job})
    assert answer.json["embed"] == answer.json["url"].replace("/share/", "/embed/")


def test_without_a_site_there_is_no_such_address(tmp_path: Path) -> None:
    with Served(tmp_path / "home") as served:
        place = place_of(served)
        assert place.frame().status == 403
        answer = served.ask("GET", f"/embed/{place.secret}", headers={"Accept": "application/json"})
        assert answer.status in (401, 404)
        made = served.log_in("olga").json("POST", "/api/v1/links", {"job": place.job})
        assert made.json["embed"] is None


@pytest.mark.parametrize(
    "site",
    [
        "https://a.example.org", "https://a.example.org:8443", "https://*.example.org", "https://intranet",
        "http://localhost", "http://localhost:9000", "http://127.0.0.1:9000", "http://a.localhost:9000",
    ],
)  # fmt: skip
def test_an_origin_is_taken_as_it_is(site: str) -> None:
    assert BY_NAME["web_embed_sites"].parse([site], "settings.json") == [site]


@pytest.mark.parametrize(
    "site",
    [
        "*", "https://*", "https://*.org", "http://a.example.org", "https://a.example.org/", "a.example.org",
        "https://a.example.org/page", "https:", "https://a.*.org", "'self'", "https://a.org; script-src *",
        "https://a.org https://b.org", "https://user@a.org", "http://localhost.example.org", "data:",
        "https://a.org:port", "https://-a.org", "null",
    ],
)  # fmt: skip
def test_what_is_no_origin_is_named(site: str) -> None:
    with pytest.raises(PipelineError) as error:
        BY_NAME["web_embed_sites"].parse([site], "settings.json")
    assert error.value.code == "options.invalid"
    assert repr(site) in error.value.message and "https://NAME" in error.value.message
