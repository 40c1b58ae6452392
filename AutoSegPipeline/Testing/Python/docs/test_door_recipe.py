"""The recipe for a door, with a pipeline and a client, and held against the rules for imports."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import support.docs as docs
import support.skeleton as skeleton
from support import TESTS
from support.headless import Running, autoseg, clean_environment, write_scan

PAGE = (docs.DOCS / "recipes.md").read_text(encoding="utf-8")
RECIPE = PAGE[PAGE.index("## A door\n") :].split("\n## ")[0]
BLOCK = r"(?:: ([^:]+?))?(?:: (.+?))? -->\n```\w*\n(.*?)```"
PORT = "5104"


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A copy of the library and of what its rules for imports need, changed as the recipe says."""
    module = tmp_path / "program" / "AutoSegPipeline"
    library, tests = module / "AutoSegPipelineLib", module / "Testing" / "Python"
    unwanted = shutil.ignore_patterns("__pycache__")
    shutil.copytree(skeleton.LIBRARY, library, ignore=unwanted)
    for room in ("support", "architecture"):
        shutil.copytree(TESTS / room, tests / room, ignore=unwanted)
    for file, _, text in re.findall(f"<!-- new{BLOCK}", RECIPE, re.S):
        (library / file).parent.mkdir(exist_ok=True)
        (library / file).write_text(text, encoding="utf-8")
    for kind, folder in (("below", library), ("tests, below", tests)):
        for file, anchor, text in re.findall(f"<!-- {kind}{BLOCK}", RECIPE, re.S):
            insert(folder / file, anchor, text)
    return module


def insert(path: Path, anchor: str, text: str) -> None:
    old = path.read_text(encoding="utf-8")
    assert old.count(anchor) == 1, f"{path.name} does not have once: {anchor}"
    path.write_text(old.replace(anchor, f"{anchor}\n{text.rstrip()}"), encoding="utf-8")


def rules(module: Path) -> subprocess.CompletedProcess[str]:
    """The rules for imports, on the copy."""
    tests = module / "Testing" / "Python"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib"]
    command += ["-c", str(module / "none.ini"), "-k", "room or folder or door", "--rootdir", str(module)]
    (module / "none.ini").write_text("[pytest]\n", encoding="utf-8")
    return subprocess.run(
        [*command, str(tests / "architecture" / "test_imports.py")],
        env=clean_environment(PYTHONPATH=str(tests)),
        cwd=module,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_scan_that_is_sent_to_the_door_becomes_its_job(program: Path, tmp_path: Path) -> None:
    write_scan(tmp_path / "scan.nii.gz", 12.0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    (script,) = re.findall(f"<!-- client{BLOCK}", RECIPE, re.S)
    assert PORT in script[2]
    client = [sys.executable, "-c", script[2].replace(PORT, port)]
    home = ("--home", tmp_path / "home")
    env = {"PYTHONPATH": str(program)}
    with Running(*home, "serve", "--spool-port", port, "--engine", "tissue", env=env):
        sent = subprocess.run(client, cwd=tmp_path, capture_output=True, check=False)
        until = time.monotonic() + 60
        while sent.returncode != 0 and time.monotonic() < until:  # the pipeline is starting
            time.sleep(0.1)
            sent = subprocess.run(client, cwd=tmp_path, capture_output=True, check=False)
        assert sent.returncode == 0, sent.stderr
        jobs: list[dict[str, object]] = []
        while not jobs and time.monotonic() < until:
            jobs = json.loads(autoseg(*home, "list", "--json", env=env).stdout)["jobs"]
        assert [(job["label"], job["door"]) for job in jobs] == [("neck.nii.gz", "spool")]
        root = tmp_path / "home" / "state" / "spool"
        while any(root.iterdir()) and time.monotonic() < until:
            time.sleep(0.05)
        assert not any(root.iterdir()), "its folder is gone once the job was asked for"
        autoseg(*home, "stop", env=env)


def test_the_door_keeps_the_rules_for_imports_and_one_that_does_not_is_seen(program: Path) -> None:
    done = rules(program)
    assert done.returncode == 0 and "passed" in done.stdout, done.stdout + done.stderr
    child = program / "AutoSegPipelineLib" / "spool" / "child.py"
    text = child.read_text(encoding="utf-8")
    child.write_text(
        text.replace("self._handover.root / uuid", "self._handover.home.incoming / uuid"), encoding="utf-8"
    )
    done = rules(program)
    assert done.returncode == 1 and "spool/child.py: incoming" in done.stdout
