"""The intake child as the pipeline runs it: a process, lines, tasks, and files that survive."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.protocol import unpack
from AutoSegPipelineLib.intake import durable_copy
from AutoSegPipelineLib.intake.durable_copy import copy_file
from support import MODULE
from support.intake import nifti_bytes

LIBRARY = MODULE


class Child:
    """A real child with one question at a time."""

    def __init__(self, tmp: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(LIBRARY), "TMPDIR": str(tmp)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "AutoSegPipelineLib.intake.child"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment,
        )  # fmt: skip
        self.hello = self.read()

    def read(self) -> dict:
        return json.loads(self.process.stdout.readline())

    def ask(self, task: str, **args) -> dict:
        line = {"v": 1, "type": "task", "job": "7", "attempt": 2, "task": task, "args": args}
        self.process.stdin.write(json.dumps(line).encode() + b"\n")
        self.process.stdin.flush()
        while True:
            message = self.read()
            if message["type"] in ("done", "failed"):
                assert (message["job"], message["attempt"]) == ("7", 2)
                return message


@pytest.fixture
def child(tmp_path):
    (tmp_path / "tmp").mkdir()
    child = Child(tmp_path / "tmp")
    yield child
    # Its input closes without `quit`: the pipeline is gone, so it ends itself with its whole group.
    child.process.stdin.close()
    assert child.process.wait(60) in (0, -9)
    child.process.stdout.close()


def test_the_child_answers_every_task_and_ends_with_its_input(child, tmp_path):
    assert child.hello["type"] == "hello" and child.hello["pid"] == child.process.pid
    (tmp_path / "input").mkdir()
    scan = tmp_path / "input" / "a.nii"
    scan.write_bytes(nifti_bytes())
    digest = hashlib.sha256(nifti_bytes()).hexdigest()
    answer = child.ask("hash", path=str(scan))
    assert answer["result"] == {"sha256": digest, "size": scan.stat().st_size}
    answer = child.ask("examine", paths=[str(scan), str(tmp_path / "none")])
    assert [row["state"] for row in answer["result"]["files"]] == ["complete", "gone"]
    answer = child.ask("copy", pairs=[[str(scan), str(tmp_path / "deep" / "b.nii")]])
    assert answer["result"]["files"][0]["sha256"] == digest
    assert (tmp_path / "deep" / "b.nii").read_bytes() == nifti_bytes()
    answer = child.ask("inspect", folder=str(tmp_path / "input"), work=str(tmp_path / "work"), options={})
    assert unpack("result", answer)["cases"][0]["stem"] == "a"


def test_what_cannot_be_done_is_an_error_with_a_code_and_the_child_lives_on(child, tmp_path):
    answer = child.ask("hash", path=str(tmp_path / "none"))
    assert answer["type"] == "failed" and answer["error"]["code"] == "input.missing"
    assert child.ask("dance")["error"]["code"] == "request.invalid"
    assert child.ask("inspect", folder=str(tmp_path))["error"]["code"] == "request.invalid"  # no work folder
    assert child.ask("hash", path=__file__)["type"] == "done"


def test_an_answer_longer_than_a_line_comes_in_a_file(child, tmp_path):
    answer = child.ask("examine", paths=[str(tmp_path / f"none{n:05d}") for n in range(500)])
    assert "result_file" in answer
    assert len(unpack("result", answer)["files"]) == 500


def test_stems_come_from_the_intent_beside_the_staged_folder(tmp_path):
    from AutoSegPipelineLib.core.incoming import Intent, IntentFile
    from support.intake import look

    folder = tmp_path / "job" / "input"
    folder.mkdir(parents=True)
    (folder / "000001.nii").write_bytes(nifti_bytes())
    intent = Intent(files=[IntentFile("000001.nii", "/home/x/ward 7/ct.nii", "ward 7/ct.nii")])
    (tmp_path / "job" / "intent.json").write_text(json.dumps(intent.to_dict()))
    (case,) = look(folder, tmp_path / "work")["cases"]
    assert (case["stem"], case["label"], case["files"]) == ("ward 7_ct", "ward 7/ct.nii", ["000001.nii"])


def test_a_source_that_changes_while_it_is_copied_is_not_taken(tmp_path, monkeypatch):
    source, target = tmp_path / "a.nii", tmp_path / "b.nii"
    source.write_bytes(bytes(3 << 20))
    calls = []

    def grows() -> None:
        calls.append(1)
        if len(calls) == 2:
            with open(source, "ab") as stream:
                stream.write(b"more")

    with pytest.raises(PipelineError) as caught:
        copy_file(str(source), str(target), grows)
    assert caught.value.code == "input.changed"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.nii"]


def test_a_full_disk_waits_and_leaves_nothing_behind(tmp_path, monkeypatch):
    (tmp_path / "a.nii").write_bytes(nifti_bytes())

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(durable_copy.os, "fsync", full)
    with pytest.raises(PipelineError) as caught:
        copy_file(str(tmp_path / "a.nii"), str(tmp_path / "b.nii"))
    assert caught.value.code == "environment.disk_full"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.nii"]


def test_copying_again_after_a_crash_replaces_what_was_left(tmp_path):
    (tmp_path / "a.nii").write_bytes(nifti_bytes())
    (tmp_path / "b.nii.part").write_bytes(b"left over" * 10000)
    (tmp_path / "b.nii").write_bytes(b"older")
    copy_file(str(tmp_path / "a.nii"), str(tmp_path / "b.nii"))
    assert (tmp_path / "b.nii").read_bytes() == nifti_bytes()
    assert not (tmp_path / "b.nii.part").exists()
