"""Converted networks on the disk: complete or not there, and never more than the limit."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.processing.engines.networks.back_ends import kept, parity, wanted
from AutoSegPipelineLib.processing.engines.networks.back_ends.parity import Parity

ALIKE = Parity(0.99995, 0.00005, 3, 20000)


def write(path: Path) -> None:
    path.write_text("<net/>")
    path.with_suffix(".bin").write_bytes(b"x" * 1000)


def test_what_was_kept_is_found_with_its_outcome(tmp_path: Path) -> None:
    assert kept.find("a", tmp_path) is None
    kept.keep("a", ALIKE, 1.5, write, tmp_path)
    kept.keep("refused", ALIKE, 0.5, None, tmp_path)
    assert kept.find("a", tmp_path) == kept.Record(ALIKE, 1.5, tmp_path / "a" / kept.MODEL)
    assert kept.find("refused", tmp_path) == kept.Record(ALIKE, 0.5, None)
    kept.keep("a", ALIKE, 9.0, write, tmp_path)  # another worker was faster
    assert kept.find("a", tmp_path).seconds == 1.5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "refused"]


def shorter(folder: Path) -> None:
    (folder / "network.bin").write_bytes(b"x" * 999)


def gone(folder: Path) -> None:
    (folder / "network.bin").unlink()


def no_record(folder: Path) -> None:
    (folder / "record.json").unlink()


def cut_off(folder: Path) -> None:
    (folder / "record.json").write_text('{"format": 1, "fil')


def other(folder: Path) -> None:
    (folder / "record.json").write_text('{"format": 1, "files": [], "parity": 3, "seconds": 1}')


@pytest.mark.parametrize("damage", [shorter, gone, no_record, cut_off, other])
def test_what_is_damaged_is_removed(tmp_path: Path, damage) -> None:
    kept.keep("a", ALIKE, 1.5, write, tmp_path)
    damage(tmp_path / "a")
    assert kept.find("a", tmp_path) is None and not (tmp_path / "a").exists()


def test_the_one_used_longest_ago_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for age, name in enumerate(("newest", "older", "oldest")):
        kept.keep(name, ALIKE, 1.0, write, tmp_path)
        at = 1_700_000_000 - age
        os.utime(tmp_path / name / "record.json", (at, at))
    assert kept.find("oldest", tmp_path) is not None  # it was used just now
    (tmp_path / ".part-left").mkdir()
    os.utime(tmp_path / ".part-left", (0, 0))
    (tmp_path / ".part-fresh").mkdir()
    monkeypatch.setattr(kept, "MOST_BYTES", 2500)
    kept.keep("more", ALIKE, 1.0, write, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".part-fresh", "more", "oldest"]


def test_a_conversion_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    def full(path: Path) -> None:
        path.write_text("half")
        raise OSError(28, "full")

    with pytest.raises(OSError, match="full"):
        kept.keep("a", ALIKE, 1.0, full, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_rule_counts_voxels_and_classes() -> None:
    assert ALIKE.holds(parity.LEAST)
    assert not Parity(0.99985, 0.0, 3, 20000).holds(parity.LEAST)
    assert not Parity(1.0, 0.00015, 3, 20000).holds(parity.LEAST)
    assert parity.worst([ALIKE, Parity(0.5, 0.0, 2, 10)]) == Parity(0.5, 0.00005, 3, 20010)


def test_the_setting_comes_with_the_environment() -> None:
    assert wanted.wanted({}) == "auto"
    assert wanted.wanted({"AUTOSEG_BACK_END": "OpenVINO-bf16"}) == "openvino-bf16"
    with pytest.raises(PipelineError, match="did you mean 'openvino'"):
        wanted.wanted({"AUTOSEG_BACK_END": "openvin"})


@pytest.mark.parametrize(
    ("word", "version", "said"),
    [
        ("auto", "1.2", {"back_end": "openvino 1.2"}),
        ("openvino-bf16", "1.2", {"back_end": "openvino 1.2 bf16"}),
        ("torch", "1.2", {}),
        ("auto", "", {}),
    ],
)
def test_what_a_worker_says_of_it_changes_with_what_may_compute(monkeypatch, word, version, said) -> None:
    monkeypatch.setenv("AUTOSEG_BACK_END", word)
    monkeypatch.setattr(wanted, "openvino_version", lambda: version)
    assert wanted.facts() == said
