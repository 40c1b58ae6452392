"""Label maps piece by piece: voxel for voxel those of nnU-Net, without the scores of a complete scan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import support.tiny_totalsegmentator as support
from support.tiny_totalsegmentator import needs_package

pytestmark = needs_package
PROBE = Path(support.__file__).with_name("pieces_probe.py")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the probe found; one process for all, as importing torch takes longer than they do."""
    done = support.run_there(str(PROBE), str(tmp_path_factory.mktemp("models")))
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_labels_are_those_of_nnunet_for_every_kind_of_model_and_grid(found: dict[str, Any]) -> None:
    cases = found["cases"]
    assert len(cases) == 14
    for name, case in cases.items():
        assert case["same"] and case["type"], name
        assert case["values"] > 1, f"{name} compares nothing"
        assert case["kept_grid"] == name.endswith(("own", "window")), name


def test_a_device_that_takes_windows_in_batches_finds_the_same_labels(found: dict[str, Any]) -> None:
    assert len(found["devices"]) == 6
    for name, case in found["devices"].items():
        assert case["single"] and case["batch"] == 3, name
        assert case["several"] > 0.999, name


def test_a_batch_that_does_not_fit_is_halved_and_nothing_is_lost(found: dict[str, Any]) -> None:
    halved = found["halved"]
    assert halved["same"] and halved["warnings"] == []
    assert halved["sizes"][:3] == [1, 6, 3] and set(halved["sizes"][4:]) <= {1}, halved["sizes"]
    assert halved["given_back"] == 2


def test_where_no_window_fits_nnunets_own_way_is_taken_and_the_manifest_says_so(
    found: dict[str, Any],
) -> None:
    nothing = found["nothing fits"]
    assert nothing["same"] and nothing["warnings"] == ["engine.stepped_down"]
    assert nothing["sizes"] == [1]


@pytest.mark.parametrize(("where", "least"), [("constant", 1.0), ("constant on a device", 0.999)])
def test_windows_with_one_value_are_computed_once(found: dict[str, Any], where: str, least: float) -> None:
    case = found[where]
    assert case["equal"] >= least, case
    assert case["computed"] < 0.7 * case["tiles"], case


def test_the_scores_of_a_complete_scan_exist_nowhere(found: dict[str, Any]) -> None:
    assert found["memory"]["theirs"] >= 1.0
    assert found["memory"]["ours"] < 0.2, found["memory"]


def test_memory_is_given_back_after_the_network_of_a_large_scan_only(found: dict[str, Any]) -> None:
    assert found["given back"] == {"small": 0, "large": 1, "scan_gone": True}
