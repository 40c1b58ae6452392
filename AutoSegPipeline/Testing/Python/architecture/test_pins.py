"""Requirements: exact, one version for each Python and system, and whole."""

from __future__ import annotations

import itertools
import re
from importlib import metadata
from pathlib import Path

import pytest
import support.skeleton as support

from launcher import pins

REQUIREMENTS = support.ROOT / "requirements"
MACHINES = [
    {"python_version": version, "sys_platform": system, "platform_machine": machine}
    for version, (system, machine) in itertools.product(
        ("3.10", "3.11", "3.12", "3.13", "3.14", "3.15"),
        (
            ("linux", "x86_64"),
            ("linux", "aarch64"),
            ("win32", "AMD64"),
            ("darwin", "arm64"),
            ("darwin", "x86_64"),
        ),
    )
]

# schemathesis and what it needs.
NOT_ON_3_15 = {
    "schemathesis", "jsonschema-rs", "harfile", "hypothesis-graphql", "graphql-core", "pyrate-limiter",
    "pyyaml", "werkzeug",
}  # fmt: skip


def normal(name: str) -> str:
    """A package's name as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("file", ["base.txt", "test.txt"])
def test_each_package_has_one_version_on_every_python_and_system(file: str) -> None:
    every = pins.read(REQUIREMENTS / file)
    # Helpers of one system or of some Pythons only.
    sometimes = {
        "colorama", "exceptiongroup", "importlib-resources", "pyjpegls", "python-gdcm", "tomli", *NOT_ON_3_15,
    }  # fmt: skip
    for machine in MACHINES:
        names = [normal(pin.name) for pin in pins.applying(every, machine)]
        assert len(names) == len(set(names)), machine
        assert {normal(pin.name) for pin in every} - set(names) <= sometimes, machine


@pytest.mark.parametrize("path", sorted(REQUIREMENTS.glob("*.txt")), ids=lambda path: path.name)
def test_each_pin_says_why_it_is_there(path: Path) -> None:
    for line in path.read_text(encoding="utf-8").splitlines():
        if "==" in line and not line.startswith("#"):
            package = line.partition("==")[0]
            said = "#" in line or package in {"PySide6-Essentials", "shiboken6"}  # told above them
            assert said, line


def test_a_line_that_is_no_exact_pin_is_an_error(tmp_path: Path) -> None:
    loose = tmp_path / "loose.txt"
    loose.write_text("numpy>=2\n")
    with pytest.raises(ValueError, match=r"loose\.txt, line 1"):
        pins.read(loose)


def test_comments_and_spaces_do_not_change_the_fingerprint(tmp_path: Path) -> None:
    first, second, third = (tmp_path / name for name in ("a.txt", "b.txt", "c.txt"))
    first.write_text('numpy==2.0 # why\n\nscipy==1; python_version < "3.11"\n')
    second.write_text('numpy==2.0\nscipy==1;python_version < "3.11"\n')
    third.write_text('numpy==2.1\nscipy==1;python_version < "3.11"\n')
    assert pins.fingerprint([first]) == pins.fingerprint([second]) != pins.fingerprint([third])


@pytest.mark.parametrize(
    ("marker", "holds"),
    [
        ('python_version < "3.9"', False),
        ('python_version >= "3.9"', True),
        ('python_version == "3.11" and sys_platform == "linux"', True),
        ('sys_platform != "linux" or python_version >= "3.11"', True),
        ('sys_platform == "darwin" and platform_machine == "x86_64"', False),
    ],
)
def test_markers_are_read_as_pip_reads_them(tmp_path: Path, marker: str, holds: bool) -> None:
    file = tmp_path / "r.txt"
    file.write_text(f"numpy==1; {marker}\n")
    machine = {"python_version": "3.11", "sys_platform": "linux", "platform_machine": "x86_64"}
    assert bool(pins.applying(pins.read(file), machine)) is holds


def test_the_pins_name_all_that_they_need() -> None:
    # vtk needs matplotlib for mathematical text only; pyjpegls is not there for the newest Python.
    left_out = {"matplotlib", "pyjpegls"}
    here = pins.applying(
        pins.read(REQUIREMENTS / "base.txt") + pins.read(REQUIREMENTS / "test.txt"), pins.this_machine()
    )
    known = {normal(pin.name) for pin in here}
    missing = {}
    for pin in here:
        for requirement in metadata.requires(pin.name) or []:
            name, _, marker = requirement.partition(";")
            needed = normal(re.split(r"[\s<>=!~(\[]", name.strip())[0])
            if "extra" in marker or needed in known | left_out or not _asked_here(marker):
                continue
            missing[needed] = pin.name
    assert missing == {}


def _asked_here(marker: str) -> bool:
    from packaging.markers import Marker

    return not marker.strip() or Marker(marker.strip()).evaluate({"extra": ""})
