"""The admin's list of trained models: shown, checked, removed, added, and trusted only after a question."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Iterator

import pytest
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.web.accounts.accounts import Accounts
from support.model_record import record
from support.web_page import Browser, Site, log_in, violations

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("models")
    record(root / "own", "teeth")
    record(root / "own", "jaw", title="Jaw", trusted=False, patterns=["T1*", "*FLAIR*"])
    with Site(root / "home", "--models-dir", root / "own") as served:
        for name, role in (("otto", "operator"), ("ada", "admin")):
            served.account(name, role)
        yield served


def logged_in(browser: Browser, name: str) -> Any:
    page = browser.page("/")
    log_in(page, name)
    page.locator("#jobs-empty").wait_for()
    return page


def test_only_an_admin_sees_the_models(site: Site, browser: Browser) -> None:
    assert not logged_in(browser, "otto").get_by_role("heading", name="Trained models").is_visible()


def test_the_models_are_listed_checked_and_removed(site: Site, browser: Browser) -> None:
    page = logged_in(browser, "ada")
    teeth = page.locator("#models-list .model", has_text="Lower teeth")
    teeth.get_by_text("task teeth · CT · CT · 2d · 1 structure · 2.5 MB").wait_for()
    assert "may run code" in teeth.inner_text()
    assert "DICOM series" not in teeth.inner_text()
    page.locator("#models-list .model", has_text="DICOM series T1*, *FLAIR*").get_by_text(
        "Jaw"
    ).first.wait_for()
    assert "may run code" not in page.locator("#models-list .model", has_text="Jaw").inner_text()
    assert violations(page) == []
    page.get_by_role("button", name="Check teeth").click()
    page.locator("#models-said.bad").wait_for()
    assert "plans.json" in page.locator("#models-said").inner_text()
    page.get_by_role("button", name="Remove jaw").click()
    page.get_by_role("button", name="Keep it").click()
    page.get_by_role("button", name="Remove jaw").click()
    page.get_by_role("button", name="Remove it").click()
    page.get_by_text("jaw was removed").wait_for()
    assert page.locator("#models-list .model").count() == 1
    assert not (site.home.parent / "own" / "jaw").exists()


def test_a_zip_that_is_no_model_is_refused_in_words(site: Site, browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "holiday.zip").write_bytes(b"PK\5\6" + bytes(18))
    page = logged_in(browser, "ada")
    page.get_by_label("Model (the zip").set_input_files(tmp_path / "holiday.zip")
    page.get_by_role("button", name="Add the model").click()
    page.locator("#models-said.bad").wait_for()
    assert "holiday.zip" in page.locator("#models-said").inner_text()


def test_a_model_that_may_run_code_is_loaded_only_after_a_question(
    site: Site, browser: Browser, tmp_path: Path
) -> None:
    (tmp_path / "odd.zip").write_bytes(b"x" * 100)
    page = logged_in(browser, "ada")
    unsafe = {"code": "engine.checkpoint_unsafe", "message": "odd.zip needs more than is safe", "hint": ""}
    answers = [{"done": True, "error": error} for error in (unsafe, unsafe, None)]
    asked: list[bool] = []

    def add(route: Any) -> None:
        if route.request.method == "POST":
            given = json.loads(route.request.post_data)
            asked.append(given["trust"])
            assert given["channels"] == ["T1*", "*FLAIR*"]
        route.continue_()

    page.route("**/api/v1/models", add)
    page.route("**/api/v1/models/requests/*", lambda route: route.fulfill(json=answers.pop(0)))
    page.get_by_label("Model (the zip").set_input_files(tmp_path / "odd.zip")
    page.get_by_label("DICOM series of each channel").fill("T1*\n\n *FLAIR* ")
    page.get_by_role("button", name="Add the model").click()
    page.get_by_role("button", name="Do not load it").click()
    assert asked == [False] and "needs more" in page.locator("#models-said").inner_text()
    page.get_by_role("button", name="Add the model").click()
    page.get_by_role("button", name="I trust its makers").click()
    page.get_by_text("odd.zip was added").wait_for()
    assert asked == [False, False, True]
    accounts = Accounts.of(Home.at(site.home))
    try:
        lines = accounts.audit.list(20, None, "ada", "model.add", "")
    finally:
        accounts.close()
    assert [line.detail for line in lines][:2] == ["odd.zip, trusted", "odd.zip"]


def test_what_the_command_line_can_say_of_a_model_the_form_can_too(
    site: Site, browser: Browser, tmp_path: Path
) -> None:
    (tmp_path / "odd.zip").write_bytes(b"x" * 100)
    page = logged_in(browser, "ada")
    page.get_by_label("Model (the zip").set_input_files(tmp_path / "odd.zip")
    page.locator("#models summary", has_text="More").click()
    fields = {"Title": "Odd teeth", "Folds": "0, 2", "Checkpoint": "checkpoint_latest.pth",
              "Configuration": "2d", "Trainer": "nnUNetTrainer"}  # fmt: skip
    for label, text in fields.items():
        page.locator("#models-form").get_by_label(label).fill(text)
    page.get_by_label("For scans of").select_option("MR")
    page.get_by_label("Replace a model").check()
    assert violations(page) == []
    page.locator("#models").screenshot(path=tmp_path / "form.png")
    with page.expect_request(lambda one: one.method == "POST" and one.url.endswith("/models")) as asked:
        page.get_by_role("button", name="Add the model").click()
    given = json.loads(asked.value.post_data)
    assert (given["title"], given["modality"], given["folds"]) == ("Odd teeth", "MR", ["0", "2"])
    assert (given["checkpoint"], given["configuration"]) == ("checkpoint_latest.pth", "2d")
    assert (given["trainer"], given["replace"]) == ("nnUNetTrainer", True)
    page.locator("#models-said.bad").wait_for()  # the pipeline took every field, and says what it is
    assert "odd.zip" in page.locator("#models-said").inner_text()
