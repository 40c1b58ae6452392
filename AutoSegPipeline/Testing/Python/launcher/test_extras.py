"""`autoseg.py install totalsegmentator`: real pip and environments, small made packages, no network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import support.skeleton as support
from support.wheels import write_wheel

CPU = "torch==2.0+cpu torchvision==0.2+cpu"
PROGRAM = "import json, sys\nprint(json.dumps(sys.argv[1:]))\nsys.exit(7)\n"
# As the real ones behave: a torchvision of another build imports, and its operators do not exist.
TORCH = """
__version__ = {version!r}
class _Cuda:
    is_available = staticmethod(lambda: False)
cuda = _Cuda()
backends = None
class _Ops:
    @property
    def torchvision(self):
        import torchvision
        if torchvision.__version__.partition("+")[2] != __version__.partition("+")[2]:
            raise RuntimeError("operator torchvision::nms does not exist")
        return type("Namespace", (), {{"nms": 1}})
ops = _Ops()
"""
FINDER = "def recursive_find_python_class(folder, name, module):\n    return object\n"


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    for version in ("1.0", "2.0"):
        write_wheel(folder, "tiny", version, {"tiny.py": f"VERSION = {version!r}\n"})
    for local in ("", "+cpu"):
        torch, vision = f"2.0{local}", f"0.2{local}"
        write_wheel(folder, "torch", torch, {"torch/__init__.py": TORCH.format(version=torch)})
        write_wheel(folder, "torchvision", vision, {"torchvision.py": f"__version__ = {vision!r}\n"})
    write_wheel(folder, "totalsegmentator", "1.0", {"totalsegmentator.py": ""}, "torch")
    write_wheel(folder, "totalsegmentator", "9.0", {"totalsegmentator.py": ""}, "tiny>=2")
    nnunet = {"nnunetv2/__init__.py": "", "nnunetv2/utilities/find_class_by_name.py": FINDER}
    write_wheel(folder, "nnunetv2", "1.0", nnunet, "torchvision")
    return folder


@pytest.fixture(autouse=True)
def offline(wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip sees the folder of wheels and nothing else."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("AUTOSEG_ENGINE", raising=False)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with the real launcher and small requirements; nothing is installed."""
    root = tmp_path_factory.mktemp("check out")
    shutil.copy(support.ROOT / "autoseg.py", root)
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(support.ROOT / "launcher", root / "launcher", ignore=ignore)
    write_requirements(root)
    room = root / "AutoSegPipeline" / "AutoSegPipelineLib" / "headless"
    room.mkdir(parents=True)
    (room / "__main__.py").write_text(PROGRAM)
    (room / "__init__.py").touch()
    (room.parent / "__init__.py").touch()
    return root


def write_requirements(root: Path, base: str = "tiny==1.0", extra: str = "totalsegmentator==1.0") -> None:
    """The three files that the launcher reads."""
    folder = root / "requirements"
    folder.mkdir(exist_ok=True)
    (folder / "base.txt").write_text(f"{base}\n")
    (folder / "totalsegmentator.txt").write_text(f"{extra}\nnnunetv2==1.0\n")
    (folder / "nnunet.txt").write_text("nnunetv2==1.0\n")
    (folder / "cluster.txt").write_text("torchvision==0.2\n")
    (folder / "usdz.txt").write_text("totalsegmentator==1.0\n")
    (folder / "openvino.txt").write_text("nnunetv2==1.0\n")
    (folder / "torch.txt").write_text("torch==2.0\ntorchvision==0.2\n")


