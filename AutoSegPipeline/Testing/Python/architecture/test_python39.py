"""The library runs inside Slicer 5.6 and 5.8: Python 3.9, pydicom 2.4, numpy 1.26."""

from __future__ import annotations

import ast
import json
import os
import subprocess
from pathlib import Path

import pytest
import support.skeleton as support
from support.web import FILES, Served
from support.web_events import Listener

from launcher.pythons import find_python

# Imports every module of the library but the command line, and says what could not be imported.
IMPORT_ALL = """
import importlib, json, pkgutil, sys, traceback
import AutoSegPipelineLib
only = sys.argv[1:]
wrong = {}
done = []
for module in pkgutil.walk_packages(AutoSegPipelineLib.__path__, "AutoSegPipelineLib."):
    room = module.name.split(".")[1]
    if room not in only or module.name.endswith("__main__"):
        continue
    try:
        importlib.import_module(module.name)
        done.append(module.name)
    except Exception:
        wrong[module.name] = traceback.format_exc(limit=-2)
print(json.dumps({"done": done, "wrong": wrong, "python": sys.version_info[:2]}))
"""


def import_all(python: str, rooms: list[str]) -> dict[str, list[str]]:
    """Import the modules of ``rooms`` with another Python; raises when one cannot be imported."""
    answer = subprocess.run(
        [python, "-B", "-c", IMPORT_ALL, *rooms],
        env={**os.environ, "PYTHONPATH": str(support.MODULE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    told = json.loads(answer.stdout)
    assert told["python"] == [3, 9]
    assert told["wrong"] == {}, "\n".join(told["wrong"].values())
    return dict(told)


@pytest.mark.parametrize(
    "path",
    [*support.library_files(), support.MODULE / "AutoSegPipeline.py"],
    ids=lambda path: path.relative_to(support.MODULE).as_posix(),
)
def test_a_file_of_the_library_has_syntax_of_python_3_9(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))
    later = [node.lineno for node in ast.walk(tree) if _is_later(node)]
    assert later == [], "Python 3.10 or later is needed there"


def _is_later(node: ast.AST) -> bool:
    """Calls that 3.9's functions refuse; the grammar alone does not show them."""
    if not isinstance(node, ast.Call):
        return False
    name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    words = {keyword.arg for keyword in node.keywords}
    if name == "zip":
        return "strict" in words
    if name == "dataclass":
        return bool(words & {"slots", "kw_only"})
    return name == "isinstance" and len(node.args) == 2 and isinstance(node.args[1], ast.BinOp)


@pytest.mark.parametrize(
    ("source", "later"),
    [
        ("zip(a, b, strict=True)", True),
        ("zip(a, b)", False),
        ("dataclass(frozen=True, slots=True)", True),
        ("dataclasses.dataclass(kw_only=True)", True),
        ("isinstance(a, int | str)", True),
        ("isinstance(a, (int, str))", False),
    ],
)
def test_calls_of_later_pythons_are_found(source: str, later: bool) -> None:
    assert any(_is_later(node) for node in ast.walk(ast.parse(source))) is later


def test_core_imports_on_a_bare_python_3_9() -> None:
    python = find_python(((3, 9),))
    if python is None:
        pytest.skip("no Python 3.9 on this machine")
    assert len(import_all(python.path, ["core"])["done"]) > 10


def test_every_room_that_slicer_uses_imports_with_the_packages_of_slicer_5_8() -> None:
    python = os.environ.get("AUTOSEG_TEST_PYTHON39")
    if not python:
        pytest.skip("python3 autoseg.py test makes the environment of Slicer 5.8 with Python 3.9 and room")
    done = import_all(python, ["core", "intake", "processing", "web"])["done"]
    assert {name.split(".")[1] for name in done} == {"core", "intake", "processing", "web"}


def test_the_web_page_is_served_under_the_python_of_slicer_5_8(tmp_path: Path) -> None:
    python = os.environ.get("AUTOSEG_TEST_PYTHON39")
    if not python:
        pytest.skip("python3 autoseg.py test makes the environment of Slicer 5.8 with Python 3.9 and room")
    with Served(tmp_path, python=python) as page:
        job = page.add_job("done")
        assert page.told[0]["python"].startswith("3.9.")
        assert page.get(f"/download/{job.name}.gltf", range="bytes=0-3").body == FILES[".gltf"][:4]
        for path in ("/", "/healthz", "/api/v1/jobs", "/api/v1/engines", "/metrics", "/api/v1/openapi.json"):
            assert page.get(path).status == 200, path
        assert page.get("/nothing").json()["code"] == "request.not_found"
        upload = page.request("PUT", "/api/v1/uploads/scan.nii", b"x" * 1000)
        assert upload.status in (201, 202), upload.body
        with Listener(page.port, last_event_id="0") as listener:
            listener.until(lambda: any(one["data"]["id"] == job.id for one in listener.of("job")))
        assert page.stop() == 0
