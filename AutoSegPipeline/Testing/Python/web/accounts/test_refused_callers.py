"""Refused DICOM callers stand in the audit log, each time once, however often they are looked at."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Iterator

import pytest
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.pacs.store import PacsStore
from AutoSegPipelineLib.web.accounts.accounts import Accounts
from AutoSegPipelineLib.web.accounts.refused_callers import AGAIN_SECONDS, MOST_LINES, WHAT
from support.held_clock import HeldClock
from support.web import Served

CT = ("CT1", "AUTOSEG", "10.1.1.1", "", "CT1 at 10.1.1.1 is not in callers")


class Both:
    """The receiver's table and the log, on one clock."""

    def __init__(self, root: Path) -> None:
        self.clock = HeldClock()
        self.home = Home.at(root)
        self.home.create()
        self.pacs = PacsStore.of(self.home, self.clock)
        self.accounts = Accounts.of(self.home, self.clock)

    def copy(self) -> list[str]:
        """Look once; every line that there is, the oldest first."""
        self.accounts.refused_callers.note(self.pacs.refusals.list())
        return [one.detail for one in reversed(self.accounts.audit.list(1000))]

    def refuse(self, times: int = 1, title: str = "CT1") -> None:
        for _ in range(times):
            self.pacs.refusals.note(title, *CT[1:])
            self.clock.at += 1

    def close(self) -> None:
        self.pacs.close()
        self.accounts.close()


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Both]:
    made = Both(tmp_path)
    yield made
    made.close()


def test_each_refusal_is_counted_once(both: Both) -> None:
    both.refuse(3)
    (first,) = both.copy()
    assert (
        first.startswith("3 of 3 times since 1970-01-12T13:46:40")
        and CT[4] in first
        and "calling AUTOSEG" in first
    )
    assert both.copy() == [first]
    (line,) = both.accounts.audit.list()
    assert (line.what, line.who, line.via, line.address, line.ok) == (WHAT, "CT1", "dicom", "10.1.1.1", False)
    both.clock.at += AGAIN_SECONDS
    both.refuse(2)
    assert both.copy()[1].startswith("2 of 5 times since")


def test_one_that_keeps_calling_is_a_line_a_minute_and_none_of_its_calls_is_lost(both: Both) -> None:
    both.refuse()
    for _ in range(int(AGAIN_SECONDS) - 2):
        both.copy()
        both.refuse()
    assert len(both.copy()) == 1
    both.clock.at += 2
    lines = both.copy()
    assert [int(one.split()[0]) for one in lines] == [1, int(AGAIN_SECONDS) - 2]


def test_many_names_are_few_lines_that_count_them_all(both: Both) -> None:
    for number in range(MOST_LINES + 30):
        both.refuse(title=f"T{number}")
    lines = both.copy()
    assert len(lines) == MOST_LINES + 1
    assert lines[-1].startswith("30 times by 30 further callers since")
    assert both.copy() == lines


def test_a_row_that_went_and_came_again_counts_from_one(both: Both) -> None:
    both.refuse(2)
    both.copy()
    both.pacs._database.execute("DELETE FROM refusals")
    both.clock.at += AGAIN_SECONDS
    both.refuse()
    assert both.copy()[1].startswith("1 of 1 times")


def test_line_and_count_are_written_together_or_not_at_all(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    both.refuse()
    with monkeypatch.context() as patch:
        patch.setattr(both.accounts.refused_callers, "_further", lambda rest: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            both.copy()
    assert len(both.copy()) == 1


def test_the_page_copies_them_also_over_a_restart(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    home.create()
    pacs = PacsStore.of(home)
    pacs.refusals.note(*CT)
    with Served(tmp_path) as page:
        accounts = Accounts.of(home)

        def counts(expected: int) -> list[str]:
            until = time.monotonic() + 60
            while True:
                lines = [one.detail.split()[0] for one in reversed(accounts.audit.list(what=WHAT))]
                if len(lines) >= expected:
                    return lines
                assert time.monotonic() < until, lines
                time.sleep(0.1)

        assert counts(1) == ["1"]
        page.stop()
        pacs.refusals.note("MR7", *CT[1:])
        page.start()
        assert counts(2) == ["1", "1"]
        accounts.close()
    pacs.close()
