"""Programs and packages that tests need: missing ones fail in CI, which installs them, and skip elsewhere."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import sysconfig
from typing import Any, NoReturn

import pytest


def missing(text: str) -> NoReturn:
    """Skip because of ``text``; in CI fail, for there the test must run."""
    if os.environ.get("CI"):
        pytest.fail(text)
    pytest.skip(text, allow_module_level=True)


def program(name: str, how: str = "") -> str:
    """The path of a program on the PATH or among this Python's scripts; ``how`` says how to get it."""
    found = shutil.which(name) or shutil.which(name, path=sysconfig.get_path("scripts"))
    if found is None:
        missing(f"{name} is not installed" + (f" ({how})" if how else ""))
    return found


def package(name: str, how: str = "", before: tuple[int, int] | None = None) -> Any:
    """The module ``name`` of a package that requirements/ pins, for Pythons ``before`` one if given."""
    if before is not None and sys.version_info >= before:
        pytest.skip(f"{name} has no wheel for Python {sys.version.split()[0]}", allow_module_level=True)
    try:
        return importlib.import_module(name)
    except ImportError as error:
        missing(f"{name} cannot be imported: {error}" + (f" ({how})" if how else ""))
