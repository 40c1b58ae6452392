"""A virtual environment with pinned packages, made once, completely or not at all.

Its folder carries the Python and the pins in its name, so another Python or
another set of pins gets another folder, and a running pipeline keeps the one
it was started from. A marker written last says which parts are complete; without
it the folder was cut off and is made again.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

from . import pins
from .installer import pip_install, run
from .lock import Lock
from .places import REQUIREMENTS, interpreter, python_tag
from .trouble import Trouble, check_before

_MARKER = "autoseg-ready.json"
_OWNED = "autoseg-environment"
_FORMAT = 1


@dataclass(frozen=True)
class Part:
    """One requirements file; ``complete`` ones list their dependencies, so pip is not asked for them."""

    name: str
    complete: bool = True
    folder: Path = REQUIREMENTS
    source: tuple[str, ...] = ()  # packages that exist as source only

    @property
    def path(self) -> Path:
        """The requirements file."""
        return self.folder / f"{self.name}.txt"

    @property
    def fingerprint(self) -> str:
        """Changes with its pins."""
        return pins.fingerprint([self.path])


BASE = Part("base")
TEST = Part("test")
NODE = Part("node")
CLUSTER = Part("cluster")
USDZ = Part("usdz")
OPENVINO = Part("openvino")
SLICER_CORE = Part("slicer-core", complete=False)
SLICER_58 = Part("slicer-5.8", complete=False)
SLICER_PACKAGES_39 = Part("slicer-packages-py39")
TOTALSEGMENTATOR_26 = Part(
    "totalsegmentator-2.6", complete=False, source=("nnunetv2", "acvl-utils", "dynamic-network-architectures")
)


class Environment:
    """One virtual environment in ``folder``, made by ``python`` from ``first`` and, later, further parts."""

    def __init__(
        self,
        folder: Path,
        first: Part,
        say: Callable[[str], None],
        python: str = sys.executable,
        tag: str | None = None,
        name: str | None = None,
    ) -> None:
        """``name`` keeps it apart from another environment of the same first part."""
        self.first = first
        self.say = say
        self.base_python = python
        self.family = f"{name or first.name}-{tag or python_tag()}"
        self.path = folder / f"{self.family}-{first.fingerprint[:8]}"
        self._lock_path = folder / f"{self.path.name}.lock"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return interpreter(self.path)

    def is_ready(self, part: Part | None = None) -> bool:
        """Whether ``part`` (if none, the first) is installed completely and its base Python is there."""
        wanted = part or self.first
        marker = self._marker()
        same = marker.get("format") == _FORMAT and marker.get("path") == str(self.path)
        has = marker.get("parts", {}).get(wanted.name) == wanted.fingerprint
        return bool(same and has and self.python.exists() and self._base_exists())

    def ensure(self, *parts: Part) -> None:
        """Make it if needed, with the first part and ``parts``. Raises :class:`~.trouble.Trouble`."""
        wanted = (self.first, *parts)
        if all(self.is_ready(part) for part in wanted):
            return
        with self.locked() as lock:
            if not self.is_ready():
                earlier = self._earlier_extras()
                self._make(lock.fd)
                self._mark(extras=earlier)
            for part in parts:
                if not self.is_ready(part):
                    self._install(part, lock.fd)
        self._remove_older()

    def hold(self) -> int:
        """An open file that tells other launchers that this environment is in use, as long as it is open."""
        lock = Lock(self.path / "in-use.lock", shared=True)
        try:
            lock.try_now()
        except OSError:
            return -1  # read-only for this user; then this user removes nothing either
        return lock.fd

    def _waiting(self) -> None:
        self.say(f"Another installation into {self.path} is running; waiting for it ...")

    def _make(self, lock_fd: int) -> None:
        self._clear()
        check_before(self.path)
        began = time.monotonic()
        self.say(f"Installing into {self.path} (once)")
        self.path.mkdir(parents=True)
        (self.path / _OWNED).touch()
        run(
            [self.base_python, "-I", "-m", "venv", str(self.path)],
            lambda line: None,
            self.path,
            keep_open=(lock_fd,),
        )
        self._install(self.first, lock_fd)
        self.say(f"Installed in {time.monotonic() - began:.0f} s.")

    def _install(self, part: Part, lock_fd: int) -> None:
        count = len(pins.applying(pins.read(part.path), pins.this_machine())) if part.complete else 0
        self.say(f"Packages of requirements/{part.path.name}:")
        pip_install(self.python, part.path, count, self.say, not part.complete, (lock_fd,), part.source)
        self._mark(parts={**self._marker().get("parts", {}), part.name: part.fingerprint})

    def extras(self) -> dict[str, dict[str, str]]:
        """What was installed beside the parts, by name, as :meth:`set_extra` was reported."""
        found = self._marker().get("extras", {})
        return dict(found) if isinstance(found, dict) else {}

    def set_extra(self, name: str, value: dict[str, str] | None) -> None:
        """Write down what an extra is; None forgets it."""
        extras = {**self.extras(), name: value}
        self._mark(extras={key: about for key, about in extras.items() if about is not None})

    def locked(self) -> Lock:
        """``with`` it nobody else installs here."""
        return Lock(self._lock_path, self._waiting)

    def _earlier_extras(self) -> dict[str, dict[str, str]]:
        """Extras of an environment of the same Python with other pins: wanted, not yet installed."""
        found: dict[str, dict[str, str]] = {}
        for other in sorted(self.path.parent.glob(f"{self.family}-????????"), key=os.path.getmtime):
            for name, about in _read_marker(other).get("extras", {}).items():
                found[name] = {**about, "fingerprint": ""}
        return found

    def _mark(self, **changes: Any) -> None:
        """Write the marker beside itself and rename it: it is there completely or not at all."""
        marker = {"parts": {}, "extras": {}, **self._marker(), **changes}
        marker.update(format=_FORMAT, path=str(self.path), python=sys.version)
        text = json.dumps(marker)
        fresh = self.path / f"{_MARKER}.part"
        with open(fresh, "w", encoding="ascii") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(fresh, self.path / _MARKER)

    def _marker(self) -> dict[str, Any]:
        return _read_marker(self.path)

    def _base_exists(self) -> bool:
        """Whether the Python that it was made from is still there (``home`` in pyvenv.cfg)."""
        try:
            lines = (self.path / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
        except OSError:
            return False
        homes = [line.partition("=")[2].strip() for line in lines if line.partition("=")[0].strip() == "home"]
        return bool(homes) and os.path.isdir(homes[0])

    def _clear(self) -> None:
        """Remove what an installation that was cut off has left."""
        if not self.path.exists():
            return
        if any(self.path.iterdir()) and not (self.path / _OWNED).exists():
            raise Trouble(
                f"{self.path} is there and was not made by this program; choose another --venv DIR."
            )
        self.say("The environment is incomplete (cut off, or its Python is gone); making it again.")
        _remove(self.path)

    def _remove_older(self) -> None:
        """Remove environments of the same Python with other pins, unless somebody runs from them."""
        for other in self.path.parent.glob(f"{self.family}-????????"):
            if other == self.path or not (other / _OWNED).exists():
                continue
            build = Lock(other.with_name(f"{other.name}.lock"))
            if build.try_now():
                _remove_unused(other)
                build.release()
        for rest in self.path.parent.glob("removed-*"):
            shutil.rmtree(rest, ignore_errors=True)


def _read_marker(environment: Path) -> dict[str, Any]:
    try:
        found = json.loads((environment / _MARKER).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _remove_unused(folder: Path) -> None:
    use = Lock(folder / "in-use.lock")
    if os.name != "nt" and not use.try_now():
        return
    try:
        # Windows refuses to rename a folder from which a program runs, before anything is gone.
        os.rename(folder, folder.with_name(f"removed-{os.getpid()}-{folder.name}"))
    except OSError:
        return
    finally:
        use.release()


def _remove(folder: Path) -> None:
    """Remove a tree. Raises :class:`~.trouble.Trouble` when something in it is in use (Windows)."""
    try:
        # Whatever happens next, what is left must not pass for complete.
        (folder / _MARKER).unlink(missing_ok=True)
        shutil.rmtree(folder)
    except OSError as error:
        raise Trouble(
            f"{folder} cannot be removed ({error}). Stop what runs from it, then start again."
        ) from error
