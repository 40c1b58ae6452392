"""Runs pip and npm, and turns what they print into one short line per step."""

from __future__ import annotations

import collections
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable, Mapping

from .trouble import Trouble, explain

_TAIL_LINES = 12
_COLLECTING = re.compile(r"^Collecting (?P<name>[A-Za-z0-9._-]+)(?:==(?P<version>[^\s;]+))?")
_FROM_DISK = re.compile(r"^Processing .*?(?P<name>[A-Za-z0-9._]+)-(?P<version>[^-/\\]+)-[^/\\]+\.whl")
_SATISFIED = re.compile(
    r"^Requirement already satisfied: (?P<name>[A-Za-z0-9._-]+)(?:==(?P<version>[^\s;]+))?"
)
_DOWNLOADING = re.compile(r"^\s+Downloading (?P<file>[^\s/]+\.whl)(?: \((?P<size>[^)]+)\))?")
_INSTALLING = re.compile(r"^Installing collected packages: (?P<names>.+)$")

WHEELS_ONLY = ("--progress-bar", "off", "--only-binary", ":all:", "--no-warn-script-location")


class PipProgress:
    """Feed it pip's lines; it calls ``say`` with a line for people. ``total`` 0: not known."""

    def __init__(self, total: int, say: Callable[[str], None]) -> None:
        self.total = total
        self.say = say
        self.count = 0
        self.retried = False

    def feed(self, line: str) -> None:
        """Take one line of pip's output."""
        found = _COLLECTING.match(line) or _FROM_DISK.match(line) or _SATISFIED.match(line)
        if found:
            self.count += 1
            version = f" {found['version']}" if found["version"] else ""
            self.say(f"  {self._place()} {found['name']}{version}")
            return
        found = _DOWNLOADING.match(line)
        # pip also mentions the small metadata files that it looks at first.
        if found and found["size"] and "MB" in found["size"]:
            self.say(f"  {' ' * len(self._place())} downloading {found['size']}")
            return
        found = _INSTALLING.match(line)
        if found:
            self.say(f"  unpacking {len(found['names'].split(','))} packages ...")
        elif "Retrying (" in line and not self.retried:
            self.retried = True
            self.say("  the network does not answer; trying again ...")

    def _place(self) -> str:
        if not self.total:
            return f"[{self.count}]"
        width = len(str(self.total))
        return f"[{self.count:{width}d}/{max(self.total, self.count)}]"


def pip_command(python: Path) -> list[str]:
    """The beginning of every pip command."""
    return [str(python), "-m", "pip", "--disable-pip-version-check", "--no-input"]


def pip_install(
    python: Path,
    requirements: Path,
    total: int,
    say: Callable[[str], None],
    dependencies: bool = False,
    keep_open: tuple[int, ...] = (),
    source: tuple[str, ...] = (),
) -> None:
    """Install a requirements file. Raises :class:`~.trouble.Trouble` with pip's last lines.

    Wheels only, but for the packages ``source``, which exist in no other form.
    """
    command = [*pip_command(python), "install", *WHEELS_ONLY]
    command += ["--prefer-binary", "--no-binary", ",".join(source)] if source else []
    command += [] if dependencies else ["--no-deps"]
    command += ["-r", str(requirements)]
    run(command, PipProgress(total, say).feed, python.parent.parent, keep_open=keep_open)


def run(
    command: list[str],
    line_seen: Callable[[str], None],
    environment: Path,
    keep_open: tuple[int, ...] = (),
    cwd: Path | None = None,
    variables: Mapping[str, str] | None = None,
) -> None:
    """Run an installing command to its end; ``line_seen`` gets each line it prints.

    ``keep_open`` are lock files: a child that outlives a killed launcher still
    writes into the environment, so it must keep the lock until it ends.
    Raises :class:`~.trouble.Trouble` when it fails.
    """
    tail: collections.deque[str] = collections.deque(maxlen=_TAIL_LINES)
    words_of_pip: list[str] = []
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        env={**clean_environment(), **(variables or {})},
        cwd=cwd,
        **({} if os.name == "nt" else {"pass_fds": keep_open}),  # type: ignore[call-overload]
    )
    assert child.stdout is not None
    try:
        for line in child.stdout:
            line = line.rstrip()
            words_of_pip.append(line)
            if line and "Location 'file://" not in line:
                tail.append(line)
            line_seen(line)
        code = child.wait()
    except BaseException:
        _stop(child)
        raise
    if code != 0:
        words = "\n".join(f"  | {line}" for line in tail)
        raise Trouble(f"Installing failed.\n{words}\n{explain(chr(10).join(words_of_pip), environment)}")


def _stop(child: subprocess.Popen[str]) -> None:
    """End the installer; Ctrl+C on a terminal reached it as well and it may be on its way."""
    deadline = time.monotonic() + 5
    while child.poll() is None and time.monotonic() < deadline:
        child.terminate()
        time.sleep(0.1)
    if child.poll() is None:
        child.kill()
    child.wait()


def clean_environment() -> dict[str, str]:
    """This process's environment without what makes a Python look elsewhere for its packages."""
    foreign = (
        "PYTHONHOME",
        "PYTHONPATH",
        "PYTHONSTARTUP",
        "__PYVENV_LAUNCHER__",
        "VIRTUAL_ENV",
        "PIP_TARGET",
    )
    kept = {name: value for name, value in os.environ.items() if name not in foreign}
    kept["PYTHONIOENCODING"] = "utf-8"
    return kept


def say(text: str) -> None:
    """A line of the launcher: on standard error, because the command's own output may be one document."""
    print(text, file=sys.stderr, flush=True)
