"""Declared programs for the tests of this room."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from AutoSegPipelineLib.processing.engines import engines
from AutoSegPipelineLib.processing.phantom import write_nifti
from AutoSegPipelineLib.processing.volume import Volume, read_volume
from support import FOLDER, MODULE

PROGRAM = str(FOLDER / "program.py")


class Programs:
    """An ``engines.json`` in ``folder`` that this process was given."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "engines.json"
        self.folder = folder
        self.note = folder / "note"  # what a program writes down
        self._declared: dict[str, object] = {}

    def command(self, mode: str, *words: str) -> list[str]:
        return [sys.executable, PROGRAM, str(MODULE), mode, "{input}", "{output}", *words]

    def declare(self, mode: str, *words: str, name: str = "bright", **more: object):
        """The engine ``name`` that runs the program in this mode."""
        self._declared[name] = {"command": self.command(mode, *words), **more}
        self.write(self._declared)
        return engines()[name]

    def write(self, document: object) -> None:
        self.file.write_text(
            document if isinstance(document, str) else json.dumps(document), encoding="utf-8"
        )


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(work))
    found = Programs(tmp_path)
    monkeypatch.setenv("AUTOSEG_ENGINES_FILE", str(found.file))
    return found


@pytest.fixture(scope="session")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Volume:
    """A small oblique CT with two values, written and read again."""
    import numpy as np
    from support.processing import DIRECTIONS, grid

    on = grid((14, 12, 10), DIRECTIONS["oblique left-handed"], (1.5, 2.0, 2.5))
    array = np.full(on.array_shape, -200, np.int16)
    array[2:7, 4:9, 3:10] = 300
    array[3:5, 5:8, 4:6] = 900
    path = tmp_path_factory.mktemp("scan") / "scan.nii.gz"
    return read_volume(write_nifti(Volume(array, on, "CT"), path), modality="CT")
