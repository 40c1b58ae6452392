"""What is remembered of the files in the inbox from one listing to the next."""

from __future__ import annotations

import os
from dataclasses import replace

from AutoSegPipelineLib.core.messages.examined_files import ExaminedFile
from AutoSegPipelineLib.runtime.inbox.file_book import InboxBook
from AutoSegPipelineLib.runtime.inbox.folder_walk import WalkedFile


def found(path, size=10, mtime_ns=5, inode=1):
    return WalkedFile(path, os.path.basename(path), size, mtime_ns, inode, False)


def list_once(book, paths, now, problems=()):
    book.begin_listing()
    for path in paths:
        book.see(found(path), now)
    book.end_listing(problems, now)


def row(path, **more):
    return replace(ExaminedFile(path, size=10, mtime_ns=5, format="nifti"), **more)


def test_a_share_that_is_away_for_a_while_makes_nothing_forgotten():
    book = InboxBook(5, 900, lambda path: None)
    path, other = os.path.join("/in", "far", "a.nii"), os.path.join("/in", "b.nii")
    list_once(book, [path, other], 0)
    list_once(book, [other], 3, problems=[os.path.join("/in", "far")])
    assert book.waiting == 2
    list_once(book, [path, other], 5)
    assert set(book.to_ask) == {path, other}
    list_once(book, [path], 6)
    assert book.waiting == 1


def test_a_locked_file_is_asked_for_again_and_not_at_once():
    book = InboxBook(5, 900, lambda path: None)
    list_once(book, ["/in/a.nii"], 0)
    list_once(book, ["/in/a.nii"], 5)
    book.to_ask.clear()
    book.answered(row("/in/a.nii", state="locked"), 5)
    assert book.next_look(5) == 10
    list_once(book, ["/in/a.nii"], 7)
    assert not book.to_ask
    list_once(book, ["/in/a.nii"], 10)
    assert list(book.to_ask) == ["/in/a.nii"]
    book.answered(row("/in/a.nii"), 10)
    assert len(book.arrivals) == 1


def test_a_header_at_rest_is_not_truncated_while_its_data_still_grow():
    book = InboxBook(5, 60, lambda path: None)
    header, data = "/in/a.mhd", "/in/a.raw"
    short = {"code": "input.truncated", "message": "a.mhd: half", "hint": ""}
    incomplete = row(header, state="incomplete", format="metaimage", companions=[data], error=short)
    now = 0.0
    while now < 300:
        book.begin_listing()
        book.see(found(header), now)
        book.see(found(data, size=int(now)), now)
        book.end_listing((), now)
        if header in book.to_ask:
            book.to_ask.clear()
            book.answered(incomplete, now)
        now += 4
    assert not book.refusals
    for _ in range(40):
        now += 4
        list_once(book, [header], now, problems=[data])
        if header in book.to_ask:
            book.to_ask.clear()
            book.answered(incomplete, now)
    assert [one.error.code for one in book.refusals] == ["input.truncated"]


def channel_book():
    """Of scans called a* there are two channels."""
    return InboxBook(5, 60, lambda path: None, lambda path: 2 if os.path.basename(path)[0] == "a" else 1)


def arrive(book, paths, now):
    """Everything in ``paths`` is complete at ``now`` + 5."""
    list_once(book, paths, now)
    list_once(book, paths, now + 5)
    for path in list(book.to_ask):
        book.answered(row(path), now + 5)
    book.to_ask.clear()


def test_channels_of_one_scan_arrive_together_once_the_last_is_complete():
    book = channel_book()
    first, second, other = (os.path.join("/in", name) for name in ("a_0000.nii", "a_0001.nii", "b_0000.nii"))
    arrive(book, [first, other], 0)
    assert [found.label for found in book.arrivals] == ["b_0000.nii"]
    arrive(book, [first, other, second], 8)
    (_, found) = book.arrivals
    assert [one.path for one in found.files] == [first, second]
    assert (found.label, found.channels, len(found.examined)) == ("a.nii", 2, 2)
    assert book.waiting == 0


def test_a_channel_that_waits_in_vain_goes_to_the_inspection_which_names_the_other():
    book = channel_book()
    second = os.path.join("/in", "a_0001.nii")
    arrive(book, [second], 0)
    assert not book.arrivals and book.next_look(5) <= 10
    list_once(book, [second], 59)
    assert not book.arrivals
    list_once(book, [second], 61)
    assert [one.path for one in book.arrivals[0].files] == [second]
