"""What may stand in engines.json, and what is said of each mistake."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from AutoSegPipelineLib.core.errors import EngineFailed, PipelineError
from AutoSegPipelineLib.processing.engines import choose, engines
from AutoSegPipelineLib.processing.engines.command.declaration import declaration
from AutoSegPipelineLib.processing.engines.command.declared_file import read_declared
from AutoSegPipelineLib.processing.engines.command.placeholders import fill

GOOD = {"command": ["segment", "{input}", "{output}"]}


def test_placeholders_are_arguments_and_never_a_shells_words():
    values = {"input": ("/a b/$(x).nii",), "device": ("--device", "cuda"), "quality": (), "run": ("r",)}
    words = ["{input}", "--out={run}; rm -rf", "{device}", "{quality}", "{{literal}}"]
    assert fill(words, values) == [
        "/a b/$(x).nii", "--out=r; rm -rf", "--device", "cuda", "{literal}"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "command is missing"),
        ({"command": "segment {input}"}, "not a list of words"),
        ({"command": ["segment", "{output}"]}, "not given the scan"),
        ({"command": ["segment", "{inptu}"]}, "{inptu} is no placeholder"),
        ({**GOOD, "shell": True}, "no field 'shell'"),
        ({**GOOD, "licens": "MIT"}, "did you mean 'licence'"),
        ({**GOOD, "writes": "label"}, "did you mean 'labels'"),
        ({**GOOD, "modality": "XR"}, "none of CT, MR, PT"),
        ({**GOOD, "output": "../../etc/passwd"}, "no place in the case's folder"),
        ({**GOOD, "output": "/etc/passwd"}, "no place in the case's folder"),
        ({**GOOD, "input": "in/scan.png"}, "no place of a scan"),
        (
            {**GOOD, "writes": "masks", "names": {"left.nii.gz": {"name": "lung"}}},
            'left.nii.gz: {"name": "lung"} is not the name of a structure',
        ),
        ({**GOOD, "names": "nowhere.csv"}, "nowhere.csv is not there"),
        ({**GOOD, "progress": "(\\d+"}, "not a regular expression"),
        ({**GOOD, "progress": "\\d+%"}, "needs the group percent"),
        ({**GOOD, "time_limit_minutes": 0}, "time_limit_minutes: 0 is not a number above 0"),
        ({**GOOD, "time_limit_minutes": "5"}, "is not a number"),
        ({**GOOD, "device": {"cpu": "c"}}, "{device} stands nowhere"),
        ({"command": ["x", "{input}", "-d={device}"], "device": {"cpu": []}}, "as a word of its own"),
        ({"command": ["x", "{input}", "{quality}"], "quality": {"best": "1"}}, "'best' is none of normal"),
        ({**GOOD, "version": ["x", "{device}"]}, "{device} has no meaning here"),
        ({**GOOD, "environment": {"A B": "1"}}, "cannot be the name of a variable"),
        (["segment"], "not an object"),
    ],
)  # fmt: skip
def test_each_mistake_is_named_with_its_engine_and_field(given, said, tmp_path: Path):
    with pytest.raises(PipelineError) as caught:
        declaration("mine", given, tmp_path)
    assert caught.value.code == "engine.declaration_invalid"
    assert "mine" in caught.value.message and said in caught.value.message


@pytest.mark.parametrize("name", ["tissue", "auto", "nnunet:x", "A", "", "../x", "a,b", "x" * 41])
def test_a_name_that_means_something_else_is_refused(name, tmp_path: Path):
    with pytest.raises(PipelineError) as caught:
        declaration(name, GOOD, tmp_path)
    assert caught.value.code == "engine.declaration_invalid"


def test_one_mistake_hides_no_other_program(programs):
    programs.write({"good": {"command": [sys.executable, "{input}"]}, "bad": {"command": []}})
    found = engines()
    assert found["good"].check().ok
    assert not found["bad"].check().ok and "not a list of words" in found["bad"].check().note
    with pytest.raises(EngineFailed) as caught:
        choose("bad", "CT")
    assert caught.value.code == "engine.not_available" and "not a list of words" in caught.value.message
    assert choose("tissue", "CT").name == "tissue"


@pytest.mark.parametrize("text", ["{", "[]", '{"a": {}, "a": {}}'])
def test_a_file_that_cannot_be_read_declares_nothing_and_says_why(programs, text):
    programs.write(text)
    found = read_declared(programs.file)
    assert not found.engines and found.errors[""].code == "engine.declaration_invalid"
    assert str(programs.file) in found.errors[""].message
    assert "tissue" in engines()


def test_an_absent_file_is_no_mistake(tmp_path: Path):
    found = read_declared(tmp_path / "engines.json")
    assert (found.engines, found.errors) == ([], {})


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no owners and modes of POSIX")
@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_group_may_write_only_if_it_is_the_users_own(programs, what, monkeypatch):
    import grp
    import pwd

    programs.declare("good")
    os.chmod(programs.file if what == "file" else programs.folder, 0o770)
    owner = pwd.getpwuid(os.geteuid()).pw_name
    for name, members, may in ((owner, [], True), (owner, ["eve"], False), ("staff", [], False)):
        group = grp.struct_group((name, "x", os.getegid(), members))
        monkeypatch.setattr(grp, "getgrgid", lambda number, group=group: group)
        found = read_declared(programs.file)
        assert bool(found.engines) is may
        assert may or f"written by the group {os.getegid()}" in found.errors[""].message


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in folders")
def test_a_pipe_in_place_of_the_file_is_refused_at_once(tmp_path: Path):
    os.mkfifo(tmp_path / "engines.json", 0o600)
    error = read_declared(tmp_path / "engines.json").errors[""]
    assert "is no file of declarations" in error.message


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no owners and modes of POSIX")
def test_only_the_administrators_file_counts(programs, monkeypatch):
    programs.declare("good")
    os.chmod(programs.file, 0o666)
    found = read_declared(programs.file)
    assert not found.engines and "written by everybody" in found.errors[""].message
    os.chmod(programs.file, 0o600)
    assert read_declared(programs.file).engines
    os.chmod(programs.folder, 0o777)
    found = read_declared(programs.file)
    assert not found.engines and f"{programs.folder} can be written" in found.errors[""].message
    assert f"chmod go-w {programs.folder}" in found.errors[""].hint
    os.chmod(programs.folder, 0o1777)  # as /tmp: nobody replaces another's file
    assert read_declared(programs.file).engines
    os.chmod(programs.folder, 0o700)
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    if programs.file.stat().st_uid != 0:
        assert "another user" in read_declared(programs.file).errors[""].message


def test_a_changed_declaration_table_or_program_changes_the_hash(programs, tmp_path: Path):
    table = tmp_path / "names.csv"
    table.write_text("1,liver\n", encoding="utf-8")
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "model.bin").write_bytes(b"1")

    def now(**more: object) -> str:
        return str(programs.declare("good", names="names.csv", weights="weights", **more).weights_hash())

    first = now()
    assert now() == first
    assert now(licence="MIT") != first
    table.write_text("1,spleen\n", encoding="utf-8")
    second = now()
    assert second != first
    (weights / "model.bin").write_bytes(b"12")
    assert now() != second


def test_a_program_of_which_nothing_is_there_cannot_be_chosen(programs):
    programs.write({"gone": {"command": ["no-such-program-here", "{input}"]}})
    assert engines()["gone"].check().note == "the program no-such-program-here is not there"
    programs.write({"near": {"command": ["./program", "{input}"]}})
    assert "neither a complete path" in engines()["near"].check().note
    programs.declare("good", name="heavy", weights="missing.pth")
    check = engines()["heavy"].check()
    assert not check.ok and check.missing[0].endswith("missing.pth")


def test_the_version_is_asked_and_a_program_that_cannot_say_it_does_not_work(programs):
    ask = [sys.executable, "-c", "print('bright-tool, version 2.10.1rc1 (built today)')"]
    engine = programs.declare("good", version=ask)
    assert engine.version == f"2.10.1rc1+{engine.declared.fingerprint[:8]}"
    broken = programs.declare("good", version=[sys.executable, "-c", "raise SystemExit('no torch')"])
    assert not broken.check().ok and broken.check().note.endswith("exit code 1: no torch")
