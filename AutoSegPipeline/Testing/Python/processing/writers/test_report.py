"""The report: readable, safe to open, and it keeps nothing back."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from AutoSegPipelineLib.core.segmentation import Segment, Segmentation
from AutoSegPipelineLib.processing.case import Case
from AutoSegPipelineLib.processing.picture import close_painter
from AutoSegPipelineLib.processing.process import process_case
from AutoSegPipelineLib.processing.writers.report import orientation
from AutoSegPipelineLib.processing.writers.seg_nrrd import write_seg_nrrd
from support.processing import DIRECTIONS, Recorder, case_message, grid, two_layers

pytestmark = pytest.mark.slow

EVIL = "<script>alert(1)</script>\"'&"


class Page(HTMLParser):
    """What stands in a page: its tags with attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def page(tmp_path):
    """The report of a case whose every text is hostile."""
    segmentation = two_layers(grid((20, 16, 12)))
    body, *rest = segmentation.segments
    evil = Segment(0, 1, "body", EVIL, body.colour, EVIL)
    path = tmp_path / "two.seg.nrrd"
    write_seg_nrrd(path, Segmentation(segmentation.grid, segmentation.layers, (evil, *rest)))
    source = {"format": EVIL, "sha256": "ab" * 32, "warnings": [{"code": "x", "message": f"odd {EVIL}"}]}
    message = case_message(
        path,
        tmp_path,
        kind="segmentation",
        label=f"Case {EVIL}",
        source=source,
        options={"formats": ["report"]},
    )
    process_case(Case.from_dict(message), Recorder())
    close_painter()
    return (tmp_path / "out" / "case.report.html").read_text(encoding="utf-8")


def test_nothing_from_outside_becomes_markup(page):
    read = Page(page)
    assert read.open == []  # every tag is closed
    assert not read.all("script") and page.count(EVIL) == 0
    text = " ".join(read.words)
    assert f"Case {EVIL}" in text and f"odd {EVIL}" in text
    assert {row.get("class") for row in read.all("tr")} <= {None, "group"}


def test_it_asks_no_server_for_anything(page):
    read = Page(page)
    assert not read.all("link") and not read.all("iframe") and "@import" not in page and "url(" not in page
    for _, attributes in read.tags:
        for name in ("src", "href"):
            assert attributes.get(name, "data:").startswith("data:")
    policies = [a["content"] for a in read.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert "default-src 'none'" in policies[0]


def test_it_can_be_read_without_eyes_and_in_the_dark(page):
    read = Page(page)
    assert read.all("html")[0]["lang"] == "en"
    assert all(attributes.get("scope") in ("col", "row", "rowgroup") for attributes in read.all("th"))
    assert all(attributes.get("alt") for attributes in read.all("img"))
    assert "prefers-color-scheme: dark" in page and "@media print" in page


def contrast(first: str, second: str) -> float:
    """Ratio of WCAG 2.2 (relative luminance)."""

    def luminance(colour):
        channels = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_texts_have_the_contrast_that_wcag_asks_for(page):
    themes = re.findall(r":root \{([^}]*)\}", page)[:2]
    assert len(themes) == 2
    for theme in themes:
        colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", theme))
        for ink, paper in (("ink", "page"), ("soft", "page"), ("warn", "warn-page")):
            assert contrast(colours[ink], colours[paper]) >= 4.5


def test_it_says_what_it_is_and_what_it_measured(page):
    text = " ".join(Page(page).words)
    assert text.count("For research, not a medical device.") == 2
    assert "Left lung" in text and "Volume (ml)" in text and "ab" * 32 in text
    assert "20 × 16 × 12 of 2 × 2 × 3 mm" in text
    assert "case.gltf" in text


def test_the_orientation_is_named_by_the_sides_the_axes_point_to():
    assert orientation(grid((2, 2, 2)).affine) == "LPS"
    assert orientation(grid((2, 2, 2), DIRECTIONS["flipped"]).affine) == "RAS"
    assert orientation(grid((2, 2, 2), DIRECTIONS["permuted"]).affine) == "SLP"
