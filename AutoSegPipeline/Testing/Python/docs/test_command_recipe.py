"""The recipe for a command, asked of a running pipeline: by the command line, then over HTTP."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Iterator

import pytest
import support.docs as docs
import support.skeleton as skeleton
from support.headless import Running, autoseg, clean_environment, write_scan
from support.library_copy import LibraryCopy

PAGE = (docs.DOCS / "recipes.md").read_text(encoding="utf-8")
RECIPE = PAGE[PAGE.index("## A command\n") :].split("\n## ")[0]
STEP = re.compile(r"<!-- below: ([^:]+?): (.+?) -->\n```\w*\n(.*?)```", re.S)


def followed(folder: Path, leave_out: str = "") -> LibraryCopy:
    """A copy of the library on which the recipe was followed, but for the step that holds ``leave_out``."""
    copy = LibraryCopy(folder)
    steps = [step for step in STEP.findall(RECIPE) if not leave_out or leave_out not in step[2]]
    assert len(steps) >= 12
    for step in steps:
        copy.below(*step)
    return copy


class Served:
    """A pipeline with a page on the copy, and a job that waits because the queue is paused."""

    def __init__(self, folder: Path) -> None:
        self._copy = followed(folder / "program")
        self._home = ("--home", folder / "home")
        with_page = {**self._copy.variables, "AUTOSEG_WEB": "yes"}
        self.process = Running(*self._home, "serve", "--port", "0", "--engine", "tissue", env=with_page)
        self._scan = write_scan(folder / "scan.nii.gz", 15.0)

    def prepare(self) -> None:
        self.process.wait_for("http://127.0.0.1:")
        self.port = json.loads(self.run("status", "--json").stdout)["web"]["port"]
        self.run("pause")
        self.run("submit", self._scan)
        until = time.monotonic() + 60
        while self.job()["state"] != "queued":
            assert time.monotonic() < until, self.job()
            time.sleep(0.1)

    def run(self, *words: Any) -> subprocess.CompletedProcess[str]:
        return self._copy.autoseg(*self._home, *words)

    def refused(self, *words: Any) -> str:
        done = autoseg(*self._home, *words, env=self._copy.variables)
        assert done.returncode == 2
        return done.stderr

    def job(self) -> dict[str, Any]:
        (found,) = json.loads(self.run("list", "--json").stdout)["jobs"]
        return dict(found)

    def put(self, path: str, body: object) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("PUT", path, json.dumps(body), {"Content-Type": "application/json"})
        status = connection.getresponse().status
        connection.close()
        return status


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    one = Served(tmp_path_factory.mktemp("command"))
    with one.process:
        one.prepare()
        yield one
        one.run("stop")
        one.process.end()


def test_the_command_line_asks_for_it(served: Served) -> None:
    job = served.job()
    assert job["label"] == "scan.nii.gz"
    assert "relabelled" in served.run("relabel", job["id"][:8], "left knee").stdout
    after = served.job()
    assert after["label"] == "left knee" and after["revision"] > job["revision"]
    assert "1 to 200 characters" in served.refused("relabel", job["id"], " ")


def test_the_web_api_asks_for_it(served: Served) -> None:
    path = f"/api/v1/jobs/{served.job()['id']}/label"
    assert served.put(path, {"label": "right knee"}) == 200
    assert served.job()["label"] == "right knee"
    assert served.put(path, {"label": " "}) == 422
    assert served.put(path, {}) == 422
    assert served.job()["label"] == "right knee"


def checked(copy: LibraryCopy) -> str:
    """What mypy says of the functions behind the commands."""
    file = copy.library / "runtime" / "commands.py"
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", str(skeleton.ROOT / "pyproject.toml"), str(file)],
        cwd=copy.library.parent, env=clean_environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout


def test_the_type_checker_finds_a_command_without_its_function(tmp_path: Path) -> None:
    said = checked(followed(tmp_path / "without", "isinstance(command, Relabel)"))
    assert 'Argument 1 to "_no_function" has incompatible type "Relabel"' in said, said
