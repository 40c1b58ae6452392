"""The pages about accounts in a browser: one's own, and those of admins."""

from __future__ import annotations

from typing import Any, Iterator

import pyotp
import pytest
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.web.accounts.accounts import Accounts
from support.web_page import PASSWORD, Browser, Site, log_in, violations

pytestmark = pytest.mark.slow

LOOKS = [(dark, phone) for dark in (False, True) for phone in (False, True)]
NAMES = ["light, desktop", "light, phone", "dark, desktop", "dark, phone"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("accounts") / "home", libraries=False) as served:
        for name, role in (("vera", "viewer"), ("otto", "operator"), ("ada", "admin")):
            served.account(name, role)
        yield served


def opened(browser: Browser, name: str, path: str, **how: Any) -> Any:
    page = browser.page(f"/login?next={path}", **how)
    log_in(page, name)
    page.wait_for_url(f"{browser.site.url}{path}")
    page.wait_for_load_state("networkidle")
    return page


@pytest.mark.parametrize(("dark", "phone"), LOOKS, ids=NAMES)
def test_axe_has_nothing_against_the_pages_about_accounts(browser: Browser, dark: bool, phone: bool) -> None:
    page = opened(browser, "ada", "/account", dark=dark, phone=phone)
    page.locator("#sessions tr").first.wait_for()
    page.get_by_role("button", name="Set it up").click()
    page.locator("img.qr").wait_for()
    assert violations(page) == []
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    page.goto(f"{browser.site.url}/admin")
    page.locator("#audit-lines tr").first.wait_for()
    page.locator("#users tr").first.wait_for()
    page.get_by_role("button", name="Set password").first.click()
    page.get_by_role("dialog").wait_for()
    assert violations(page) == []
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")


def test_a_second_factor_is_set_up_and_asked_for_at_the_next_login(site: Site, browser: Browser) -> None:
    page = opened(browser, "otto", "/account")
    page.get_by_role("button", name="Set it up").click()
    totp = pyotp.TOTP(page.locator("code.secret").inner_text().replace(" ", ""))
    page.get_by_label("The code that the app shows").fill(totp.now())
    page.get_by_role("button", name="Turn it on").click()
    page.locator("#recovery-codes li").nth(9).wait_for()
    codes = page.locator("#recovery-codes li").all_inner_texts()
    assert len(codes) == 10
    page.get_by_role("button", name="I have kept them").click()
    page.get_by_text("10 recovery codes left").wait_for()

    other = browser.page("/login")
    assert not other.get_by_label("Code, if").is_visible()
    with browser.expecting("401"):
        log_in(other, "otto")
        other.get_by_label("Code, if").fill(codes[0])
    other.get_by_role("button", name="Log in").click()
    other.wait_for_url(f"{site.url}/")


def test_a_login_that_is_old_gives_its_password_again_for_a_token(site: Site, browser: Browser) -> None:
    page = opened(browser, "vera", "/account")
    book = Accounts.of(Home.at(site.home))
    book._database.execute("UPDATE sessions SET proved = 0 WHERE user = 'vera'")
    book.close()
    page.get_by_label("What for").fill("the CT")
    with browser.expecting("403"):
        page.get_by_role("button", name="Create a token").click()
        page.get_by_role("dialog").get_by_label("Your password").fill("not the password")
        page.get_by_role("button", name="Go on").click()
        page.get_by_role("dialog").get_by_role("alert").wait_for()
    page.get_by_role("dialog").get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    assert page.locator("#token-secret").input_value().startswith("aseg_")
    page.locator("#tokens tr", has_text="the CT").get_by_role("button", name="Revoke").click()
    page.locator("#tokens-table").wait_for(state="hidden")


def test_a_password_is_changed_and_weak_ones_are_refused(site: Site, browser: Browser) -> None:
    site.account("changing", "viewer")
    page = opened(browser, "changing", "/account")
    page.get_by_label("Password now").fill(PASSWORD)
    page.get_by_label("New password").fill("password1234")
    with browser.expecting("422"):
        page.get_by_role("button", name="Change the password").click()
        page.locator("#password [data-said]").wait_for()
    assert "guessed first" in page.locator("#password [data-said]").inner_text()
    page.get_by_label("New password").fill("rain on blue horses")
    page.get_by_role("button", name="Change the password").click()
    page.get_by_text("The password was changed").wait_for()


def test_an_admin_adds_and_disables_an_account_and_reads_it_in_the_log(site: Site, browser: Browser) -> None:
    page = opened(browser, "ada", "/admin")
    page.get_by_label("Name").fill("new.person")
    page.get_by_label("First password").fill("rain on blue horses")
    page.get_by_role("button", name="Add an account").click()
    line = page.locator("#users tr", has_text="new.person")
    line.get_by_role("button", name="Disable").click()
    page.get_by_role("dialog").get_by_role("button", name="Disable").click()
    line.get_by_text("disabled").wait_for()
    page.locator("#audit-what").select_option(label="accounts")
    page.get_by_role("button", name="Show", exact=True).click()
    page.locator("#audit-lines tr", has_text="user.disable").wait_for()
    assert page.locator("#audit-lines tr", has_text="result.").count() == 0
    assert "what=user." in str(page.locator("#audit-export").get_attribute("href"))
