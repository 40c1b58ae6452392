"""Our calls against Slicer's own Python code, of every source that ``AUTOSEG_TEST_SLICER_SOURCES`` names.

The embedded web server's tests and those of the stock handler run with each source's WebServer besides.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
import zipfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Iterator

import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.slicer_app.servers import Servers
from support.embedded_server import autoseg_of
from support.orthanc import free_port
from support.pipeline import Bench, write_scan
from support.slicer_sources import each_source, needs_sources, slicer_of
from support.web_server import curl

pytestmark = needs_sources


def make_wheel(folder: Path, name: str, requires: str = "") -> None:
    """A package with one module, of version 1.0."""
    folder.mkdir(exist_ok=True)
    about = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}.py", "here = True\n")
        more = f"Requires-Dist: {requires}\n" if requires else ""
        wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{more}")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where pip installs; ``PythonSlicer`` is this Python, wheels are in ``wheels`` beside it."""
    program = tmp_path / "bin" / "PythonSlicer"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    for name, value in {
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
        "PIP_TARGET": str(tmp_path / "site"),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(tmp_path / "wheels"),
    }.items():
        monkeypatch.setenv(name, value)
    return tmp_path / "site"


def our_pip(slicer: Any) -> Any:
    importlib.import_module("slicer.util")
    slicer.util.WaitCursor = nullcontext
    return importlib.import_module("AutoSegPipelineLib.slicer_app.slicer_pip")


@each_source
def test_slicers_own_code_installs_what_is_missing(
    source: Path, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(site.parent / "wheels", "little")
    with slicer_of(source, monkeypatch) as slicer:
        our_pip(slicer).install(["little>=1.0"])
    assert (site / "little.py").is_file()


@each_source
def test_slicers_own_code_fails_rather_than_change_what_is_there(
    source: Path, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(site.parent / "wheels", "needy", f"pytest!={pytest.__version__}")
    make_wheel(site.parent / "wheels", "pytest")  # what pip would take without constraints
    with slicer_of(source, monkeypatch) as slicer, pytest.raises(PipelineError) as caught:
        our_pip(slicer).install(["needy"])
    assert caught.value.code == "install.failed" and not (site / "needy.py").exists()


@each_source
def test_slicers_own_code_that_is_not_there_to_remove_is_said(
    source: Path, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_QUIET", "no number")  # pip ends with an error
    with slicer_of(source, monkeypatch) as slicer, pytest.raises(PipelineError) as caught:
        our_pip(slicer).uninstall(["little"])
    assert caught.value.code == "install.not_removed"


@each_source
def test_nothing_is_installed_while_a_slicer_with_pip_ensure_is_tested(
    source: Path, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not (source / "Base" / "Python" / "slicer" / "packaging.py").exists():
        pytest.skip(f"{source.name} is a Slicer before 5.12, which has no slicer.packaging.pip_ensure")
    make_wheel(site.parent / "wheels", "little")
    with slicer_of(source, monkeypatch, testing=True) as slicer:
        our_pip(slicer).install(["little"])
    assert not site.exists()


@pytest.fixture
def web(bench: Bench, source: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Servers, Any, str]]:
    """Our servers, the logic of the source's Web Server module with its server running, its address."""
    with slicer_of(source, monkeypatch) as slicer:
        importlib.import_module("slicer.util")
        module = importlib.import_module("WebServer")
        logging.getLogger("WebServer").setLevel(logging.WARNING)
        static = importlib.import_module("WebServerLib").StaticPagesRequestHandler
        docroot = str(Path(slicer.modules.webserver.path).parent / "Resources" / "docroot").encode()
        logic = module.WebServerLogic(port=free_port(), requestHandlers=[static(docroot)])
        slicer.util.getModuleLogic = lambda name: {"WebServer": logic}[name]
        servers = Servers(lambda: autoseg_of(bench))
        logic.start()
        yield servers, logic, f"http://127.0.0.1:{logic.port}"
        servers.unregister_from_stock()
        servers.stop()
        logic.stop()


@each_source
def test_the_stock_server_carries_our_handler(
    bench: Bench, web: tuple[Servers, Any, str], source: Path, tmp_path: Path
) -> None:
    servers, _logic, url = web
    assert "Slicer" in curl(f"{url}/index.html")
    assert "counts" not in curl(f"{url}/autoseg/status")
    assert servers.register_with_stock() == "/autoseg/"
    scan = write_scan(tmp_path / "a.nii")
    told = curl("-H", "Expect:", "--data-binary", f"@{scan}", f"{url}/autoseg/upload?name=raw.nii")
    assert json.loads(told) == {"accepted": 1}
    assert [job.state for job in bench.until_ended(1)] == ["done"]
    assert json.loads(curl(f"{url}/autoseg/status"))["counts"]["done"] == 1
    assert set(json.loads(curl(f"{url}/autoseg/files"))) == set(bench.results())
    out = tmp_path / "out.gltf"
    curl("-o", str(out), f"{url}/autoseg/download/raw.gltf")
    assert out.read_bytes() == (bench.home.results / "raw.gltf").read_bytes()
    assert "Slicer" in curl(f"{url}/index.html"), "the user's own handlers are as before"
    servers.unregister_from_stock()
    assert "counts" not in curl(f"{url}/autoseg/status")


@each_source
def test_the_panels_server_runs_beside_the_stock_one(
    bench: Bench, web: tuple[Servers, Any, str], source: Path
) -> None:
    servers, _logic, url = web
    own = servers.start(port=0)
    assert json.loads(curl(f"{own}/files")) == []
    assert "Slicer" in curl(f"{url}/index.html")
