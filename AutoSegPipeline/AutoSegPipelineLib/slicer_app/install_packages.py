"""Puts packages for the full web server, the PACS and DICOM segmentations into a folder of the home.

A process of its own under Slicer's Python::

    PythonSlicer -m AutoSegPipelineLib.slicer_app.install_packages FOLDER

What is installed lies below FOLDER alone. It is made beside it, tried, and renamed when it works, so that
an attempt that fails or is cancelled leaves nothing. The Python's own packages are compared before and after.
It gives up when its standard input closes: cancelled, or the program that started it is gone.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from importlib import metadata
from pathlib import Path

from ..core.own_packages import MARK

PARTS = (
    "fastapi", "starlette", "uvicorn", "multipart", "jinja2", "zipstream", "prometheus_client", "argon2",
    "zxcvbn", "pyotp", "segno", "authlib", "joserfc", "cryptography",
    "pynetdicom", "dicomweb_client", "dicomanonymizer", "highdicom",
)  # fmt: skip
_LOOK_SECONDS = 0.2
UNWRITABLE, PIP_FAILED, DOES_NOT_WORK, CHANGED = 3, 4, 5, 6


def requirements(version: tuple[int, int] | None = None) -> Path:
    """The list of exact versions for a Python, the running one by default."""
    name = "py39.txt" if (version or sys.version_info[:2]) < (3, 10) else "py310.txt"
    return Path(__file__).resolve().parent / "packages" / name


def wanted(version: str) -> dict[str, str]:
    """What the mark of a finished installation says: Python and list."""
    major, minor = (int(part) for part in version.split(".")[:2])
    listed = requirements((major, minor)).read_bytes().replace(b"\r\n", b"\n")
    return {"python": f"{major}.{minor}", "list": hashlib.sha256(listed).hexdigest()}


def state_of(folder: Path, version: str) -> str:
    """``installed``, ``missing``, or ``outdated`` (for another Python or another list)."""
    try:
        mark = json.loads((folder / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "missing"
    return "installed" if mark == wanted(version) else "outdated"


def own_packages() -> dict[str, str]:
    """Names and versions of the packages that this Python has by itself."""
    found = {}
    for one in metadata.distributions():
        found[str(one.metadata["Name"])] = str(one.version)
    return found


def main(arguments: list[str]) -> int:
    """Install into the folder named, or remove those after ``--remove``.

    The exit code says which step failed, the output why.
    """
    if arguments[0] == "--remove":
        return _remove_all([Path(one) for one in arguments[1:]])
    folder = Path(arguments[0])
    part = folder.with_name(folder.name + ".part")
    old = folder.with_name(folder.name + ".old")
    try:
        for left in (part, old):
            _remove(left)
        part.mkdir(mode=0o700, parents=True)
    except OSError as error:
        print(f"{error.filename or part} cannot be written: {error.strerror}", flush=True)
        return UNWRITABLE
    try:
        return _install(folder, part, old)
    finally:
        _remove(part)


def _install(folder: Path, part: Path, old: Path) -> int:
    before = own_packages()
    # Exact versions without looking for more: nothing that Slicer has is touched, nothing is compiled.
    pip = [sys.executable, "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--no-deps"]
    pip += ["--only-binary", ":all:", "--target", str(part), "-r", str(requirements())]
    code = _run(pip, {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"})
    if code:
        print("pip has failed; nothing was changed", flush=True)
        return PIP_FAILED
    if own_packages() != before:
        print("the packages of Slicer itself have changed meanwhile; nothing was installed", flush=True)
        return CHANGED
    script = "import " + ", ".join(PARTS)
    if _run([sys.executable, "-c", script], {"PYTHONPATH": _first(part)}):
        print("the packages do not work in this Python; nothing was changed", flush=True)
        return DOES_NOT_WORK
    (part / MARK).write_text(json.dumps(wanted(sys.version)), encoding="utf-8")
    try:
        if folder.exists():
            os.rename(folder, old)
        os.rename(part, folder)
    except OSError as error:
        print(f"{folder} cannot be replaced: {error.strerror}; stop the web server first", flush=True)
        return UNWRITABLE
    _remove(old)
    print(f"installed in {folder}", flush=True)
    return 0


def _first(folder: Path) -> str:
    return os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH", "")])])


def _run(command: list[str], environment: dict[str, str]) -> int:
    process = subprocess.Popen(command, env={**os.environ, **environment}, stdin=subprocess.DEVNULL)
    while True:
        try:
            return process.wait(_LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            if _given_up.is_set():
                process.kill()
                process.wait()
                return 1


_given_up = threading.Event()


def _listen() -> None:
    try:
        while os.read(0, 4096):
            pass
    except OSError:
        pass  # no standard input is a closed one
    _given_up.set()


def _remove_all(folders: list[Path]) -> int:
    """Each folder goes as a whole or stays; a name of its own keeps a half-removed one from being used."""
    code = 0
    for folder in folders:
        old = folder.with_name(folder.name + ".old")
        try:
            _remove(old)
            if folder.exists():
                os.rename(folder, old)
            _remove(old)
            print(f"removed {folder}", flush=True)
        except OSError as error:
            print(f"{folder} cannot be removed: {error.strerror}; is it in use?", flush=True)
            code = UNWRITABLE
    return code


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


if __name__ == "__main__":
    threading.Thread(target=_listen, daemon=True).start()
    sys.exit(main(sys.argv[1:]))
