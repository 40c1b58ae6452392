"""A study of which a model takes several series comes as one input, once, whatever happens meanwhile."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Iterator

import pydicom
import pytest
from AutoSegPipelineLib.core.settings import Settings
from AutoSegPipelineLib.dicom.receive import completion
from support.receiving import ENTRY, Receiving, receiving, send, write_series

STUDY = {**ENTRY, "unit": "study", "quiet_seconds": 1.0, "options": {"engine": "nnunet", "task": "glioma"}}


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a model that takes two series; settings name it."""
    folder = tmp_path / "models"
    (folder / "glioma").mkdir(parents=True)
    record = {"name": "glioma", "channels": ["T1", "FLAIR"], "patterns": ["T1*", "*FLAIR*"]}
    (folder / "glioma" / "model.json").write_text(json.dumps(record), encoding="utf-8")
    given = Settings.defaults(models_dir=str(folder))
    monkeypatch.setattr(Settings, "defaults", lambda: given)
    yield folder


def uids(paths: list[Path]) -> list[str]:
    return sorted(str(pydicom.dcmread(path).SOPInstanceUID) for path in paths)


def until_done(taker: Receiving) -> None:
    end = time.monotonic() + 60
    while any(one.state != "done" for one in taker.pacs.received.list()) or any(
        taker.receiver.spool.root.glob("h-*")
    ):
        assert time.monotonic() < end, taker.pacs.received.list()
        time.sleep(0.05)


def test_the_series_of_a_study_are_one_input_and_a_late_one_makes_the_next_version(tmp_path: Path) -> None:
    series = [write_series(tmp_path / str(number), number) for number in (1, 2, 3)]
    with receiving(tmp_path / "home", entries=[STUDY]) as taker:
        send(taker.port, *series[0], *series[1])
        (first,) = taker.intents()
        until_done(taker)
        assert first.container and uids(taker.staged(first)) == uids(series[0] + series[1])
        assert {row.jobs for row in taker.pacs.received.list()} == {(first.id,)}
        send(taker.port, *series[2])
        _, second = taker.intents(2)
        until_done(taker)
        assert (second.version, second.supersedes) == (2, first.id)
        assert uids(taker.staged(second)) == uids(series[0] + series[1] + series[2])


@pytest.mark.parametrize("change", [{"unit": "series"}, {"options": {"engine": "tissue"}}])
def test_otherwise_each_series_is_an_input(tmp_path: Path, change: dict[str, Any]) -> None:
    series = [write_series(tmp_path / str(number), number) for number in (1, 2)]
    with receiving(tmp_path / "home", entries=[{**STUDY, **change}]) as taker:
        send(taker.port, *series[0], *series[1])
        assert [len(taker.staged(one)) for one in taker.intents(2)] == [4, 4]


def test_what_rules_leave_out_is_no_part_of_it(tmp_path: Path) -> None:
    rules = [{"name": "long", "when": {"slices": {"at_least": 5}}}]
    series = [write_series(tmp_path / str(number), number, slices=2 + 2 * number) for number in (1, 2, 3)]
    with receiving(tmp_path / "home", entries=[{**STUDY, "choose": rules}]) as taker:
        send(taker.port, *(path for one in series for path in one))
        (intent,) = taker.intents()
        assert uids(taker.staged(intent)) == uids(series[1] + series[2])


@pytest.mark.parametrize("step", ["handover planned", "series asked for", "series finished"])
def test_an_interrupted_hand_over_goes_on_as_the_same_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    from AutoSegPipelineLib.intake.received import handover

    class Cut(BaseException):
        """As a kill: nothing of the program goes on."""

    real, count = completion.reached, [0]

    def cut(name: str) -> None:
        if name == step and not count[0]:
            count[0] += 1
            raise Cut
        real(name)

    series = [write_series(tmp_path / str(number), number) for number in (1, 2)]
    monkeypatch.setattr(completion, "reached", cut)
    monkeypatch.setattr(handover, "reached", cut)
    monkeypatch.setattr("threading.excepthook", lambda _: None)
    with receiving(tmp_path / "home", entries=[STUDY]) as taker:
        send(taker.port, *series[0], *series[1])
        end = time.monotonic() + 60
        while not count[0]:
            assert time.monotonic() < end
            time.sleep(0.05)
    with receiving(tmp_path / "home", entries=[STUDY]) as taker:
        (intent,) = taker.intents()
        end = time.monotonic() + 60
        while any(taker.receiver.spool.root.glob("h-*")):
            assert time.monotonic() < end
            time.sleep(0.05)
        time.sleep(0.5)
        assert [one.id for one in taker.intents()] == [intent.id]
        assert uids(taker.staged(intent)) == uids(series[0] + series[1])
        assert {one.note.jobs for one in taker.receiver.spool.all()} == {(intent.id,)}
        assert not any(one.pending for one in taker.receiver.spool.all())
