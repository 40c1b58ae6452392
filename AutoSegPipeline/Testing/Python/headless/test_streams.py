"""What a command says reaches its reader, or its exit code tells; Python buffers it as for a person."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support.headless import COMMAND, clean_environment

FULL = Path("/dev/full")


def test_a_reader_that_is_gone_is_exit_code_1_without_a_word(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "--home", str(tmp_path / "home"), "--help"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment(),
    )  # fmt: skip
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait(60) == 1


@pytest.mark.skipif(not FULL.exists(), reason="only Linux and BSD have a device that is always full")
@pytest.mark.parametrize("more", ["--json", "--help"])
def test_a_full_disk_below_the_output_is_said(tmp_path: Path, more: str) -> None:
    with FULL.open("wb") as full:
        done = subprocess.run(
            [*COMMAND, "--home", str(tmp_path / "home"), "list", more],
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            env=clean_environment(),
            timeout=60,
        )
    said = done.stderr.decode()
    assert done.returncode == 1
    assert "not everything could be written" in said and "environment.disk_full" in said
    assert "Traceback" not in said and "Exception ignored" not in said
