"""The viewer in a frame: pages of two other sites in a real browser, over TLS."""

from __future__ import annotations

import http.server
import re
import ssl
import threading
from pathlib import Path
from typing import Any, Iterator

import pytest
from AutoSegPipelineLib.web.accounts.accounts import Accounts
from support.certificate import write_certificate
from support.headless import write_scan
from support.web import Served
from support.web_page import Browser, Site

pytestmark = pytest.mark.slow


IN_STAGE = "document.hasFocus() && document.getElementById('stage').contains(document.activeElement)"


class OtherSite:
    """Answers every address with ``page``, as https://NAME.localhost and https://localhost."""

    def __init__(self, certificate: tuple[Path, Path]) -> None:
        self.page = ""
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                data = owner.page.encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OtherSite]:
    site = OtherSite(write_certificate(tmp_path_factory.mktemp("other")))
    yield site
    site.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, other: OtherSite) -> Iterator[Served]:
    root = tmp_path_factory.mktemp("embedded")
    with Site(root / "home") as made:
        job = made.until_ended(made.put(write_scan(root / "torso.nii.gz", 8.0))["id"])
    made.account("ada", "admin")
    certificate, key = write_certificate(root)
    with Served(
        root / "home", tls_cert=str(certificate), tls_key=str(key),
        web_embed_sites=[f"https://teaching.localhost:{other.port}"],
    ) as served:  # fmt: skip
        book = Accounts.of(served.home)
        served.secret = book.links.create(job["id"], "ada", 1, names=True)[1]  # type: ignore[attr-defined]
        served.login = book.sessions.begin("ada", "127.0.0.1", 12)  # type: ignore[attr-defined]
        book.close()
        served.job = job["id"]  # type: ignore[attr-defined]
        yield served


def framed(browser: Browser, other: OtherSite, name: str, path: str, cookie: str = "") -> Any:
    """A page of the site NAME.localhost with ``path`` of ours in a frame."""
    other.page = (
        "<!DOCTYPE html><html lang=en><title>Anatomy</title><link rel=icon href=data:,>"
        f'<h1>Lesson</h1><iframe src="{browser.url}{path}" title="Segmentation in 3D" width="1100" '
        'height="760" allow="fullscreen"></iframe>'
    )
    page = browser.page(None, ignore_https_errors=True)
    if cookie:
        name_of = f"__Host-autoseg-session-{browser.site.port}"
        page.context.add_cookies([{
            "name": name_of, "value": cookie, "url": browser.url, "secure": True, "httpOnly": True,
            "sameSite": "None",
        }])  # fmt: skip
    page.goto(f"https://{name}.localhost:{other.port}/")
    return page


def test_a_site_that_is_allowed_shows_the_viewer_with_its_data(
    site: Served, other: OtherSite, browser: Browser
) -> None:
    with browser.expecting("another host: https://teaching.localhost"):
        page = framed(browser, other, "teaching", f"/embed/{site.secret}")  # type: ignore[attr-defined]
        inside = page.frame_locator("iframe")
        inside.locator("html[data-ready]").wait_for(state="attached", timeout=90000)
        (frame,) = (one for one in page.frames if "/embed/" in one.url)
        assert "lung_left" in frame.evaluate("autosegViewer.scene.structures.map(one => one.name)")
        assert frame.evaluate("autosegViewer.slices.nv.volumes.length") == 2
        assert inside.locator("#stage canvas").count() > 0
        assert page.context.cookies() == [], "no cookie is needed"
        links = [one.get_attribute("href") for one in inside.locator("a[href]").all()]
        assert links == ["#main"], "nothing leads away"
        # By the keyboard alone, from the page around it.
        before = frame.evaluate("JSON.stringify(autosegViewer.scene.view.state)")
        for _ in range(20):
            page.keyboard.press("Tab")
            if frame.evaluate(IN_STAGE):
                break
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowLeft")
        assert frame.evaluate("JSON.stringify(autosegViewer.scene.view.state)") != before
        inside.get_by_role("button", name="Files").click()
        file = inside.get_by_role("dialog").get_by_role("link", name="torso.glb").get_attribute("href")
        size = frame.evaluate("(url) => fetch(url).then((one) => one.blob()).then((one) => one.size)", file)
        assert size == (site.home.results / "torso.glb").stat().st_size


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("evil", "/embed/SECRET"),
        ("evil", "/view/JOB"),
        ("teaching", "/"),
        ("teaching", "/view/JOB"),
        ("teaching", "/login"),
        ("teaching", "/share/SECRET"),
    ],
)
def test_another_site_and_every_other_page_are_refused(
    site: Served, other: OtherSite, browser: Browser, name: str, path: str
) -> None:
    path = path.replace("SECRET", site.secret).replace("JOB", site.job)  # type: ignore[attr-defined]
    with browser.expecting("another host|frame|403"):
        # With a login that the browser would send: none of ours has SameSite=None.
        page = framed(browser, other, name, path, site.login)  # type: ignore[attr-defined]
        page.get_by_role("heading", name="Lesson").wait_for()
        inner = page.frames[1]
        inner.wait_for_load_state()
        assert re.match("chrome-error:", inner.url), inner.url
