"""Pause, resume and cancel an upload on the page; go on with one that a closed page left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.web_page import Browser, Site, choose, wait_for_state

pytestmark = pytest.mark.slow


def files(folder: Path, name: str) -> list[Path]:
    return [path for path in folder.rglob(name) if path.is_file()]


def until_empty(page: Any, site: Site) -> None:
    for _ in range(50):
        if not site.get("/api/v1/uploads")["uploads"]:
            return
        page.wait_for_timeout(100)
    raise AssertionError(site.get("/api/v1/uploads"))


def test_an_upload_is_paused_resumed_and_cancelled_and_no_byte_is_lost(
    site: Site, browser: Browser, tmp_path: Path
) -> None:
    import random

    data = random.Random(1).randbytes(9_000_000)
    (tmp_path / "slow.bin").write_bytes(data)
    page = browser.page()
    network = page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 2_000_000}
    network.send("Network.emulateNetworkConditions", slow)
    choose(page, tmp_path / "slow.bin")
    page.locator(".upload .say").filter(has_text="left").wait_for()
    page.get_by_role("button", name="Pause slow.bin").click()
    page.locator(".upload.paused").wait_for()
    page.wait_for_timeout(300)
    waiting = site.get("/api/v1/uploads")["uploads"]
    assert [one["label"] for one in waiting] == ["slow.bin"] and waiting[0]["offset"] < len(data)
    page.get_by_role("button", name="Resume slow.bin").click()
    network.send("Network.emulateNetworkConditions", {**slow, "uploadThroughput": -1})
    page.locator(".upload.sent").wait_for(state="attached")
    wait_for_state(page, "slow.bin", "refused")
    (kept,) = files(site.home / "refused", "slow.bin")
    assert kept.read_bytes() == data

    network.send("Network.emulateNetworkConditions", slow)
    (tmp_path / "unwanted.bin").write_bytes(data)
    choose(page, tmp_path / "unwanted.bin")
    page.get_by_role("button", name="Pause unwanted.bin").click()
    page.get_by_role("button", name="Cancel the upload of unwanted.bin").click()
    page.locator(".upload").filter(has_text="unwanted").wait_for(state="detached")
    until_empty(page, site)
    assert "unwanted.bin" not in site.jobs()


def test_an_upload_that_is_cancelled_while_it_is_created_leaves_nothing(
    site: Site, browser: Browser, tmp_path: Path
) -> None:
    (tmp_path / "gone.bin").write_bytes(bytes(5_000_000))
    page = browser.page()
    network = page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 600, "downloadThroughput": -1, "uploadThroughput": -1}
    network.send("Network.emulateNetworkConditions", slow)

    def creates(request: Any) -> bool:
        return bool(request.method == "POST" and request.url.endswith("/api/v1/uploads"))

    with page.expect_response(lambda answer: creates(answer.request)):
        with page.expect_request(creates):
            choose(page, tmp_path / "gone.bin")
        page.get_by_role("button", name="Cancel the upload of gone.bin").click()
    until_empty(page, site)
    assert "gone.bin" not in site.jobs()


def test_a_small_upload_that_is_paused_at_once_becomes_one_job_and_leaves_nothing(
    site: Site, browser: Browser, tmp_path: Path
) -> None:
    """It goes along with the request that creates it, so the page must hear that one's answer."""
    (tmp_path / "small.bin").write_bytes(bytes(range(256)) * 8_000)
    page = browser.page()
    network = page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 600, "downloadThroughput": -1, "uploadThroughput": 2_000_000}
    network.send("Network.emulateNetworkConditions", slow)
    choose(page, tmp_path / "small.bin")
    page.get_by_role("button", name="Pause small.bin").click()
    page.locator(".upload.paused").wait_for()
    page.get_by_role("button", name="Resume small.bin").click()
    page.get_by_role("button", name="Pause small.bin").click()
    page.wait_for_timeout(3000)
    page.locator(".upload.paused").wait_for()
    page.get_by_role("button", name="Resume small.bin").click()
    page.locator(".upload.sent").wait_for(state="attached")
    wait_for_state(page, "small.bin", "refused")
    until_empty(page, site)
    assert len(files(site.home / "refused", "small.bin")) == 1


def test_an_upload_that_a_closed_page_left_goes_on_where_it_stopped(
    site: Site, browser: Browser, tmp_path: Path
) -> None:
    data = bytes(range(256)) * 36_000
    (tmp_path / "again.bin").write_bytes(data)
    page = browser.page()
    network = page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 3_000_000}
    network.send("Network.emulateNetworkConditions", slow)
    choose(page, tmp_path / "again.bin")
    page.locator(".upload .say").filter(has_text="left").wait_for()
    page.get_by_role("button", name="Pause again.bin").click()
    page.wait_for_timeout(300)
    page.context.close()
    (left,) = site.get("/api/v1/uploads")["uploads"]
    assert 0 < left["offset"] < len(data)
    page = browser.page()
    sent: list[int] = []
    page.on(
        "request",
        lambda one: sent.append(int(one.headers["upload-offset"])) if one.method == "PATCH" else None,
    )
    choose(page, tmp_path / "again.bin")
    page.locator(".upload.sent").wait_for(state="attached")
    assert sent[0] == left["offset"]
    wait_for_state(page, "again.bin", "refused")
    (kept,) = files(site.home / "refused", "again.bin")
    assert kept.read_bytes() == data
