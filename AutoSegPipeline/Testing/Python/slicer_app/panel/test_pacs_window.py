"""Find in the PACS from Slicer's panel: a real archive, the real dicom process, jobs in the table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Iterator

import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.pacs.config import FILE
from AutoSegPipelineLib.core.pacs.query import FoundStudy
from AutoSegPipelineLib.core.pacs.store import PacsStore
from AutoSegPipelineLib.processing.phantom import torso, write_dicom_series
from support.orthanc import orthanc
from support.panel import Place, places, text


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    yield from places(tmp_path)


def test_a_study_is_found_and_fetched_and_becomes_a_job(place: Place) -> None:
    ui, session = place.ui, place.session
    ui.pacsFindButton.click()
    assert "names no peers" in text(ui.noticeLabel)
    with orthanc(place.folder / "orthanc") as server:
        volume = torso(shape=(40, 36, 24), spacing=(10.0, 9.0, 10.0)).volume
        patient = {"PatientID": "P7", "PatientName": "Roe^Jane"}
        server.add(*write_dicom_series(volume, place.folder / "series", **patient))
        peers = {
            "archive": {"title": server.title, "host": "127.0.0.1", "port": server.port},
            "gone": {"title": "GONE", "host": "127.0.0.1", "port": 1},
        }
        session.home.create()
        (session.home.root / FILE).write_text(json.dumps({"receiver": {"port": 0}, "peers": peers}))
        session.change(dicom=True, engine="tissue", formats=["seg"])
        ui.pacsFindButton.click()
        window = place.panel.pacs.window
        window.edits["name"].setText("Roe*")
        window.search_button.click()
        assert "not running" in text(window.label)
        session.start()
        place.until(lambda: "archive: answers" in text(ui.pacsLabel), 40)

        window.edits["name"].setText("*")
        window.search_button.click()
        assert "not only by wildcards" in text(window.label)
        window.edits["name"].setText("Roe*")
        window.fetch_button.click()
        assert "no study is selected" in text(window.label)
        window.search_button.click()
        place.until(lambda: text(window.label) == "1 studies")
        assert [window.table.item(0, column).text() for column in (1, 2, 5)] == ["P7", "Roe Jane", "24"]
        window.table.selectRow(0)
        window.fetch_button.click()
        place.until(lambda: "is in the queue" in text(window.label))
        place.until(lambda: any(state == "done" for _, state in place.rows()), 90)
        assert all("Roe" not in label and "P7" not in label for label, _ in place.rows())

        window.peer.setCurrentIndex(1)
        window.search_button.click()
        place.until(lambda: "gone" in text(window.label) and "Asking" not in text(window.label))
        window.dialog.close()


def test_what_failed_for_one_of_several_studies_stays_in_view(place: Place) -> None:
    ui, session = place.ui, place.session
    session.home.create()
    peers = {"archive": {"title": "ARCHIVE", "host": "127.0.0.1", "port": 1}}
    (session.home.root / FILE).write_text(json.dumps({"receiver": {"port": 0}, "peers": peers}))
    session.change(engine="tissue")  # no dicom process: the answers are written here
    session.start()
    place.until(lambda: session.state == "running")
    ui.pacsFindButton.click()
    window = place.panel.pacs.window
    window._show([FoundStudy(f"1.2.{day}", date=f"2026110{day}", modalities=("CT",)) for day in (1, 2)])
    window.table.selectAll()
    window.fetch_button.click()
    store = PacsStore.of(session.home)
    try:
        one, two = store.asks.open()
        error = PipelineError("pacs.unknown_peer", "archive is no peer any more")
        store.asks.answer(one.id, {"error": error.to_dict()})
        store.asks.answer(two.id, {"ok": True, "fetch": 7})
    finally:
        store.close()
    place.until(lambda: "Fetch 7 is in the queue" in text(window.label))
    assert "CT 2026-11-01: archive is no peer any more" in text(window.label)
    window.table.clearSelection()
    window.fetch_button.click()
    assert "no peer any more" not in text(window.label) and "no study is selected" in text(window.label)
    window.dialog.close()
