"""Damaged zips and files that are none are refused by name, and nothing waits."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.processing.engines.networks.model_files import open_files
from AutoSegPipelineLib.processing.engines.nnunet import manage

CONTENT = bytes(range(256)) * 64


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_a_member_that_cannot_be_unpacked_is_refused(tmp_path: Path, method: int) -> None:
    path = tmp_path / "model.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("plans.json", CONTENT)
    data = bytearray(path.read_bytes())
    start = 30 + len("plans.json") + (9 if method == zipfile.ZIP_LZMA else 0)
    data[start : start + 40] = b"\xff" * 40
    path.write_bytes(data)
    files = open_files(path)
    for read in (
        lambda: files.read("plans.json", 1 << 20),
        lambda: files.copy("plans.json", tmp_path / "out"),
    ):
        with pytest.raises(PipelineError) as caught:
            read()
        assert caught.value.code == "model.invalid" and "model.zip" in caught.value.message


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes in folders")
def test_a_pipe_in_a_folder_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "plans.json")
    files = open_files(tmp_path)
    for read in (
        lambda: files.read("plans.json", 1 << 20),
        lambda: files.copy("plans.json", tmp_path / "out"),
    ):
        with pytest.raises(PipelineError, match="is no file"):
            read()
    with pytest.raises(PipelineError, match="neither a folder nor a complete zip"):
        open_files(tmp_path / "plans.json")


def test_whatever_goes_wrong_there_is_an_answer(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    def broken(_: object) -> None:
        raise IndexError("pop from an empty stack")

    monkeypatch.setattr(manage, "answer", broken)
    assert manage.main(['{"do": "check"}']) in (0, 1)
    assert "IndexError: pop from an empty stack" in capsys.readouterr().out
