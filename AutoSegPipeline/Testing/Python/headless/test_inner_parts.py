"""What the command line, the log and Slicer's server take of click and Python beyond what those document."""

from __future__ import annotations

from support.inner_parts import HEADLESS, STANDARD, complaints


def test_each_part_is_there() -> None:
    assert complaints([*HEADLESS, *STANDARD]) == []
