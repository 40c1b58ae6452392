"""Templates: every value escaped, no value forgotten."""

from __future__ import annotations

import html
import json
import re

import jinja2
import pytest
from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.web.pages.render import FOLDER, environment
from support.web import Served, served

EVIL = "<script>alert(1)</script>\"'&{{ 7 * 7 }}"
BROWSER = {"accept": "text/html"}


@pytest.fixture
def page(tmp_path):  # type: ignore[no-untyped-def]
    yield from served(tmp_path / "home")


def test_a_name_from_outside_is_text_on_the_page_and_in_the_facts_for_the_script(page: Served) -> None:
    case = page.add_job(states.DONE, {".glb": b"x"}, label=EVIL)
    text = page.request("GET", f"/view/{case.id}", headers=BROWSER).body.decode()
    assert "<script>alert" not in text and "49" not in re.sub(r"[0-9a-f]{32,}", "", text)
    label = re.search(r'id="facts">(.*?)</p>', text)
    assert label is not None and html.unescape(label.group(1)) == EVIL
    # In single quotes: JSON has double ones, and the filter writes a single one as \u0027.
    facts = re.search(r"data-facts='([^']*)'", text)
    assert facts is not None and json.loads(html.unescape(facts.group(1)))["label"] == EVIL


def test_an_error_page_escapes_what_it_names(page: Served) -> None:
    wait = page.add_job(states.QUEUED, label=EVIL)
    answer = page.request("GET", f"/view/{wait.id}", headers=BROWSER)
    assert answer.status == 404
    assert "<script>alert" not in answer.body.decode()
    assert EVIL in html.unescape(answer.body.decode())


def test_no_template_says_that_a_value_is_safe() -> None:
    for path in FOLDER.glob("*.html"):
        text = path.read_text(encoding="utf-8")
        filters = set(re.findall(r"\|\s*(\w+)", text))
        assert filters <= {"tojson"}, path.name
        assert "autoescape" not in text, path.name
        # Each value stands between double quotes or in text; only JSON needs single ones.
        assert all("tojson" in one for one in re.findall(r"='[^']*\{\{[^']*'", text)), path.name
        assert not re.search(r"=\s*\{\{", text), path.name


def test_every_template_is_escaped_whatever_its_name() -> None:
    assert environment().autoescape is True
    assert environment().from_string("{{ x }}").render(x="<") == "&lt;"


def test_a_value_that_nobody_gave_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError, match="heading"):
        environment().get_template("message.html").render(
            base="", title="", user=None, warning="", version="", text="", hint="", embedded=False
        )
