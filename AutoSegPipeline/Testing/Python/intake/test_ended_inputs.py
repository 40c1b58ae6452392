"""Archiving an input and fetching it back can be cut off anywhere and done again."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.incoming import Intent, IntentFile, folder_of, input_of, write_intent
from AutoSegPipelineLib.intake import ended_inputs
from AutoSegPipelineLib.intake.ended_inputs import archive_input, fetch_back


class Killed(Exception):
    """Stands for kill -9."""


@pytest.fixture
def staged(tmp_path: Path) -> tuple[Home, Intent]:
    home = Home.at(tmp_path / "home")
    home.create()
    originals = ("a.nii", "sub/b.nii", "reason.json")
    intent = Intent(files=[IntentFile(f"{n:06d}", None, name) for n, name in enumerate(originals)])
    write_intent(home, intent)
    for item in intent.files:
        (input_of(home, intent.id) / item.name).write_text(item.original)
    return home, intent


def contents(folder: Path) -> dict[str, str]:
    """Every file but our own reason, by relative name."""
    files = [path for path in folder.rglob("*") if path.is_file() and path != folder / "reason.json"]
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


WANTED = {"a.nii": "a.nii", "sub/b.nii": "sub/b.nii", "original/reason.json": "reason.json"}


def cut_off(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Die before the Nth change to the disk."""
    left = [number]

    def dying(real):
        def call(*args, **kwargs):
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return real(*args, **kwargs)

        return call

    for module, name in ((os, "replace"), (os, "rename"), (os, "unlink"), (ended_inputs, "remove_tree")):
        monkeypatch.setattr(module, name, dying(getattr(module, name)))


@pytest.mark.parametrize("number", range(9))
def test_cut_off_anywhere_an_input_is_archived_once_and_complete(staged, monkeypatch, number: int) -> None:
    home, intent = staged
    with monkeypatch.context() as patch:
        cut_off(patch, number)
        try:
            archive_input(folder_of(home, intent.id), home.failed, "case", {})
        except Killed:
            pass  # what a kill leaves is what the second call finds
    if folder_of(home, intent.id).exists():
        archive_input(folder_of(home, intent.id), home.failed, "case", {})
    assert [path.name for path in home.failed.iterdir()] == ["case"]
    assert contents(home.failed / "case") == WANTED


@pytest.mark.parametrize("number", range(9))
def test_cut_off_anywhere_an_input_comes_back_whole(staged, monkeypatch, number: int) -> None:
    home, intent = staged
    kept = archive_input(folder_of(home, intent.id), home.failed, "case", {})
    with monkeypatch.context() as patch:
        cut_off(patch, number)
        try:
            fetch_back(kept, folder_of(home, intent.id))
        except Killed:
            pass  # what a kill leaves is what the second call finds
    if kept.exists() and (kept / "reason.json").exists():
        fetch_back(kept, folder_of(home, intent.id))
    staged_now = {path.name: path.read_text() for path in input_of(home, intent.id).iterdir()}
    assert staged_now == {item.name: item.original for item in intent.files}


def test_a_name_that_is_taken_gets_a_number_and_a_file_that_left_is_named(staged) -> None:
    home, intent = staged
    (home.failed / "case").mkdir()
    kept = archive_input(folder_of(home, intent.id), home.failed, "case", {"error": None})
    assert kept.name == "case-2"
    (kept / "sub" / "b.nii").unlink()
    with pytest.raises(PipelineError, match=r"sub/b\.nii") as caught:
        fetch_back(kept, folder_of(home, intent.id))
    assert caught.value.code == "input.missing"
    assert (kept / "a.nii").exists(), "nothing was moved"


@pytest.mark.skipif(os.name != "posix", reason="making links needs a privilege on Windows")
@pytest.mark.parametrize("disks", [1, 2])
def test_links_are_archived_as_links_wherever_they_lead(tmp_path: Path, monkeypatch, disks: int) -> None:
    home = Home.at(tmp_path / "home")
    home.create()
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "secret").write_text("secret")
    places = {"nowhere.nii": "/no/such/place", "folder": str(tmp_path / "private")}
    intent = Intent(files=[IntentFile(f"{n:06d}", None, name) for n, name in enumerate(places)])
    write_intent(home, intent)
    for item in intent.files:
        (input_of(home, intent.id) / item.name).symlink_to(places[item.original])
    if disks == 2:
        real = os.stat

        def other_disk(path, **kwargs):
            found = real(path, **kwargs)
            if path != home.refused:
                return found
            return os.stat_result((*found[:2], found.st_dev + 1, *found[3:]))

        def refuse(source, target):
            if Path(source).parent == home.incoming and Path(target).parent == home.refused:
                raise OSError(errno.EXDEV, "Invalid cross-device link")
            return real_rename(source, target)

        real_rename = os.rename
        monkeypatch.setattr(os, "stat", other_disk)
        monkeypatch.setattr(os, "rename", refuse)
    kept = archive_input(folder_of(home, intent.id), home.refused, "links", {})
    assert {name: os.readlink(kept / name) for name in places} == places
    assert not folder_of(home, intent.id).exists()
    fetch_back(kept, folder_of(home, intent.id))
    found = {item.original: os.readlink(input_of(home, intent.id) / item.name) for item in intent.files}
    assert found == places and (tmp_path / "private" / "secret").exists()
