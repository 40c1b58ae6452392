"""Write the lists of files in the module's CMakeLists.txt from the tree.

    python3 AutoSegPipeline/Testing/list_library.py

Slicer packages only what is listed there.
"""

from __future__ import annotations

import re
from pathlib import Path

MODULE = Path(__file__).resolve().parent.parent
NAME = MODULE.name
_VARIABLE = "${MODULE_NAME}"
_NOT_PACKAGED = {"__pycache__", ".ruff_cache", ".mypy_cache", ".pytest_cache"}


def scripts(module: Path = MODULE) -> list[str]:
    """The module file and every Python file of the library, relative to the module's folder."""
    return [f"{NAME}.py", *_files(module, module / f"{NAME}Lib", python=True)]


def resources(module: Path = MODULE) -> list[str]:
    """Icons, and what the library reads beside its code: tables, templates."""
    return [
        *_files(module, module / "Resources", python=False),
        *_files(module, module / f"{NAME}Lib", python=False),
    ]


def listed(text: str, variable: str) -> list[str]:
    """The files that a CMakeLists.txt names in ``set(variable ...)``."""
    found = re.search(rf"set\({variable}\s(?P<files>[^)]*)\)", text)
    if not found:
        raise ValueError(f"no set({variable} ...) in CMakeLists.txt")
    return [line.replace(_VARIABLE, NAME) for line in found["files"].split()]


def written(text: str, module: Path = MODULE) -> str:
    """The text of CMakeLists.txt with both lists as the tree has them."""
    for variable, files in (
        ("MODULE_PYTHON_SCRIPTS", scripts(module)),
        ("MODULE_PYTHON_RESOURCES", resources(module)),
    ):
        lines = "".join(f"  {_with_variable(name)}\n" for name in files)
        text = re.sub(rf"set\({variable}\s[^)]*\)", lambda _, v=variable, li=lines: f"set({v}\n{li}  )", text)
    return text


def _with_variable(name: str) -> str:
    """As Slicer's template writes it: the module's own files by the variable, the library's in full."""
    if name.startswith(f"{NAME}Lib/"):
        return name
    return name.replace(f"{NAME}.", f"{_VARIABLE}.")


def _files(module: Path, folder: Path, python: bool) -> list[str]:
    return sorted(
        path.relative_to(module).as_posix()
        for path in folder.rglob("*")
        if path.is_file()
        and (path.suffix == ".py") == python
        and path.suffix != ".pyc"
        and not _NOT_PACKAGED.intersection(path.parts)
    )


if __name__ == "__main__":
    cmake = MODULE / "CMakeLists.txt"
    cmake.write_text(written(cmake.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
    print(f"{cmake}: {len(scripts())} scripts, {len(resources())} resources")
