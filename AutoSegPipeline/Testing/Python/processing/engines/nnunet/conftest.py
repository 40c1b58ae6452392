"""Every tiny model, made once for all tests of this folder."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Iterator

import pytest
from support import tiny_models
from support.own_models import Models
from support.tiny_totalsegmentator import PYTHON, QUIET


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """nnU-Net's folder of results with every kind."""
    folder = tmp_path_factory.mktemp("results")
    script = Path(tiny_models.__file__)
    subprocess.run([PYTHON, str(script), str(folder)], check=True, env={**os.environ, **QUIET}, timeout=120)
    return folder


@pytest.fixture(scope="module")
def ask_models() -> Iterator[Models]:
    """What adds and checks models."""
    models = Models()
    yield models
    models.close()
