"""Bytes on their way to the disk: each once, checked, and the disk is left with room."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.web.uploads.admission import Limits
from AutoSegPipelineLib.web.uploads.file_writer import BLOCK, FileWriter

LIMITS = Limits(upload_bytes=1 << 30, files=10, quota_bytes=1 << 30, min_free_bytes=0, expire_seconds=60)


def written(path: Path, pieces: list[bytes], limits: Limits = LIMITS, **how: Any) -> Any:
    """What a sink says of bytes that came in these pieces."""

    async def work() -> Any:
        with ThreadPoolExecutor(2) as pool:
            sink = FileWriter(pool, path, limits, **how)
            try:
                for piece in pieces:
                    await sink.write(piece)
                return await sink.finish(durable=True)
            finally:
                await sink.abandon()

    return asyncio.run(work())


def test_a_sink_writes_every_byte_once_and_knows_the_checksum(tmp_path: Path) -> None:
    data = os.urandom(5 << 20)
    pieces = [data[start : start + 70_001] for start in range(0, len(data), 70_001)]
    found = written(tmp_path / "f", pieces)
    assert (tmp_path / "f").read_bytes() == data
    assert (found.size, found.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    written(tmp_path / "f", [b"tail"], start=10)
    assert (tmp_path / "f").read_bytes() == data[:10] + b"tail", "what lay behind is gone"
    assert written(tmp_path / "empty", []).size == 0 and (tmp_path / "empty").exists()


def test_the_disk_is_left_with_room_while_bytes_come(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    with pytest.raises(PipelineError) as raised:
        written(tmp_path / "f", [b"x" * BLOCK] * 3, replace(LIMITS, min_free_bytes=free + (1 << 40)))
    assert (raised.value.code, raised.value.data["status"]) == ("environment.disk_full", 507)
    with pytest.raises(PipelineError):
        replace(LIMITS, min_free_bytes=free // 2).check_disk(tmp_path, free)


def test_a_disk_that_is_full_all_the_same_is_the_same_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("AutoSegPipelineLib.web.uploads.file_writer.os.write", full)
    with pytest.raises(PipelineError) as raised:
        written(tmp_path / "f", [b"x" * BLOCK] * 3)
    assert raised.value.code == "environment.disk_full"
