"""When series and studies are complete, and what is handed over: once, with what dicom.json says."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pydicom
from AutoSegPipelineLib.core.pacs.config import Entry
from AutoSegPipelineLib.core.store import Store
from AutoSegPipelineLib.dicom.receive import completion, series_folder
from AutoSegPipelineLib.dicom.receive.completion import is_complete
from support import dicom
from support.receiving import ENTRY, Receiving, associate, receiving, send, write_series


class Coming:
    """A series of which instances come in; times are seconds ago."""

    def __init__(self, first: float, last: float, associations: int = 0, broken_off: bool = False) -> None:
        self.first, self.last, self.broken_off = -first, -last, broken_off
        self.associations = set(range(associations))
        self.has_open = True


def complete(*unit: Any, unit_is: str = "series") -> bool:
    return is_complete(unit, Entry("A", unit=unit_is, quiet_seconds=60, at_most_minutes=90), 0.0)


def test_a_series_is_complete_when_it_was_quiet_and_its_associations_have_ended() -> None:
    assert complete(Coming(100, 61))
    assert not complete(Coming(100, 59))
    assert not complete(Coming(100, 61, associations=1))
    assert complete(Coming(90 * 60 + 1, 0, associations=1))


def test_whose_association_broke_off_gets_five_times_as_long_to_come_again() -> None:
    assert not complete(Coming(400, 299, broken_off=True))
    assert complete(Coming(400, 301, broken_off=True))


def test_an_abort_is_no_release(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "in")
    with receiving(tmp_path / "home", entries=[{**ENTRY, "quiet_seconds": 30}]) as taker:
        association = associate(taker.port, paths=paths)
        association.send_c_store(paths[0])
        association.abort()
        (series,) = taker.receiver.spool.live()
        end = time.monotonic() + 60
        while series.associations:
            assert time.monotonic() < end
            time.sleep(0.02)
        assert series.broken_off
        send(taker.port, *paths)
        while series.associations:
            assert time.monotonic() < end
            time.sleep(0.02)
        assert not series.broken_off


def test_a_study_waits_for_its_last_series() -> None:
    assert not complete(Coming(500, 400), Coming(100, 59), unit_is="study")
    assert complete(Coming(500, 400), Coming(100, 61), unit_is="study")


def test_what_the_entry_says_goes_with_the_job(tmp_path: Path) -> None:
    entry = {**ENTRY, "title": "FAST", "options": {"quality": "fast"}, "send_to": ["pacs"],
             "visible_to": ["anna"]}  # fmt: skip
    peers = {"pacs": {"title": "SENDER", "host": "127.0.0.1", "port": 4242}}
    with receiving(tmp_path / "home", entries=[entry], peers=peers) as taker:
        paths = write_series(tmp_path / "in")
        send(taker.port, *paths, called="FAST")
        (intent,) = taker.intents()
        assert intent.options == {"quality": "fast", "send_to": ["pacs"]}
        assert (intent.door, intent.by, intent.visible_to) == ("dicom", "SENDER", ["anna"])
        assert (intent.version, intent.supersedes) == (1, None)
        assert len(taker.staged(intent)) == len(paths)
        row = until_done(taker)
        store = Store(taker.home.store)
        assert [one.job for one in store.requests.open()] == [intent.id]
        store.close()
        (peer,) = taker.pacs.peers.list()
        assert peer.name == "pacs" and peer.received
        assert (row.called, row.calling, row.instances, row.jobs) == ("FAST", "SENDER", 4, (intent.id,))


def until_done(taker: Receiving, state: str = "done") -> Any:
    end = time.monotonic() + 60
    while True:
        rows = taker.pacs.received.list()
        if rows and all(row.state == state for row in rows):
            return rows[0]
        assert time.monotonic() < end, rows
        time.sleep(0.05)


def test_nothing_of_the_patient_is_in_names(tmp_path: Path) -> None:
    with receiving(tmp_path / "home") as taker:
        send(taker.port, *write_series(tmp_path / "in", PatientName="MUSTER^ANNA", PatientID="471108154711"))
        (intent,) = taker.intents()
        assert "MUSTER" not in str(intent.to_dict()) and "471108154711" not in str(intent.to_dict())
        assert intent.label == "SENDER"


def test_late_slices_make_the_next_version_of_the_complete_series(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "in", slices=6)
    with receiving(tmp_path / "home") as taker:
        send(taker.port, *paths[:4])
        (first,) = taker.intents()
        until_done(taker)
        send(taker.port, *paths[4:])
        first, second = taker.intents(2)
        assert (second.version, second.supersedes) == (2, first.id)
        assert len(taker.staged(first)) == 4
        assert instances(taker, second) == {pydicom.dcmread(path).SOPInstanceUID for path in paths}


def instances(taker: Receiving, intent: Any) -> set[str]:
    return {pydicom.dcmread(path).SOPInstanceUID for path in taker.staged(intent)}


def test_the_same_sent_again_makes_nothing_new_and_a_corrected_slice_replaces_its_own(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "in")
    with receiving(tmp_path / "home") as taker:
        send(taker.port, *paths, *paths)
        taker.intents()
        until_done(taker)
        assert [one.Status for one in send(taker.port, *paths)] == [0] * 4
        time.sleep(1.0)
        assert len(taker.intents()) == 1
        dicom.edit(paths[2], SeriesDescription="CORRECTED")
        send(taker.port, paths[2])
        _, second = taker.intents(2)
        staged = [pydicom.dcmread(path) for path in taker.staged(second)]
        assert len(staged) == 4
        assert [one.get("SeriesDescription") for one in staged].count("CORRECTED") == 1


def test_two_different_instances_of_one_uid_are_both_handed_over(tmp_path: Path) -> None:
    """Which one is right nobody knows here; the intake refuses the series by name."""
    paths = write_series(tmp_path / "in")
    with receiving(tmp_path / "home") as taker:
        send(taker.port, *paths)
        dicom.brighter(paths[1])
        send(taker.port, paths[1])
        (intent,) = taker.intents()
        assert len(taker.staged(intent)) == 5 and len(instances(taker, intent)) == 4


def test_one_series_for_two_titles_becomes_a_job_for_each(tmp_path: Path) -> None:
    with receiving(tmp_path / "home", entries=[ENTRY, {**ENTRY, "title": "SECOND"}]) as taker:
        paths = write_series(tmp_path / "in")
        send(taker.port, *paths)
        send(taker.port, *paths, called="SECOND")
        assert [one.version for one in taker.intents(2)] == [1, 1]


def test_rules_choose_among_the_series_of_a_study(tmp_path: Path) -> None:
    rules = [{"name": "most slices", "when": {}, "best": 1, "by": ["-slices"]}]
    entry = {**ENTRY, "unit": "study", "choose": rules}
    with receiving(tmp_path / "home", entries=[entry]) as taker:
        few = write_series(tmp_path / "few", 1, slices=4)
        send(taker.port, *few, *write_series(tmp_path / "many", 2, slices=9))
        (intent,) = taker.intents()
        assert len(taker.staged(intent)) == 9
        end = time.monotonic() + 60
        while sorted(one.state for one in taker.pacs.received.list()) != ["done", "left out"]:
            assert time.monotonic() < end
            time.sleep(0.05)
        (left,) = [one for one in taker.pacs.received.list() if one.state == "left out"]
        assert left.series == "1.2.826.77.1" and left.note
        # One that comes later and is worse is judged beside those that are here.
        send(taker.port, *write_series(tmp_path / "late", 3, slices=5))
        end = time.monotonic() + 60
        while len([one for one in taker.pacs.received.list() if one.state == "left out"]) < 2:
            assert time.monotonic() < end
            time.sleep(0.05)
        assert len(taker.intents()) == 1


def test_an_open_association_holds_its_series_back(tmp_path: Path) -> None:
    (first, second, *_) = paths = write_series(tmp_path / "in")
    with receiving(tmp_path / "home", entries=[{**ENTRY, "quiet_seconds": 0.2}]) as taker:
        association = associate(taker.port, paths=paths)
        association.send_c_store(first)
        time.sleep(1.0)
        assert not list(taker.home.incoming.iterdir())
        association.send_c_store(second)
        association.release()
        (intent,) = taker.intents()
        assert len(taker.staged(intent)) == 2


def test_images_are_forgotten_after_the_grace_and_late_slices_stand_alone(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "in", slices=6)
    with receiving(tmp_path / "home") as taker:
        send(taker.port, *paths[:4])
        taker.intents()
        until_done(taker)
        taker.receiver.spool.expire(3600)
        assert len(taker.noted()) == 4
        taker.receiver.spool.expire(0)
        assert not taker.noted()
        send(taker.port, *paths[4:])
        first, second = taker.intents(2)
        assert second.version == 2 and len(taker.staged(second)) == 2
        assert second.supersedes is None, "a part supersedes nothing"
        assert [one["code"] for one in second.warnings] == ["dicom.earlier_images_gone"]
        assert not first.warnings
        until_done(taker)
        send(taker.port, *write_series(tmp_path / "more", slices=8)[6:])
        *_, third = taker.intents(3)
        assert (third.version, third.supersedes, len(taker.staged(third))) == (3, second.id, 4)
        assert [one["code"] for one in third.warnings] == ["dicom.earlier_images_gone"]


def test_a_series_that_cannot_be_handed_over_holds_no_other_up(
    tmp_path: Path, monkeypatch: Any, caplog: Any
) -> None:
    real = completion.Completion._hand_over

    def poisoned(self: Any, store: Any, entry: Any, pending: Any, members: Any) -> None:
        if pending[0].note.origin.series == "1.2.826.77.1":
            raise KeyError("Mustermann")
        real(self, store, entry, pending, members)

    monkeypatch.setattr(completion.Completion, "_hand_over", poisoned)
    closes = series_folder.SeriesFolder.close

    def stuck(self: Any) -> None:
        if self.note.origin.series == "1.2.826.77.2":
            raise RuntimeError("Mustermann")
        closes(self)

    monkeypatch.setattr(series_folder.SeriesFolder, "close", stuck)
    with receiving(tmp_path / "home") as taker:
        for number in (1, 2, 3):
            send(taker.port, *write_series(tmp_path / str(number), number))
        (intent,) = taker.intents()
        assert {pydicom.dcmread(one).SeriesInstanceUID for one in taker.staged(intent)} == {"1.2.826.77.3"}
        end = time.monotonic() + 60
        while len(notes := {one.note for one in taker.pacs.received.list()} - {""}) < 2:
            assert time.monotonic() < end
            time.sleep(0.05)
        assert sorted(one.partition(" in ")[0] for one in notes) == ["KeyError", "RuntimeError"]
    assert "Mustermann" not in caplog.text


def test_the_longest_time_goes_on_over_a_start(tmp_path: Path) -> None:
    entry = {**ENTRY, "quiet_seconds": 3600, "at_most_minutes": 90}
    with receiving(tmp_path / "home", entries=[entry]) as taker:
        send(taker.port, *write_series(tmp_path / "in"))
        oldest = taker.noted()[0]
    an_hour_and_a_half_ago = time.time() - 91 * 60
    os.utime(oldest, (an_hour_and_a_half_ago, an_hour_and_a_half_ago))
    with receiving(tmp_path / "home", entries=[entry]) as taker:
        (intent,) = taker.intents()
        assert len(taker.staged(intent)) == 4


def test_a_full_disk_at_the_hand_over_loses_nothing(tmp_path: Path, monkeypatch: Any) -> None:
    from AutoSegPipelineLib.core.errors import PipelineError
    from AutoSegPipelineLib.intake.received import handover

    def full(*_: Any) -> None:
        raise PipelineError("environment.disk_full", "no room")

    free = handover.check_free
    monkeypatch.setattr(handover, "check_free", full)
    monkeypatch.setattr(completion, "RETRY_SECONDS", 0.3)
    with receiving(tmp_path / "home") as taker:
        send(taker.port, *write_series(tmp_path / "in"))
        assert until_done(taker, "waiting").note == "no room"
        monkeypatch.setattr(handover, "check_free", free)
        (intent,) = taker.intents()
        assert len(taker.staged(intent)) == 4
        assert until_done(taker).note == ""


def test_names_are_synced_with_the_folder_where_files_do_not_do_it(tmp_path: Path, monkeypatch: Any) -> None:
    from AutoSegPipelineLib.dicom.receive import spool

    synced: list[str] = []
    real = series_folder.fsync_folder
    monkeypatch.setattr(series_folder, "fsync_folder", lambda path: (synced.append(path.name), real(path)))
    for alone, wanted in ((True, 0), (False, 4)):
        monkeypatch.setattr(spool, "syncs_names", lambda _, alone=alone: alone)
        with receiving(tmp_path / f"home-{alone}", entries=[{**ENTRY, "quiet_seconds": 30}]) as taker:
            send(taker.port, *write_series(tmp_path / "in"))
            assert len(taker.noted()) == 4
        assert synced.count("open") == wanted
