"""Which build of torch: the words of ``--torch`` and what pip is told for them."""

from __future__ import annotations

import shlex
import shutil
import sys
from dataclasses import dataclass

from . import pins
from .places import REQUIREMENTS

_WITH_VALUE = ("-i", "--index-url", "--extra-index-url", "-f", "--find-links")


class Declined(Exception):
    """Nothing was installed; the text says what to do instead. Exit code 2."""


CPU_GB, CUDA_GB = 3, 7


@dataclass(frozen=True)
class Torch:
    """What pip is told about torch: ``text`` as the user gave it, requirements, and pip's own options."""

    text: str
    requirements: tuple[str, ...]
    options: tuple[str, ...] = ()

    @property
    def gigabytes(self) -> int:
        """About what it takes on the disk, TotalSegmentator and its other packages included.

        Measured on Linux with Python 3.11 and torch 2.14.1: 6.5 GB with CUDA, 2.6 GB without.
        """
        return CPU_GB if self.text.split()[0].lower() == "cpu" else CUDA_GB


def pair(local: str = "") -> tuple[str, ...]:
    """Our pins of torch and torchvision, of the build ``local`` (``+cpu``) if any."""
    return tuple(f"{pin.name}=={pin.version}{local}" for pin in pins.read(REQUIREMENTS / "torch.txt"))


def parse_torch(text: str, system: str = sys.platform) -> Torch:
    """``cpu``, ``cuda`` or requirements, each with options of pip behind it.

    Raises :class:`Declined` where that is not available on this system.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise Declined(f"--torch {text!r}: {error}") from None
    asked, options = _split(words, text)
    kind = asked[0].lower() if len(asked) == 1 else ""
    if kind == "cpu":
        # Outside Linux the plain build has no CUDA (on Apple silicon it has Apple's GPU).
        return Torch(text, pair("+cpu" if system == "linux" else ""), options)
    if kind == "cuda":
        if system == "darwin":
            raise Declined("There is no CUDA on macOS; choose --torch cpu, which includes Apple's GPU.")
        if system == "win32" and not options:
            raise Declined(
                "On Windows the usual package index has no CUDA build. Name the index that PyTorch's "
                "installation page gives for your GPU: --torch 'cuda --extra-index-url URL'"
            )
        return Torch(text, pair(), options)
    names = [_name(one) for one in asked]
    if {"cpu", "cuda"} & set(names):
        raise Declined(f"--torch {text!r}: cpu and cuda stand alone, with options of pip behind them.")
    if "torch" not in names:
        raise Declined(f"--torch {text!r} is neither cpu nor cuda, and no requirement of torch.")
    if "torchvision" not in names:
        asked.append(_partner(asked[names.index("torch")]))
    return Torch(text, tuple(asked), options)


def _split(words: list[str], text: str) -> tuple[list[str], tuple[str, ...]]:
    asked: list[str] = []
    options: list[str] = []
    rest = iter(words)
    for word in rest:
        if not word.startswith("-"):
            asked.append(word)
            continue
        # The one command installs everything: an index of torch alone must stand beside the usual one.
        name, equal, value = word.partition("=")
        options.append("--extra-index-url" if name in ("-i", "--index-url") else name)
        if name in _WITH_VALUE:
            options.append(value if equal else next(rest, ""))
            if not options[-1]:
                raise Declined(f"--torch {text!r}: {name} needs a value")
        elif equal:
            options[-1] = word
    if not asked:
        raise Declined("--torch needs cpu, cuda or a requirement, for example --torch torch==2.14.1")
    return asked, tuple(options)


def _name(requirement: str) -> str:
    for stop in "=<>!~[@; ":
        requirement = requirement.partition(stop)[0]
    return requirement.strip().lower()


def _partner(torch: str) -> str:
    """The torchvision that belongs to a requirement of torch; pip finds it where we do not know it."""
    ours, theirs = pair()
    version, plus, local = torch.partition("==")[2].partition("+")
    if f"torch=={version}" == ours:
        return theirs + plus + local
    return "torchvision"


def has_gpu() -> bool:
    """Whether the driver of an NVIDIA GPU is installed here."""
    return shutil.which("nvidia-smi") is not None


def usual(system: str = sys.platform) -> str:
    """The build that suits this machine and that the usual index has."""
    return "cuda" if system == "linux" or (system == "win32" and has_gpu()) else "cpu"
