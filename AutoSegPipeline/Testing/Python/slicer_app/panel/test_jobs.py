"""Folders, watching, and the table of jobs with all its buttons, over a real pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Iterator

import pytest
from AutoSegPipelineLib.core.commands import TABLE, Command
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.runtime.commands import Commands, Outcome
from AutoSegPipelineLib.slicer_app.faults import SHOWN, Faults
from AutoSegPipelineLib.slicer_app.session import Session
from support.panel import Host, Place, places, text
from support.qt import run_for


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    yield from places(tmp_path)


def test_a_dropped_scan_is_told_processed_and_can_be_opened_loaded_repeated_and_removed(place: Place) -> None:
    ui, said = place.ui, set()
    place.session.change(settle_seconds=0.2, engine="tissue", formats=["seg"])
    ui.watchButton.click()
    place.until(lambda: place.session.state == "running")
    place.until(lambda: text(ui.watchButton) == "Stop watching")
    commands = place.session.autoseg.pipeline.commands
    commands.pause()  # else it may be queued and at work between two looks of the panel
    place.drop("chest.nii.gz")

    def reached(state: str) -> bool:
        said.add(text(ui.statusLabel))
        return ("chest.nii.gz", state) in place.rows() and "chest.nii.gz" in text(ui.statusLabel)

    place.until(lambda: reached("queued"))
    commands.resume()
    place.until(lambda: reached("done"))
    assert any("New file added: chest.nii.gz" in line for line in said), said
    assert any("Processing chest.nii.gz" in line for line in said), said
    assert any("1 in the queue" in line for line in said), said
    place.until(lambda: "Done: chest.nii.gz" in text(ui.statusLabel))
    assert ui.jobsTable.item(0, 0).text() == "chest.nii.gz" and ui.jobsTable.item(0, 2).text() == "100%"

    place.select("chest.nii.gz")
    (job,) = place.panel.jobs.table.selected
    ui.loadButton.click()
    ui.loadScanCheck.click()
    ui.loadButton.click()
    ui.openResultsButton.click()
    assert place.host.asked == [
        ("load", job.id, False), ("load", job.id, True), ("open", place.session.home.results),
    ]  # fmt: skip
    ui.logButton.click()
    log = place.panel.jobs._log.text.toPlainText()
    assert "segmenting" in log and "done" in log

    ui.watchButton.click()
    place.until(lambda: text(ui.watchButton) == "Start watching")
    assert not place.session.watching
    ui.retryButton.click()
    place.until(lambda: place.session.autoseg.job(job.id).attempt == 2)
    place.until(lambda: place.session.autoseg.job(job.id).ended)
    place.until_state("chest.nii.gz", "done")
    place.until(ui.goodButton.isEnabled)  # the buttons follow the table, which follows the job
    assert [one.id for one in place.panel.jobs.table.selected] == [job.id], "the selection follows the job"

    ui.goodButton.click()
    place.until(lambda: place.session.autoseg.job(job.id).review.get("mark") == "good")
    place.host.written = "liver complete"
    ui.remarkButton.click()
    place.until(lambda: "liver complete" in text(ui.jobMessageLabel))
    assert "Marked good" in text(ui.jobMessageLabel)
    ui.goodButton.click()
    place.until(lambda: place.session.autoseg.job(job.id).review["mark"] == "")
    assert place.session.autoseg.job(job.id).review["remark"] == "liver complete", "remarks stay"

    place.host.yes = False
    ui.removeButton.click()
    run_for(0.3)
    assert place.rows() == [("chest.nii.gz", "done")]
    place.host.yes = True
    ui.removeButton.click()
    place.until(lambda: place.rows() == [])
    assert list(place.session.home.results.glob("chest*")) == []
    ui.stopButton.click()
    place.until(lambda: place.session.state == "stopped")
    place.until(lambda: not ui.stopButton.isEnabled())


def test_added_files_and_folders_queue_up_can_be_reordered_and_cancelled(place: Place) -> None:
    ui, host = place.ui, place.host
    place.session.start()
    place.until(lambda: place.session.state == "running")
    place.session.autoseg.pipeline.commands.pause()
    host.files = [str(place.scan(f"{name}.nii.gz", seed)) for seed, name in enumerate("abc")]
    ui.addFilesButton.click()
    folder = place.folder / "study"
    folder.mkdir()
    place.scan("d.nii.gz", 3).rename(folder / "d.nii.gz")
    host.chosen = str(folder)
    ui.addFolderButton.click()
    place.until(lambda: sum(state == "queued" for _, state in place.rows()) == 4)
    assert "Paused: somebody asked for it" in text(ui.statusLabel)
    assert "4 in the queue" in text(ui.statusLabel)

    def order() -> list[str]:
        return [label for label, state in place.rows() if state == "queued"]

    first = order()

    def after(button: str, labels: list[str], wanted: list[str]) -> None:
        place.select(*labels)
        getattr(ui, button).click()
        place.until(lambda: order() == wanted, 60)

    a, b, c, d = first
    after("upButton", [c], [a, c, b, d])
    after("downButton", [a], [c, a, b, d])
    after("firstButton", [d], [d, c, a, b])
    after("upButton", [a, b], [d, a, b, c])
    after("downButton", [d, a], [b, d, a, c])
    place.select(d, a, c)
    ui.cancelButton.click()
    place.until(lambda: order() == [b], 60)
    assert {state for label, state in place.rows() if label != b} == {"cancelled"}


def test_the_buttons_ask_for_every_command_that_the_table_gives_to_the_panel(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: set[type] = set()
    perform = Commands.perform

    def noted(commands: Commands, command: Command, answer: Callable[[Outcome], None]) -> None:
        asked.add(type(command))
        perform(commands, command, answer)

    monkeypatch.setattr(Commands, "perform", noted)
    ui = place.ui
    place.session.start()
    place.until(lambda: place.session.state == "running")
    place.session.autoseg.pipeline.commands.pause()
    place.host.files = [str(place.scan(f"{name}.nii.gz", seed)) for seed, name in enumerate("ab")]
    ui.addFilesButton.click()
    place.until(lambda: sum(state == "queued" for _, state in place.rows()) == 2)
    second = place.rows()[1][0]
    for button, state in (
        ("up", "queued"),
        ("cancel", "cancelled"),
        ("retry", "queued"),
        ("cancel", "cancelled"),
    ):
        place.select(second)
        getattr(ui, f"{button}Button").click()
        place.until_state(second, state)
    place.until(lambda: not place.session.autoseg.pipeline.flow.intake.load)
    place.select(second)
    ui.goodButton.click()
    ui.removeButton.click()
    ui.watchButton.click()
    place.until(lambda: len(place.rows()) == 1 and place.session.watching)
    assert asked == {row for row in TABLE if row.panel}


def test_a_case_at_work_can_be_cancelled_in_the_middle(place: Place) -> None:
    place.host.files = [str(place.scan("large.nii.gz", size=2.0))]
    place.ui.addFilesButton.click()
    place.until_state("large.nii.gz", "segmenting")
    place.until(lambda: place.ui.jobsTable.cellWidget(0, 2) is not None)
    place.select("large.nii.gz")
    place.ui.cancelButton.click()
    place.until_state("large.nii.gz", "cancelled")
    assert place.ui.jobsTable.cellWidget(0, 2) is None
    assert "Cancelled: large.nii.gz" in text(place.ui.statusLabel)


def test_what_cannot_be_added_is_told_in_the_panel(place: Place) -> None:
    place.host.files = [str(place.folder / name) for name in ("gone.nii.gz", "lost.nii.gz")]
    place.ui.addFilesButton.click()
    place.until(lambda: "lost.nii.gz does not exist" in text(place.ui.noticeLabel))
    assert "gone.nii.gz does not exist" in text(place.ui.noticeLabel)
    place.host.files = [str(place.scan("here.nii.gz"))]
    place.ui.addFilesButton.click()
    place.until(lambda: ("here.nii.gz", "done") in place.rows())
    assert text(place.ui.noticeLabel) == "", "what was done about it is over"


def test_of_many_faults_the_newest_are_shown_and_the_others_counted() -> None:
    faults = Faults()
    for number in range(SHOWN + 2):
        shown = faults.add(PipelineError("input.missing", f"scan {number} does not exist"))
    lines = shown.message.splitlines()
    assert lines[0] == "2 more before:" and lines[1] == "scan 2 does not exist" and len(lines) == SHOWN + 1
    faults.clear()
    assert faults.add(PipelineError("input.missing", "one")).message == "one"


def test_folders_can_be_typed_chosen_opened_and_moved_while_it_runs(place: Place, tmp_path: Path) -> None:
    ui, session = place.ui, place.session
    ui.inboxEdit.setText(str(tmp_path / "in"))
    ui.inboxEdit.editingFinished.emit()
    place.host.chosen = str(tmp_path / "out")
    ui.resultsBrowseButton.click()
    assert (session.home.inbox, session.home.results) == (tmp_path / "in", tmp_path / "out")
    ui.resultsEdit.setText(str(tmp_path / "in" / "below"))
    ui.resultsEdit.editingFinished.emit()
    assert "lies inside" in text(ui.noticeLabel)
    assert session.home.results == tmp_path / "out" and text(ui.resultsEdit) == str(tmp_path / "out")
    ui.watchButton.click()
    place.until(lambda: session.state == "running")
    place.host.chosen = str(tmp_path / "in2")
    ui.inboxBrowseButton.click()
    place.until(lambda: session.home.inbox == tmp_path / "in2" and session.watching)
    for name in ("inbox", "results", "home"):
        getattr(ui, f"{name}OpenButton").click()
    assert [path for _, path in place.host.asked] == [tmp_path / "in2", tmp_path / "out", session.home.root]
    session.stop()
    ui.homeEdit.setText(str(tmp_path / "elsewhere"))
    ui.homeEdit.editingFinished.emit()
    assert session.home.root == tmp_path / "elsewhere"
    place.host.chosen = str(tmp_path / "third")
    ui.homeBrowseButton.click()
    assert session.home.root == tmp_path / "third"


def test_folders_and_the_start_with_slicer_are_remembered(tmp_path: Path) -> None:
    host = Host(tmp_path)
    Session(host).set_folders(home=tmp_path / "h", inbox=tmp_path / "i")
    again = Session(host)
    assert (again.home.root, again.home.inbox, again.home.results) == (
        tmp_path / "h", tmp_path / "i", tmp_path / "h" / "results",
    )  # fmt: skip
    assert set(host.notes) == {"home", "inbox", "results"}


def test_the_start_with_slicer_is_a_note_of_slicers(place: Place) -> None:
    place.ui.startWithSlicerCheck.click()
    assert place.host.notes == {"start_with_slicer": "yes"}
    place.ui.startWithSlicerCheck.click()
    assert place.host.notes == {"start_with_slicer": ""}


def test_unfinished_cases_of_an_earlier_program_go_on_when_the_panel_opens(place: Place) -> None:
    place.host.files = [str(place.scan("chest.nii.gz", size=3.0))]
    place.ui.addFilesButton.click()
    place.until_state("chest.nii.gz", "segmenting")
    place.session.stop()
    place.panel.tick()
    assert place.rows() == [("chest.nii.gz", "queued")]
    assert "The pipeline is not running" in text(place.ui.statusLabel)
    place.panel.go_on()
    place.until_state("chest.nii.gz", "done")
    assert not place.session.watching
