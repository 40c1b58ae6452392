"""What the tests of the launcher share."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Iterator

import pytest
import support.skeleton as support
from support.launcher import PROGRAM, tiny_environment, write_wheel

from launcher.environment import Environment

# The launcher asks for gigabytes before it installs; the wheels of these tests take none.
ROOMY = """
import shutil
_real = shutil.disk_usage
shutil.disk_usage = lambda path: _real(path)._replace(free=10**12)
"""


@pytest.fixture(scope="module", autouse=True)
def roomy_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A disk with room, for this process and every launcher that it starts, however full the real one is."""
    folder = tmp_path_factory.mktemp("roomy")
    (folder / "sitecustomize.py").write_text(ROOMY)
    real = shutil.disk_usage
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        patch.setattr("shutil.disk_usage", lambda path: real(path)._replace(free=10**12))
        yield


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two versions of one small package."""
    folder = tmp_path_factory.mktemp("wheels")
    write_wheel(folder, "1.0")
    write_wheel(folder, "2.0")
    return folder


@pytest.fixture
def offline(wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip sees the folder of wheels and nothing else; environments go where each test says."""
    monkeypatch.delenv("AUTOSEG_VENV", raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with the real launcher, one small requirement and a program that talks back."""
    root = tmp_path_factory.mktemp("check out")
    shutil.copy(support.ROOT / "autoseg.py", root)
    shutil.copytree(
        support.ROOT / "launcher", root / "launcher", ignore=shutil.ignore_patterns("__pycache__")
    )
    (root / "requirements").mkdir()
    (root / "requirements" / "base.txt").write_text("tiny==1.0  # for the test\n")
    room = root / "AutoSegPipeline" / "AutoSegPipelineLib" / "headless"
    room.mkdir(parents=True)
    (room / "__main__.py").write_text(PROGRAM)
    (room / "__init__.py").touch()
    (room.parent / "__init__.py").touch()
    return root


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory, wheels: Path) -> Environment:
    """A whole environment; pip's settings stand in the variables that ``offline`` sets."""
    environment = tiny_environment(tmp_path_factory.mktemp("ready"), [])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(wheels))
        patch.setenv("PIP_CONFIG_FILE", os.devnull)
        environment.ensure()
    return environment
