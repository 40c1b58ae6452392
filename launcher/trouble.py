"""What went wrong while installing, in words that say what to do."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from pathlib import Path

# Rough size of a finished environment, and what pip needs beside it while it unpacks.
NEEDED_BYTES = 2_000_000_000

_NETWORK = (
    "NewConnectionError",
    "Failed to establish a new connection",
    "Temporary failure in name resolution",
    "Name or service not known",
    "nodename nor servname",
    "getaddrinfo failed",
    "Network is unreachable",
    "ConnectTimeout",
    "ReadTimeout",
    "Connection refused",
    "ConnectionResetError",
    "Max retries exceeded",
    "ENOTFOUND",
    "ECONNREFUSED",
    "EAI_AGAIN",
)
_PROXY = ("ProxyError", "Cannot connect to proxy", "407 Proxy")
_CERTIFICATE = ("CERTIFICATE_VERIFY_FAILED", "SSLError", "SSLCertVerificationError")
_DISK = (
    "No space left on device",
    "Errno 28",
    "not enough space on the disk",
    "ENOSPC",
    "Disk quota exceeded",
)
_NO_WHEEL = ("No matching distribution found", "Could not find a version that satisfies")


class Trouble(Exception):
    """The environment cannot be made; the text says why and what to do."""


def explain(output: str, environment: Path) -> str:
    """The likely reason behind a failed installation's ``output``, and the way out."""
    if _has(output, _DISK):
        return _disk_full(environment)
    if _has(output, _PROXY):
        return (
            "The proxy could not be used. Set HTTPS_PROXY (for example "
            "HTTPS_PROXY=http://user:password@proxy.example:3128) and start again."
        )
    if _has(output, _CERTIFICATE):
        return (
            "The certificate of the package index was not accepted; often a company's own proxy is in "
            "between. Point PIP_CERT to the company's certificate file and start again."
        )
    if _has(output, _NETWORK):
        return (
            "The package index cannot be reached. Check the network; behind a proxy set HTTPS_PROXY, with a "
            "mirror of your own set PIP_INDEX_URL (npm: NPM_CONFIG_REGISTRY). Then start again: what was "
            "downloaded is kept."
        )
    if _has(output, _NO_WHEEL):
        return (
            f"There is no ready-made package for this machine ({_machine()}). Needed: Linux with glibc 2.34 "
            "(2.39 on ARM), macOS 13, or Windows 10, each with 64 bits."
        )
    if "Permission denied" in output or "Access is denied" in output:
        return f"{environment} could not be written. Choose another folder with --venv DIR."
    if os.name == "nt" and len(str(environment)) > 60 and "No such file or directory" in output:
        return "The path may be too long for Windows. Choose a short one, for example --venv C:\\autoseg."
    return "The lines above are the installer's last words."


def check_before(environment: Path) -> None:
    """Raise :class:`Trouble` for what is known to fail: no ``venv``, no room."""
    import importlib.util

    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        raise Trouble(_no_venv())
    check_space(environment, NEEDED_BYTES)


def check_space(environment: Path, needed: int) -> None:
    """Raise :class:`Trouble` where fewer than ``needed`` bytes are free."""
    if shutil.disk_usage(environment.parent).free < needed:
        raise Trouble(_disk_full(environment, needed))


def _no_venv() -> str:
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    text = (
        f"This Python ({sys.executable}) came without the module that makes environments (venv, ensurepip)."
    )
    if sys.platform.startswith("linux"):
        return (
            f"{text}\nOn Debian and Ubuntu:  sudo apt install python{version}-venv   (or python3-venv)\n"
            "Elsewhere install your system's package for Python's venv, or a Python from python.org."
        )
    return f"{text}\nInstall Python {version} from python.org."


def _disk_full(environment: Path, needed: int = NEEDED_BYTES) -> str:
    free = shutil.disk_usage(environment.parent).free / 1e9
    return (
        f"The disk is full: {free:.1f} GB free in {environment.parent}, about {needed / 1e9:.0f} GB "
        "needed. Free some space, or choose another disk with --venv DIR (TMPDIR and PIP_CACHE_DIR move "
        "the installer's own files)."
    )


def _machine() -> str:
    library, version = platform.libc_ver()
    words = [sys.platform, platform.machine(), f"Python {platform.python_version()}"]
    if sys.platform == "darwin":
        words.append(f"macOS {platform.mac_ver()[0]}")
    elif library:
        words.append(f"{library} {version}")
    return ", ".join(words)


def _has(output: str, words: tuple[str, ...]) -> bool:
    return any(word in output for word in words)
