"""autoseg.py: which Python, which environment, and what it passes on. Real environments, no network."""

from __future__ import annotations

import ast
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Callable

import pytest
import support.skeleton as support

import autoseg
from launcher import checks, pythons, trouble
from launcher.environment import Environment, Part
from launcher.installer import PipProgress, clean_environment
from launcher.main import Usage, split_arguments
from launcher.places import environments_folder

# What the checkout's program does in these tests: says what it was given, ends with a code of its own.
PROGRAM = """
import json, sys, tiny
print(json.dumps({"arguments": sys.argv[1:], "tiny": tiny.VERSION, "prefix": sys.prefix}))
sys.exit(7)
"""


def write_wheel(folder: Path, version: str) -> None:
    """A wheel of the package ``tiny``, by hand (packaging.python.org's binary distribution format)."""
    info = f"tiny-{version}.dist-info"
    files = {
        "tiny.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / f"tiny-{version}-py3-none-any.whl", "w") as archive:
        for name, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(name, text)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    write_wheel(folder, "1.0")
    write_wheel(folder, "2.0")
    return folder


@pytest.fixture(autouse=True)
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


def launch(
    root: Path, *arguments: str, cwd: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run ``autoseg.py`` of a checkout to its end."""
    command = [sys.executable, str(root / "autoseg.py"), *arguments]
    environment = {**os.environ, **variables}
    return subprocess.run(
        command, capture_output=True, text=True, cwd=cwd, env=environment, timeout=300, check=False
    )


def tiny_environment(folder: Path, said: list[str], version: str = "1.0") -> Environment:
    """An environment of one small wheel; what it tells people goes to ``said``."""
    requirements = folder / "requirements"
    requirements.mkdir(exist_ok=True)
    (requirements / "base.txt").write_text(f"tiny=={version}\n")
    return Environment(folder, Part("base", folder=requirements), said.append)


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


@pytest.fixture
def missing(tmp_path: Path) -> Part:
    """A requirement that cannot be had."""
    (tmp_path / "missing.txt").write_text("tiny==3.0\n")
    return Part("missing", folder=tmp_path)


# The Python that starts it


@pytest.mark.parametrize(
    ("version", "implementation", "bits", "free", "said"),
    [
        ((2, 7), "CPython", 64, False, "3.10 to 3.15; this is Python 2.7"),
        ((3, 9), "CPython", 64, False, "this is Python 3.9"),
        ((3, 16), "CPython", 64, False, "this is Python 3.16"),
        ((3, 12), "PyPy", 64, False, "PyPy"),
        ((3, 12), "CPython", 32, False, "64 bits"),
        ((3, 14), "CPython", 64, True, "free-threaded"),
    ],
)
def test_an_unfit_python_is_told_what_is_needed(
    version: tuple[int, int], implementation: str, bits: int, free: bool, said: str
) -> None:
    assert said in autoseg.objection(version, implementation, bits, free)


@pytest.mark.parametrize("minor", range(10, 16))
def test_every_supported_python_is_taken(minor: int) -> None:
    assert autoseg.objection((3, minor), "CPython", 64, False) is None


def test_a_fitting_python_that_is_there_is_named(tmp_path: Path) -> None:
    for name in ("python3.9", "python3.12", "python3.10"):
        (tmp_path / name).touch(mode=0o755)
    assert "python3.12 autoseg.py" in autoseg.advice(str(tmp_path), windows=False)
    assert "py -3.13 autoseg.py" in autoseg.advice(str(tmp_path / "none"), windows=True)


def test_the_launchers_first_file_has_no_syntax_of_newer_pythons() -> None:
    tree = ast.parse((support.ROOT / "autoseg.py").read_text(encoding="utf-8"))
    newer = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.AsyncFunctionDef, ast.Match, ast.Starred)
    assert [node.lineno for node in ast.walk(tree) if isinstance(node, newer)] == []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            assert node.returns is None and not node.args.kwonlyargs
            assert all(argument.annotation is None for argument in node.args.args)


@pytest.mark.parametrize("version", [(2, 7), (3, 6), (3, 8), (3, 9)])
def test_an_old_python_gets_an_answer_not_a_syntax_error(version: tuple[int, int]) -> None:
    for command in pythons._candidates(version):
        answer = subprocess.run(
            [*command, str(support.ROOT / "autoseg.py"), "--help"],
            capture_output=True,
            text=True,
            env=clean_environment(),
            check=False,
        )
        if answer.returncode == 2 and "this is Python" in answer.stderr:
            assert f"{version[0]}.{version[1]}" in answer.stderr and "SyntaxError" not in answer.stderr
            return
        assert "SyntaxError" not in answer.stderr
    pytest.skip(f"no Python {version[0]}.{version[1]} on this machine")


# The command line


@pytest.mark.parametrize(
    ("arguments", "folder", "rest"),
    [
        (["serve"], None, ["serve"]),
        (["--venv", "x", "serve", "--home", "y"], "x", ["serve", "--home", "y"]),
        (["--venv=x y", "list"], "x y", ["list"]),
        (["run", "--venv", "x"], None, ["run", "--venv", "x"]),
        ([], None, []),
    ],
)
def test_what_stands_after_the_command_is_passed_on(
    arguments: list[str], folder: str | None, rest: list[str]
) -> None:
    assert split_arguments(arguments) == (folder, rest)


@pytest.mark.parametrize("arguments", [["--venv"], ["--venv="], ["--venv", "--help"]])
def test_venv_without_a_folder_is_a_usage_error(arguments: list[str]) -> None:
    with pytest.raises(Usage, match="--venv needs a folder"):
        split_arguments(arguments)


def test_help_before_the_installation_installs_nothing(checkout: Path, tmp_path: Path) -> None:
    answer = launch(checkout, "--venv", str(tmp_path / "v"), "--help")
    assert answer.returncode == 0 and "serve" in answer.stdout
    assert list((tmp_path / "v").glob("base-*")) == []


def test_the_folder_can_stand_in_the_environment_and_the_flag_wins(checkout: Path, tmp_path: Path) -> None:
    from AutoSegPipelineLib.headless.flags import OTHER_ENVIRONMENT

    assert "AUTOSEG_VENV" in OTHER_ENVIRONMENT
    spoken = {"AUTOSEG_VENV": str(tmp_path / "spoken")}
    answer = launch(checkout, "--help", **spoken)
    assert answer.returncode == 0 and str(tmp_path / "spoken") in answer.stdout
    assert (tmp_path / "spoken").is_dir()
    answer = launch(checkout, "--venv", str(tmp_path / "flag"), "--help", **spoken)
    assert str(tmp_path / "flag") in answer.stdout and str(tmp_path / "spoken") not in answer.stdout


def test_the_first_call_installs_and_becomes_the_program(checkout: Path, tmp_path: Path) -> None:
    # A file of a dependency's name in the user's folder must not be taken for the dependency.
    (tmp_path / "tiny.py").write_text("VERSION = 'the wrong one'\n")
    first = launch(checkout, "run", "a b.nii", "--json", cwd=tmp_path)
    assert first.returncode == 7, first.stderr
    told = json.loads(first.stdout)
    assert told["arguments"] == ["run", "a b.nii", "--json"]
    assert told["tiny"] == "1.0"
    assert Path(told["prefix"]).parent == checkout / ".venv-autoseg"
    assert "[1/1] tiny 1.0" in first.stderr
    second = launch(checkout, "list", cwd=tmp_path)
    assert second.returncode == 7 and second.stderr == ""


def test_a_checkout_that_cannot_be_written_uses_the_users_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / "cache"))
    (tmp_path / ".venv-autoseg").write_text("a file where the folder would be")
    folder = environments_folder(None, tmp_path)
    assert tmp_path / "cache" in folder.parents and folder.is_dir()


# The environment


def test_an_installation_that_was_killed_is_made_anew(tmp_path: Path) -> None:
    said: list[str] = []
    environment = tiny_environment(tmp_path, said)
    code = (
        f"import sys; sys.path[:0] = {[str(support.ROOT)]!r}\n"
        "from pathlib import Path; from launcher.environment import Environment, Part\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "Environment(folder, Part('base', folder=folder / 'requirements'), print).ensure()\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
    wait_for(lambda: (environment.path / "pyvenv.cfg").exists())
    child.kill()
    child.wait()
    assert not environment.is_ready()
    environment.ensure()
    assert environment.is_ready()
    assert any("making it anew" in line for line in said)
    assert any("is running; waiting" in line for line in said) or os.name == "nt"


def test_two_at_once_install_once_and_the_other_waits(tmp_path: Path, checkout: Path) -> None:
    command = [sys.executable, str(checkout / "autoseg.py"), "--venv", str(tmp_path), "list"]
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    errors = [child.communicate(timeout=300)[1] for child in both]
    assert [child.returncode for child in both] == [7, 7]
    assert sum("Installing into" in text for text in errors) == 1
    assert sum("is running; waiting" in text for text in errors) == 1


def test_other_pins_get_another_environment_and_the_old_one_goes_when_unused(tmp_path: Path) -> None:
    said: list[str] = []
    old = tiny_environment(tmp_path, said)
    old.ensure()
    held = old.hold()
    new = tiny_environment(tmp_path, said, "2.0")
    assert new.path != old.path and not new.is_ready()
    new.ensure()
    answer = subprocess.run(
        [str(new.python), "-I", "-c", "import tiny; print(tiny.VERSION)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() == "2.0"
    if os.name != "nt":
        assert old.path.exists(), "somebody runs from it"
        os.close(held)
        new._remove_older()
    assert not old.path.exists()
    # Its base Python is uninstalled: the environment is a dead link.
    config = new.path / "pyvenv.cfg"
    text = config.read_text()
    home = next(line for line in text.splitlines() if line.startswith("home"))
    config.write_text(text.replace(home, f"home = {tmp_path / 'uninstalled'}"))
    assert not new.is_ready()


def test_a_folder_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    environment = tiny_environment(tmp_path, [])
    environment.path.mkdir()
    (environment.path / "thesis.txt").write_text("years of work")
    with pytest.raises(trouble.Trouble, match="was not made by this program"):
        environment.ensure()
    assert (environment.path / "thesis.txt").exists()


def test_a_failed_installation_says_why_and_is_not_taken_for_whole(ready: Environment, missing: Part) -> None:
    with pytest.raises(trouble.Trouble, match="no ready-made package for this machine"):
        ready.ensure(missing)
    assert ready.is_ready() and not ready.is_ready(missing)


def test_without_a_network_it_says_so(
    ready: Environment, missing: Part, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(trouble.Trouble, match="cannot be reached"):
        ready.ensure(missing)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("ERROR: Could not install: [Errno 28] No space left on device", "The disk is full"),
        ("ProxyError('Cannot connect to proxy.')\nMax retries exceeded", "HTTPS_PROXY"),
        ("SSLError(SSLCertVerificationError(1, 'CERTIFICATE_VERIFY_FAILED'))", "PIP_CERT"),
        ("Failed to establish a new connection\nNo matching distribution found", "cannot be reached"),
        ("npm error code EAI_AGAIN", "cannot be reached"),
        ("ERROR: No matching distribution found for vtk", "glibc 2.34"),
        ("PermissionError: [Errno 13] Permission denied", "--venv DIR"),
    ],
)
def test_the_installers_words_become_advice(tmp_path: Path, output: str, said: str) -> None:
    assert said in trouble.explain(output, tmp_path / "environment")


def test_a_python_without_venv_is_told_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(trouble.Trouble, match="ensurepip") as caught:
        trouble.check_before(tmp_path / "environment")
    if sys.platform.startswith("linux"):
        assert f"python3.{sys.version_info[1]}-venv" in str(caught.value)


def test_too_small_a_disk_is_told_before_anything_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = shutil.disk_usage(tmp_path)._replace(free=10_000_000)
    monkeypatch.setattr("shutil.disk_usage", lambda path: full)
    with pytest.raises(trouble.Trouble, match="The disk is full"):
        trouble.check_before(tmp_path / "environment")


def test_pips_output_becomes_a_line_for_each_step() -> None:
    said: list[str] = []
    progress = PipProgress(3, said.append)
    for line in (
        "Looking in links: /somewhere",
        "Collecting vtk==9.7.2 (from -r base.txt (line 9))",
        "  Downloading vtk-9.7.2-cp311-cp311-manylinux_2_28_x86_64.whl.metadata (5.6 kB)",
        "  Downloading vtk-9.7.2-cp311-cp311-manylinux_2_28_x86_64.whl (139.6 MB)",
        "Processing /mirror/files/numpy-2.4.6-cp311-cp311-manylinux_2_28_x86_64.whl (from -r base.txt)",
        "WARNING: Retrying (Retry(total=4)) after connection broken",
        "WARNING: Retrying (Retry(total=3)) after connection broken",
        "Requirement already satisfied: click==8.5.1 in ./lib",
        "Installing collected packages: vtk, numpy",
    ):
        progress.feed(line)
    assert said == [
        "  [1/3] vtk 9.7.2",
        "        downloading 139.6 MB",
        "  [2/3] numpy 2.4.6",
        "  the network does not answer; trying again ...",
        "  [3/3] click 8.5.1",
        "  unpacking 2 packages ...",
    ]


# The checks


def test_one_failed_check_makes_the_closing_line_fail() -> None:
    good, bad = checks.Outcome("mypy", 0, 1.0), checks.Outcome("pytest", 3, 2.0)
    assert checks.summary([good]).endswith("test: all 1 checks are clean")
    assert checks.summary([good, bad]).endswith("test: FAILED: pytest")
    assert "FAILED (exit code 3)" in checks.summary([good, bad])


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_signal_reaches_the_program_itself(checkout: Path, tmp_path: Path) -> None:
    program = checkout / "AutoSegPipeline" / "AutoSegPipelineLib" / "headless" / "__main__.py"
    try:
        program.write_text("import time\nprint('up', flush=True)\ntime.sleep(60)\n")
        child = subprocess.Popen(
            [sys.executable, str(checkout / "autoseg.py"), "serve"], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None and child.stdout.readline() == "up\n"
        child.send_signal(signal.SIGTERM)
        assert child.wait(10) == -signal.SIGTERM
        child.stdout.close()
    finally:
        program.write_text(PROGRAM)


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Look at a condition until it holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)
