"""Resampling, files and components without what the package spends on them; nothing else changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import support.tiny_totalsegmentator as support
from support.tiny_totalsegmentator import needs_package

pytestmark = needs_package
PROBE = Path(support.__file__).with_name("lean_probe.py")


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """What the probe found, in one process."""
    done = support.run_there(str(PROBE))
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_the_installed_package_is_one_that_this_is_written_for(found: dict[str, Any]) -> None:
    assert found["lean"]


def test_scans_and_labels_are_resampled_to_the_same_voxels(found: dict[str, Any]) -> None:
    assert len(found["resampled"]) == 16
    assert all(found["resampled"].values()), found["resampled"]


def test_slabs_begin_at_the_same_coordinates_for_all_sizes(found: dict[str, Any]) -> None:
    assert found["planes"]["steps"] > 3000
    assert found["planes"]["earlier"] < 0.1 * found["planes"]["steps"], found["planes"]


def test_the_networks_inputs_stay_in_memory_and_other_images_are_files(found: dict[str, Any]) -> None:
    files = found["files"]
    assert files["kept"] and files["type"] == "int16" and files["size"] == 0
    assert files["other"] > 0 and files["written"]


def test_a_crop_is_put_back_in_the_type_of_the_labels(found: dict[str, Any]) -> None:
    assert found["cropped"]


def test_components_are_those_of_the_package(found: dict[str, Any]) -> None:
    assert len(found["components"]) == 36
    assert all(found["components"].values()), found["components"]


def test_the_box_around_a_scan_is_nnunets(found: dict[str, Any]) -> None:
    assert found["boxes"]
