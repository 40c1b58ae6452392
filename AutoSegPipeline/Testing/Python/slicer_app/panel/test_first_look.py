"""What a first user needs: states in words and colour, dropping, sending the volume shown, the PACS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Iterator

import pytest
from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.core.job import Job
from AutoSegPipelineLib.core.lock import HomeLock
from AutoSegPipelineLib.core.pacs.config import FILE
from AutoSegPipelineLib.core.pacs.store import PacsStore
from AutoSegPipelineLib.core.store import Store
from AutoSegPipelineLib.runtime import qt
from AutoSegPipelineLib.slicer_app.panel.state_looks import LOOKS, word
from support.panel import Place, places, text


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    yield from places(tmp_path)


def test_every_state_has_a_word_a_colour_and_an_icon(place: Place) -> None:
    assert set(LOOKS) == set(states.ALL)
    place.ui.jobsTable.setMinimumHeight(700)
    home = place.session.home
    home.create()
    other = HomeLock(home.lock)  # another process writes
    other.acquire("another program")
    store = Store(home.store)
    for state in states.ALL:
        store.jobs.add(Job(label=f"in {state}", state=state))
    place.until(lambda: len(place.panel.feed.jobs) == len(states.ALL))
    table = place.ui.jobsTable
    place.until(lambda: all(table.item(row, 1) is not None for row in range(table.rowCount())))
    shown = {table.item(row, 0).text(): table.item(row, 1) for row in range(table.rowCount())}
    for state in states.ALL:
        item = shown[f"in {state}"]
        assert item.text() == word(state) and not item.icon().isNull(), state
        assert item.foreground().color().name() in (LOOKS[state].on_light, LOOKS[state].on_dark), state
    assert shown["in done"].foreground() != shown["in failed"].foreground()
    store.close()
    other.release()


def test_the_panel_fits_a_dock_of_450_pixels_with_every_section_open(place: Place) -> None:
    beside = 40  # the scroll bar and the margins of Slicer's own panel
    assert place.panel.widget.minimumSizeHint().width() <= 450 - beside


def contrast(one: str, other: str) -> float:
    """WCAG's contrast of two colours #rrggbb."""

    def light(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    bright, dark = sorted((light(one), light(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("state", states.ALL)
def test_the_words_can_be_read_on_light_and_on_dark(state: str) -> None:
    for background in ("#ffffff", "#eff0f1"):  # rows take turns
        assert contrast(LOOKS[state].on_light, background) >= 4.5
    for background in ("#232629", "#31363b"):
        assert contrast(LOOKS[state].on_dark, background) >= 4.5


def test_the_reason_of_a_refusal_stands_below_the_table_with_what_to_do(place: Place) -> None:
    bad = place.folder / "bad.nii.gz"
    bad.write_bytes(b"no scan at all" * 100)
    place.host.files = [str(bad)]
    place.ui.addFilesButton.click()
    place.until_state("bad.nii.gz", "refused")
    place.select("bad.nii.gz")
    place.until(lambda: "bad.nii.gz" in text(place.ui.jobMessageLabel))
    assert "Give NIfTI, NRRD" in text(place.ui.jobMessageLabel)
    assert place.ui.jobMessageLabel.isVisibleTo(place.panel.widget)
    place.ui.jobsTable.clearSelection()
    assert not place.ui.jobMessageLabel.isVisibleTo(place.panel.widget)


def drop(place: Place, data: object) -> bool:
    """Drag ``data`` over the table and let it fall; whether it was taken."""
    everything = qt.everything()
    viewport = place.ui.jobsTable.viewport()
    point = everything.QPoint(20, 20)
    copy = everything.Qt.DropAction.CopyAction
    left, none = everything.Qt.MouseButton.LeftButton, everything.Qt.KeyboardModifier.NoModifier
    taken = True
    for kind in (everything.QDragEnterEvent, everything.QDragMoveEvent):
        event = kind(point, copy, data, left, none)
        everything.QApplication.sendEvent(viewport, event)
        taken = taken and event.isAccepted()
    if taken:
        event = everything.QDropEvent(everything.QPointF(point), copy, data, left, none)
        everything.QApplication.sendEvent(viewport, event)
    return taken


def test_files_folders_and_volumes_that_are_dropped_on_the_table_become_jobs(place: Place) -> None:
    everything = qt.everything()
    scan = place.scan("a.nii.gz")
    study = place.folder / "study"
    study.mkdir()
    place.scan("b.nii.gz", 1).rename(study / "b.nii.gz")
    files = everything.QMimeData()
    files.setUrls([everything.QUrl.fromLocalFile(str(path)) for path in (scan, study)])
    assert drop(place, files)
    place.host.volume = place.scan("node.nii.gz", 2)
    volume = everything.QMimeData()
    volume.setData("application/x-volume", b"1")
    assert drop(place, volume)
    place.until(lambda: len(place.rows()) == 3)
    assert {name.rpartition("/")[2] for name, _ in place.rows()} == {"a.nii.gz", "study", "node.nii.gz"}
    words = everything.QMimeData()
    words.setText("only words")
    assert not drop(place, words)
    address = everything.QMimeData()
    address.setUrls([everything.QUrl("https://example.org/scan.nii.gz")])
    assert not drop(place, address), "nothing is fetched"


def test_the_volume_that_is_shown_is_sent_by_a_button(place: Place) -> None:
    place.ui.sendVolumeButton.click()
    assert "no volume is shown" in text(place.ui.noticeLabel)
    place.host.volume = place.scan("node.nii.gz")
    place.ui.sendVolumeButton.click()
    assert text(place.ui.noticeLabel) == ""
    place.until_state("node.nii.gz", "done")


def test_the_host_prepares_each_start(place: Place) -> None:
    place.host.prepared = True
    place.session.start()
    assert place.host.asked == [("prepare",)]


def test_the_pacs_is_switched_on_and_its_state_is_shown(place: Place) -> None:
    ui, session = place.ui, place.session
    ui.pacsFileButton.click()
    path = session.home.root / FILE
    assert place.host.asked == [("open", path)] and json.loads(path.read_text(encoding="utf-8")) == {}
    path.write_text('{"peers": {"archive": {"titel": "A"}}}', encoding="utf-8")
    ui.pacsCheck.click()
    assert place.written() == {"dicom": True}
    place.until(lambda: "did you mean 'title'" in text(ui.pacsLabel), 60)
    peers = {"archive": {"title": "A", "host": "127.0.0.1", "port": 1}}
    path.write_text(json.dumps({"receiver": {"port": 0}, "peers": peers}), encoding="utf-8")
    session.start()
    place.until(lambda: "archive does not answer" in text(ui.pacsLabel), 60)
    store = PacsStore.of(session.home)
    store.refusals.note("CT9", "AUTOSEG", "10.0.0.9", "", "unknown caller")
    store.close()
    place.until(lambda: '{"title": "CT9", "address": "10.0.0.9"}' in text(ui.pacsLabel), 60)
    ui.pacsCheck.click()
    place.until(lambda: text(ui.pacsLabel) == "", 60)


def test_without_its_packages_the_pacs_stays_off_and_says_where_they_come_from(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(place.host), "own_packages_needed", True)
    place.ui.pacsCheck.click()
    assert "Installed and downloaded" in text(place.ui.noticeLabel)
    assert not place.ui.pacsCheck.isChecked() and "dicom" not in place.written()