def launch(root: Path, venv: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``autoseg.py`` to its end, nobody at the terminal."""
    return subprocess.run(
        [sys.executable, str(root / "autoseg.py"), "--venv", str(venv), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def versions(venv: Path) -> dict[str, str]:
    """What is installed in the one environment below ``venv``."""
    (folder,) = [path for path in venv.glob("base-*") if path.is_dir()]
    packages = list((folder / "lib").glob("*/site-packages")) or [folder / "Lib" / "site-packages"]
    found = [path.name[: -len(".dist-info")].partition("-") for path in packages[0].glob("*.dist-info")]
    return {name.lower(): version for name, _, version in found if name.lower() not in ("pip", "setuptools")}


def marker(venv: Path) -> dict[str, object]:
    (path,) = venv.glob("base-*/autoseg-ready.json")
    return dict(json.loads(path.read_text()))


# The whole way. Environments take seconds to make: those below are shared, and each test says what it leaves.


@pytest.fixture(scope="module")
def without(checkout: Path, wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the program's environment, the extra not installed; its tests leave it so."""
    return made(checkout, wheels, tmp_path_factory.mktemp("without"), "list")


@pytest.fixture(scope="module")
def whole(checkout: Path, wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the program's environment and the extra, torch of the CPU's build."""
    arguments = ("install", "totalsegmentator", "--yes", "--torch", CPU)
    return made(checkout, wheels, tmp_path_factory.mktemp("whole"), *arguments)


def made(root: Path, wheels: Path, venv: Path, *arguments: str) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(wheels))
        patch.setenv("PIP_CONFIG_FILE", os.devnull)
        answer = launch(root, venv, *arguments)
    assert answer.returncode in (0, 7), answer.stderr
    return venv


def test_nobody_to_ask_and_no_yes_explains_and_installs_nothing(checkout: Path, tmp_path: Path) -> None:
    answer = launch(checkout, tmp_path, "install", "totalsegmentator", "--torch", "cpu")
    assert answer.returncode == 2 and "--yes" in answer.stderr and "3 to 7 GB" in answer.stderr
    assert list(tmp_path.glob("base-*")) == []


def test_packages_come_on_request_alone_and_again_with_new_pins(
    checkout: Path, without: Path, tmp_path: Path
) -> None:
    assert "torchvision" not in versions(without)
    assert launch(checkout, tmp_path, "install", "cluster").returncode == 0
    assert versions(tmp_path)["torchvision"] == "0.2+cpu" and "cluster" in marker(tmp_path)["extras"]
    assert "totalsegmentator" not in versions(tmp_path)
    assert launch(checkout, tmp_path, "install", "usdz").returncode == 0
    assert launch(checkout, tmp_path, "install", "openvino").returncode == 0
    try:
        write_requirements(checkout, base="tiny==2.0")
        assert launch(checkout, tmp_path, "list").returncode == 7
        assert versions(tmp_path) == {
            "tiny": "2.0",
            "torchvision": "0.2+cpu",
            "totalsegmentator": "1.0",
            "nnunetv2": "1.0",
        }
        (checkout / "requirements" / "usdz.txt").write_text('tiny==2.0; python_version < "3"\n')
        answer = launch(checkout, tmp_path, "install", "usdz")
        assert answer.returncode == 1 and "no ready-made package" in answer.stderr
    finally:
        write_requirements(checkout)


def test_a_build_that_the_index_lacks_is_explained(checkout: Path, without: Path) -> None:
    answer = launch(checkout, without, "install", "totalsegmentator", "--yes", "--torch", "torch==3.0+cpu")
    assert answer.returncode == 1
    assert "--extra-index-url URL" in answer.stderr and "--torch cuda" in answer.stderr


def test_packages_of_the_program_are_not_replaced(checkout: Path, without: Path) -> None:
    write_requirements(checkout, extra="totalsegmentator==9.0")
    try:
        answer = launch(checkout, without, "install", "totalsegmentator", "--yes", "--torch", "torch==2.0")
    finally:
        write_requirements(checkout)
    assert answer.returncode == 1 and versions(without) == {"tiny": "1.0"}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pseudo terminals of POSIX")
def test_on_a_terminal_it_asks_for_the_build_and_once_more(checkout: Path, without: Path) -> None:
    answers = {"Choice": "3", "Requirement": "torch==2.0", "Go on": "n"}
    text, code = on_terminal(checkout, without, ["install", "totalsegmentator"], answers)
    assert code == 2 and "Nothing was installed" in text and "torchvision==0.2" in text
    assert "torch" not in versions(without)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pseudo terminals of POSIX")
def test_serve_with_the_engine_offers_it_and_no_is_an_answer(checkout: Path, without: Path) -> None:
    text, code = on_terminal(checkout, without, ["serve", "-e", "totalsegmentator"], {"Install it now": "n"})
    assert code == 7 and "not installed" in text and "torch" not in versions(without)


def test_it_is_installed_once_into_the_programs_own_environment(checkout: Path, whole: Path) -> None:
    wanted = {"torch": "2.0+cpu", "torchvision": "0.2+cpu", "totalsegmentator": "1.0", "tiny": "1.0"}
    assert versions(whole).items() >= wanted.items()
    before = marker(whole)
    again = launch(checkout, whole, "install", "totalsegmentator")
    assert again.returncode == 0 and marker(whole) == before
    assert "there already: torch 2.0+cpu, torchvision 0.2+cpu, computes on the CPU" in again.stderr
    program = launch(checkout, whole, "serve", "--engine", "totalsegmentator")
    assert program.returncode == 7 and json.loads(program.stdout)[0] == "serve" and program.stderr == ""


def test_a_second_engine_takes_the_torch_that_is_there(checkout: Path, whole: Path) -> None:
    first = marker(whole)["extras"]
    answer = launch(checkout, whole, "install", "nnunet", "--yes")
    assert answer.returncode == 0, answer.stderr
    both = marker(whole)["extras"]
    assert isinstance(first, dict) and isinstance(both, dict)
    assert both["totalsegmentator"] == first["totalsegmentator"] and both["nnunet"]["torch"] == CPU
    assert versions(whole)["torch"] == "2.0+cpu" and "models add" in answer.stderr


def test_a_build_that_cannot_be_had_leaves_the_one_that_is_there(checkout: Path, whole: Path) -> None:
    before, packages = marker(whole), versions(whole)
    answer = launch(checkout, whole, "install", "totalsegmentator", "--yes", "--torch", "torch==3.0")
    assert answer.returncode == 1 and (marker(whole), versions(whole)) == (before, packages)


def test_another_build_replaces_both_of_the_pair(
    checkout: Path, whole: Path, wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An index with plain builds only, whose 2.0 pip takes to be there already in 2.0+cpu.
    for wheel in wheels.glob("*.whl"):
        if "+cpu" not in wheel.name:
            shutil.copy(wheel, tmp_path)
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    plain = launch(checkout, whole, "install", "totalsegmentator", "--yes", "--torch", "cuda torch==2.0")
    assert plain.returncode == 2, "cuda is a word of its own"
    plain = launch(checkout, whole, "install", "totalsegmentator", "--yes", "--torch", "torch==2.0")
    assert plain.returncode == 0, plain.stderr
    assert versions(whole).items() >= {"torch": "2.0", "torchvision": "0.2"}.items()
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    back = launch(checkout, whole, "install", "totalsegmentator", "--yes", "--torch", CPU)
    assert back.returncode == 0, back.stderr
    assert versions(whole).items() >= {"torch": "2.0+cpu", "torchvision": "0.2+cpu"}.items()


def test_new_pins_of_the_program_bring_the_extra_along(checkout: Path, whole: Path) -> None:
    write_requirements(checkout, base="tiny==2.0")
    try:
        answer = launch(checkout, whole, "list")
        again = launch(checkout, whole, "list")
    finally:
        write_requirements(checkout)
    assert answer.returncode == 7 and "is brought up to date" in answer.stderr
    wanted = {"tiny": "2.0", "torch": "2.0+cpu", "totalsegmentator": "1.0"}
    assert versions(whole).items() >= wanted.items() and again.stderr == ""


def test_a_pair_of_two_builds_is_told_and_does_not_count(
    checkout: Path, without: Path, tmp_path: Path
) -> None:
    write_wheel(tmp_path, "torchvision", "0.1", {"torchvision.py": "__version__ = '0.1'\n"})
    build = f"torch==2.0+cpu torchvision<0.2 --find-links '{tmp_path}'"
    answer = launch(checkout, without, "install", "totalsegmentator", "--yes", "--torch", build)
    assert answer.returncode == 1 and "torchvision::nms does not exist" in answer.stderr
    assert "of one build" in answer.stderr and marker(without)["extras"] == {}
    assert launch(checkout, without, "list").returncode == 7, "the program itself still works"


def on_terminal(root: Path, venv: Path, arguments: list[str], answers: dict[str, str]) -> tuple[str, int]:
    """Run it on a pseudo terminal, answering each question once; all that was shown, and the exit code."""
    import pty
    import select

    outer, inner = pty.openpty()
    command = [sys.executable, str(root / "autoseg.py"), "--venv", str(venv), *arguments]
    child = subprocess.Popen(command, stdin=inner, stdout=inner, stderr=inner, close_fds=True)
    os.close(inner)
    shown, left, until = "", dict(answers), time.monotonic() + 120
    while time.monotonic() < until:
        if select.select([outer], [], [], 0.1)[0]:
            try:
                data = os.read(outer, 4096)
            except OSError:  # the other side is closed
                break
            if not data:
                break
            shown += data.decode("utf-8", "replace")
        for question in [one for one in left if one in shown and shown.rstrip(" ").endswith((":", "]"))]:
            os.write(outer, (left.pop(question) + "\n").encode())
    code = child.wait(30)
    os.close(outer)
    return shown, code
