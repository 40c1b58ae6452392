"""Packages for Slicer's own Python: by ``pip_ensure`` where Slicer has it, by ``pip_install`` before."""

from __future__ import annotations

import subprocess
import sys
import types
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from AutoSegPipelineLib.core.errors import PipelineError

WANTED = ["nnunetv2>=2.3.1", "one more"]


class Slicer:
    """What ``slicer.util`` and, in newer ones, ``slicer.packaging`` were asked, constraints read at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, packaging: bool = False) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.held = ""
        self.error: Exception | None = None
        module: Any = types.ModuleType("slicer")
        module.__path__ = []
        module.util = SimpleNamespace(
            pip_install=self.pip_install, pip_uninstall=self.pip_uninstall, WaitCursor=nullcontext
        )
        monkeypatch.setitem(sys.modules, "slicer", module)
        monkeypatch.delitem(sys.modules, "slicer.packaging", raising=False)
        if packaging:
            made: Any = types.ModuleType("slicer.packaging")
            made.pip_ensure = self.pip_ensure
            monkeypatch.setitem(sys.modules, "slicer.packaging", made)
        monkeypatch.delitem(sys.modules, "AutoSegPipelineLib.slicer_app.slicer_pip", raising=False)

    def _take(self, *what: Any) -> None:
        self.asked.append(what)
        if self.error is not None:
            raise self.error

    def pip_install(self, requirements: Any) -> None:
        *packages, flag, constraints = requirements
        self.held = Path(constraints).read_text(encoding="utf-8")
        self._take("pip_install", packages, flag)

    def pip_uninstall(self, requirements: Any) -> None:
        self._take("pip_uninstall", requirements)

    def pip_ensure(
        self,
        requirements: Any,
        constraints: Any = None,
        skip_packages: Any = None,
        prompt_install: bool = True,
        prompt_restart: bool = True,
        requester: str | None = None,
        skip_in_testing: bool = True,
        show_progress: bool = True,
    ) -> None:
        self.held = Path(constraints).read_text(encoding="utf-8")
        self._take("pip_ensure", requirements, prompt_install, requester, skip_in_testing)


def module() -> ModuleType:
    import importlib

    return importlib.import_module("AutoSegPipelineLib.slicer_app.slicer_pip")


def test_pip_ensure_is_used_where_slicer_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    slicer = Slicer(monkeypatch, packaging=True)
    module().install(WANTED)
    assert slicer.asked == [("pip_ensure", WANTED, False, "AutoSeg Pipeline", True)]


def test_pip_install_is_used_before(monkeypatch: pytest.MonkeyPatch) -> None:
    slicer = Slicer(monkeypatch)
    module().install(WANTED)
    assert slicer.asked == [("pip_install", WANTED, "-c")]


@pytest.mark.parametrize("packaging", [True, False])
def test_what_slicer_has_keeps_its_version(monkeypatch: pytest.MonkeyPatch, packaging: bool) -> None:
    slicer = Slicer(monkeypatch, packaging)
    pip = module()
    have = {"numpy": "1.26.4", "torch": "2.1.2+cu118", "odd": "1.0-unknown-7", "pydicom": "3.0.0rc1"}
    monkeypatch.setattr(pip, "own_packages", lambda: have)
    pip.install(WANTED)
    assert slicer.held.splitlines() == ["numpy==1.26.4", "pydicom==3.0.0rc1", "torch==2.1.2+cu118"]


@pytest.mark.parametrize("packaging", [True, False])
@pytest.mark.parametrize("error", [RuntimeError("no"), subprocess.CalledProcessError(1, ["pip"])])
def test_a_failure_is_one_of_ours(monkeypatch: pytest.MonkeyPatch, packaging: bool, error: Exception) -> None:
    slicer = Slicer(monkeypatch, packaging)
    slicer.error = error
    for act, code in ((module().install, "install.failed"), (module().uninstall, "install.not_removed")):
        with pytest.raises(PipelineError) as caught:
            act(["nnunetv2"])
        assert caught.value.code == code and "nnunetv2" in caught.value.message


def test_pip_takes_the_constraints(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Slicer(monkeypatch)
    from AutoSegPipelineLib.slicer_app.install_packages import own_packages

    file = tmp_path / "constraints.txt"
    file.write_text(module().held(own_packages()), encoding="utf-8")
    assert "pytest==" in file.read_text(encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "install", "--no-index", "--dry-run", "-c", str(file)]
    done = subprocess.run([*pip, "pytest"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    other = subprocess.run([*pip, "pytest!=1,<1"], capture_output=True, text=True, check=False)
    assert other.returncode != 0 and "pytest" in other.stderr
