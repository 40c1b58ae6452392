"""Programs of others that tests need: missing ones fail in CI, which installs them, and skip elsewhere."""

from __future__ import annotations

import os
import shutil
import sysconfig

import pytest


def program(name: str, how: str = "") -> str:
    """The path of a program on the PATH or among this Python's scripts; ``how`` says how to get it."""
    found = shutil.which(name) or shutil.which(name, path=sysconfig.get_path("scripts"))
    if found is None:
        text = f"{name} is not installed" + (f" ({how})" if how else "")
        if os.environ.get("CI"):
            pytest.fail(text)
        pytest.skip(text)
    return found
